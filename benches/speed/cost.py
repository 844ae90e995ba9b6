"""Measures for scripts/bench cost: what one datagram costs by its size, and by how many sources and interfaces there are.

    cost.py STEM

Prints the summary and every figure as Markdown, and draws plots to STEM-*.svg.
"""

import os
import subprocess
import sys
import time

import report
from machine import HALLOO, PLAIN, SMOKE, TIMER, Server, client, idle_share, keep, load, numbers, values

ROUNDS = 1 if SMOKE else 3
MILLIS = 20 if SMOKE else 250
SIZES = [1, 64, 65507] if SMOKE else [1, 16, 64, 256, 512, 1400, 4096, 8972, 16384, 32768, 65507]
SOURCES = [1, 100] if SMOKE else [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]
# Beside the loopback interface; two at a time, the ends of a cable.
INTERFACES = [2, 4] if SMOKE else [2, 10, 50, 100, 200, 500]
# As many on their way as the default receive buffer of the yardstick has room for at every size.
BY_SIZE_DEPTH = 2
BY_SOURCES_DEPTH = 64
# Each of the most sources is heard this often.
TURNS = 3
# But nothing is measured longer than this: a million sources are heard once.
MOST_MILLIS = 12_000
# Runs of a program from start to exit, of which the median is taken.
SHOTS = 3 if SMOKE else 20
# How long new interfaces may take until they are up, in seconds.
SETTLED = 5
# No datagram waits in the sink's queue for want of time: far below what it can take.
PACE = 100_000

YARDSTICK = "plain Rust"
HOST = "127.0.0.1"
SERVERS = {YARDSTICK: [PLAIN, "echo", f"{HOST}:PORT"], "halloo echo": [HALLOO, "echo", f"{HOST}:PORT", "-q"]}
SINKS = {
    YARDSTICK: [PLAIN, "sink", f"{HOST}:PORT"],
    "halloo listen -q": [HALLOO, "listen", f"{HOST}:PORT", "-q"],
    "halloo listen --json": [HALLOO, "listen", f"{HOST}:PORT", "--json"],
}
BY_SIZE = "processor us/echo by payload bytes"
BY_SOURCES = "processor us/echo by sources"
HEARD = "processor us/datagram received by sources"
MEMORY = "peak memory of an echo server, KiB, by sources"
MEMORY_HEARD = "peak memory of a listener, KiB, by sources"
BY_INTERFACES = "processor us/echo by interfaces"
HEARD_BY_INTERFACES = "processor us/datagram received by interfaces"
MEMORY_BY_INTERFACES = "peak memory of an echo server, KiB, by interfaces"
STARTS = "start to exit, us, by interfaces"
SENDERS = {
    YARDSTICK: [PLAIN, "send", f"{HOST}:PORT", "hello"],
    "halloo send": [HALLOO, "send", f"{HOST}:PORT", "hello", "-q"],
    "halloo broadcast": [HALLOO, "broadcast", "--port", "PORT", "hello", "-q"],
}

TABLES = {
    "By payload bytes": [(BY_SIZE, True)],
    "Echo servers, by sources": [(BY_SOURCES, True), (MEMORY, False)],
    "Listeners, by sources": [(HEARD, True), (MEMORY_HEARD, False)],
    "Echo servers, by interfaces": [(BY_INTERFACES, True), (MEMORY_BY_INTERFACES, False)],
    "Listeners, by interfaces": [(HEARD_BY_INTERFACES, True)],
    "One datagram, or one by every interface": [(STARTS, True)],
}
PLOTTED = [BY_SIZE, BY_SOURCES, HEARD, MEMORY, MEMORY_HEARD, BY_INTERFACES, HEARD_BY_INTERFACES, STARTS]


def by_size(round_):
    for size in SIZES:
        for name, command in SERVERS.items():
            told, spent, _, idle = measured(command, "echo", size, BY_SIZE_DEPTH, MILLIS, 1)
            keep(BY_SIZE, size, name, round_, spent / told["echoed"], idle)


