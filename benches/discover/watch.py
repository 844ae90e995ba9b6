"""Runs one client of scripts/bench discover, and prints what it came to in one line.

    watch.py NAME SECONDS PATTERN COMMAND...

PATTERN has one group, the name of a service; or it is "json", for halloo. Printed: name, services found, lines, ms from
the start of the process to the last new service, ms to its exit (- when it had to be ended after SECONDS), services told
again, answers that its receive buffer had no room for (untold by the others), bytes and frames that passed the interfaces of this host meanwhile, both ways.

Exit code 3 says that the neighbour table was full meanwhile: then the figures are of no use.

When halloo prints its list, it has known everybody for some time: the last new one is told by how long ago it was heard.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time

name, seconds, pattern, command = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:]


def passed():
    bytes_, frames = 0, 0
    for line in open("/proc/self/net/dev").read().splitlines()[2:]:
        interface, figures = line.split(":")
        if interface.strip() != "lo":
            figures = [int(figure) for figure in figures.split()]
            bytes_ += figures[0] + figures[8]
            frames += figures[1] + figures[9]
    return bytes_, frames


def overflows():
    # How often the kernel had no room for another neighbour. It has one table for all networks of the machine, so somebody
    # else can fill it; nobody in the bench has more than ten neighbours. Only the machine's own network shows it, which
    # has been opened as descriptor 9.
    os.lseek(9, 0, os.SEEK_SET)
    return [line.split()[-1] for line in os.read(9, 1 << 16).splitlines()[1:]]


full = overflows()
before = passed()
began = time.monotonic()
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
ended = threading.Timer(seconds, process.kill)
ended.start()
lines = [(time.monotonic() - began, line) for line in process.stdout]
process.wait()
took = time.monotonic() - began
by_itself = ended.is_alive() and process.returncode in (0, 1)
ended.cancel()
# What is still on its way.
time.sleep(0.3)
after = passed()

seen, last, again, told, dropped = set(), 0, 0, 0, "untold"
for at, line in lines:
    if pattern == "json":
        event = json.loads(line)
        if event["event"] == "summary":
            dropped = event["kernel_drops"]
        if event["event"] != "service":
            continue
        service, at = event["id"], took - event["age_ms"] / 1000
    else:
        match = re.search(pattern, line.decode(errors="replace"))
        if not match:
            told += 1
            continue
        service = match.group(1)
    told += 1
    if service in seen:
        again += 1
    else:
        seen.add(service)
        last = max(last, at)
ms = lambda time: str(round(time * 1000))
exit_ = ms(took) if by_itself else "-"
figures = [after[0] - before[0], after[1] - before[1]]
print(name, len(seen), told, ms(last) if seen else "-", exit_, again, dropped, *figures)
sys.exit(3 if overflows() != full else 0)
