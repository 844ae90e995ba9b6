"""What scripts/bench speed and cost share: servers on one processor, clients on another, and what the machine says of both."""

import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET, PROFILE = os.environ["TARGET"], os.environ["PROFILE"]
SERVER_CPU, CLIENT_CPU = os.environ["SERVER_CPU"], os.environ["CLIENT_CPU"]
SMOKE = PROFILE == "debug"
SCRATCH = os.environ["SCRATCH"]
HALLOO = f"{TARGET}/{PROFILE}/halloo"
LOAD = f"{TARGET}/{PROFILE}/examples/bench-load"
PLAIN, TIMER = f"{TARGET}/release/bench-plain", f"{TARGET}/release/bench-timer"
PYTHON = [sys.executable, f"{HERE}/plain.py"]
# Nobody is given longer than this, in seconds.
LONGEST = 20
# The share of the machine that should be idle before a measurement, and how long a whole run waits for that, in seconds.
QUIET = 0.9
PATIENCE = 0 if SMOKE else 40
LOOK = 0.01 if SMOKE else 0.1

waited = 0.0
ports = iter(range(20000, 60000))
# Every measured value: (figure, case, contender, round) to (value, share of the machine that was idle before).
values = {}


def pinned(cpu, command):
    return ["taskset", "-c", cpu, *map(str, command)]


def client(command, **how):
    """Runs a client to its end; what it printed."""
    done = subprocess.run(pinned(CLIENT_CPU, command), capture_output=True, text=True, timeout=LONGEST, **how)
    return done.stdout + done.stderr


def numbers(text):
    """The words name=number of a text."""
    return {name: float(number) for name, number in re.findall(r"(\w+)=([0-9.]+)", text)}


def load(what, port, size, many, millis, train=1, sources=1):
    told = client([LOAD, what, f"127.0.0.1:{port}", size, many, millis, train, sources])
    figures = numbers(told)
    if "rate" not in figures:
        sys.exit(f"bench-load says: {told}")
    return figures


def idle_share():
    """The share of the processors that is left over just now. Waits for quiet, as long as there is patience."""
    global waited
    while True:
        before = processors()
        time.sleep(LOOK)
        spare, all_ = (now - then for now, then in zip(processors(), before))
        share = spare / max(all_, 1)
        if share >= QUIET or waited >= PATIENCE:
            return share
        waited += LOOK


def processors():
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def keep(figure, case, contender, round_, value, idle):
    values[figure, str(case), contender, round_] = (value, idle)


class Server:
    """A server with its children, on the processor of servers, at a port of its own."""

    def __init__(self, command, kind="udp", **how):
        self.port = next(ports)
        command = [str(word).replace("PORT", str(self.port)) for word in command]
        self.said = open(f"{SCRATCH}/said", "w+")
        how = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, **how}
        # Nothing that is started here outlives this program.
        ends = ["setpriv", "--pdeathsig", "KILL", "--"]
        self.process = subprocess.Popen(
            ends + pinned(SERVER_CPU, command), stderr=self.said, start_new_session=True, **how
        )
        until = time.monotonic() + LONGEST
        while not self.listens(kind):
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{command[0]} does not start: {self.notes()}")
            time.sleep(0.001)

    def listens(self, kind):
        ending = f":{self.port:04X}"
        return any(line.split()[1].endswith(ending) for line in open(f"/proc/net/{kind}").readlines()[1:])

    def notes(self):
        self.said.seek(0)
        return self.said.read()

    def family(self):
        """The server and what it has started, by number."""
        found = [self.process.pid]
        for pid in found:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    found += map(int, open(f"/proc/{pid}/task/{task}/children").read().split())
            except OSError:
                pass
        return found

    def tasks(self, file):
        """What a file in /proc says of each thread."""
        for pid in self.family():
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    yield open(f"/proc/{pid}/task/{task}/{file}").read()
            except OSError:
                pass

    def processor_time(self):
        """In microseconds."""
        return sum(int(text.split()[0]) for text in self.tasks("schedstat")) / 1e3

    def wake_ups(self):
        """How often its threads have gone to sleep of their own will."""
        return sum(int(re.search(r"voluntary_ctxt_switches:\s+(\d+)", text).group(1)) for text in self.tasks("status"))

    def peak(self):
        """The most memory that it has had, in KiB, and its children with it."""
        total = 0
        for pid in self.family():
            try:
                total += int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
            except (OSError, AttributeError):
                pass
        return total

    def stop(self):
        """Ends it in order if it can, with its children; what it said."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        notes = self.notes()
        self.said.close()
        return notes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.said.closed:
            self.stop()