def by_sources(round_):
    for sources in SOURCES:
        for name, command in SERVERS.items():
            millis = min(max(MILLIS, TURNS * sources // 100), MOST_MILLIS)
            told, spent, peak, idle = measured(command, "echo", 64, BY_SOURCES_DEPTH, millis, sources)
            keep(BY_SOURCES, sources, name, round_, spent / told["echoed"], idle)
            keep(MEMORY, sources, name, round_, peak, idle)
        for name, command in SINKS.items():
            millis = min(max(MILLIS, TURNS * sources * 1000 // PACE), MOST_MILLIS)
            told, spent, peak, idle = measured(command, "flood", 64, PACE, millis, sources)
            keep(HEARD, sources, name, round_, spent / (told["sent"] - told["lost"]), idle)
            keep(MEMORY_HEARD, sources, name, round_, peak, idle)


def lay_cables(before, wanted):
    """Interfaces in the network of this bench, up to so many. Each has a subnet and a broadcast address of its own."""
    lines = []
    for number in range(before, wanted, 2):
        lines.append(f"link add a{number} type veth peer name b{number}")
        for place, name in enumerate((f"a{number}", f"b{number}")):
            lines.append(f"link set {name} up")
            lines.append(f"addr add 10.{place}.{number // 2}.1/24 broadcast + dev {name}")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
    until = time.monotonic() + SETTLED
    while time.monotonic() < until and any(state(name) != "up" for name in os.listdir("/sys/class/net") if name != "lo"):
        time.sleep(0.01)


def state(name):
    with open(f"/sys/class/net/{name}/operstate") as file:
        return file.read().strip()


def by_interfaces():
    """More and more of them: taking them away again would take longer than all that is measured."""
    there = 0
    for count in INTERFACES:
        lay_cables(there, count)
        there = count
        for round_ in range(1, ROUNDS + 1):
            for name, command in SERVERS.items():
                told, spent, peak, idle = measured(command, "echo", 64, BY_SOURCES_DEPTH, MILLIS, 1)
                keep(BY_INTERFACES, count, name, round_, spent / told["echoed"], idle)
                keep(MEMORY_BY_INTERFACES, count, name, round_, peak, idle)
            for name, command in SINKS.items():
                told, spent, _, idle = measured(command, "flood", 64, PACE, MILLIS, 1)
                keep(HEARD_BY_INTERFACES, count, name, round_, spent / (told["sent"] - told["lost"]), idle)
            starts(count, round_)


def starts(count, round_):
    with Server(SINKS[YARDSTICK]) as server:
        for name, command in SENDERS.items():
            idle = idle_share()
            words = [str(word).replace("PORT", str(server.port)) for word in command]
            told = numbers(client([TIMER, SHOTS, "/dev/null", *words]))
            if told.get("failed") != 0:
                sys.exit(f"{words} failed: {told}")
            keep(STARTS, count, name, round_, told["us"], idle)


def measured(command, what, size, many, millis, sources):
    idle = idle_share()
    with Server(command) as server:
        before = server.processor_time()
        told = load(what, server.port, size, many, millis, 1, sources)
        return told, server.processor_time() - before, server.peak(), idle


def main(stem):
    for round_ in range(1, ROUNDS + 1):
        by_size(round_)
        by_sources(round_)
    by_interfaces()
    print(f"""- Echo servers by size: {BY_SIZE_DEPTH} datagrams on their way, which is what a default receive buffer has room for at every size.
- By sources: 64 B, each datagram from the next of so many addresses of 127/8, each heard {TURNS} times or more, but for no more
  than {MOST_MILLIS // 1000} s; echo servers with {BY_SOURCES_DEPTH} on their way, listeners at {PACE:,} a second.
- By interfaces: beside the loopback interface, by which the datagrams come, so many ends of cables (veth), each with a subnet of its own;
  64 B from one source, otherwise as by sources. Start to exit: {SHOTS} runs by benches/speed/timer.rs, of which the median is the value of a
  round: one datagram over loopback, and a broadcast by every interface.
- The processor time is that of the server alone, by the kernel's scheduler. {ROUNDS} rounds; median (range).
""")
    shown = report.Report(YARDSTICK, stem, TABLES)
    shown.tables()
    print("## Plots\n")
    for number, figure in enumerate(PLOTTED, 1):
        path = f"{stem}-{number}.svg"
        across = figure.rsplit("by ", 1)[1]
        names = report.unique(key[2] for key in values if key[0] == figure)
        report.lines(path, figure, across, {name: line(shown, figure, name) for name in names})
        print(f"- [{figure}]({os.path.basename(path)})")
    print()
    shown.raw()


def line(shown, figure, name):
    cases = report.unique(key[1] for key in values if key[0] == figure)
    return [(float(case), report.median(list(shown.rounds(figure, case, name).values()))) for case in cases]


main(sys.argv[1])
