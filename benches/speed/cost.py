"""Measures for scripts/bench cost: what one datagram costs by its size, and by how many sources there are.

    cost.py STEM

Prints the summary and every figure as Markdown, and draws plots to STEM-*.svg.
"""

import os
import sys

import report
from machine import HALLOO, PLAIN, SMOKE, Server, idle_share, keep, load, values

ROUNDS = 1 if SMOKE else 3
MILLIS = 20 if SMOKE else 250
SIZES = [1, 64, 65507] if SMOKE else [1, 16, 64, 256, 512, 1400, 4096, 8972, 16384, 32768, 65507]
SOURCES = [1, 100] if SMOKE else [1, 10, 100, 1000, 10_000, 100_000]
# As many on their way as the default receive buffer of the yardstick has room for at every size.
BY_SIZE_DEPTH = 2
BY_SOURCES_DEPTH = 64
# Each of the most sources is heard this often.
TURNS = 3
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

TABLES = {
    "By payload bytes": [(BY_SIZE, True)],
    "Echo servers, by sources": [(BY_SOURCES, True), (MEMORY, False)],
    "Listeners, by sources": [(HEARD, True), (MEMORY_HEARD, False)],
}


def by_size(round_):
    for size in SIZES:
        for name, command in SERVERS.items():
            told, spent, _, idle = measured(command, "echo", size, BY_SIZE_DEPTH, MILLIS, 1)
            keep(BY_SIZE, size, name, round_, spent / told["echoed"], idle)


def by_sources(round_):
    for sources in SOURCES:
        for name, command in SERVERS.items():
            millis = max(MILLIS, TURNS * sources // 100)
            told, spent, peak, idle = measured(command, "echo", 64, BY_SOURCES_DEPTH, millis, sources)
            keep(BY_SOURCES, sources, name, round_, spent / told["echoed"], idle)
            keep(MEMORY, sources, name, round_, peak, idle)
        for name, command in SINKS.items():
            millis = max(MILLIS, TURNS * sources * 1000 // PACE)
            told, spent, peak, idle = measured(command, "flood", 64, PACE, millis, sources)
            keep(HEARD, sources, name, round_, spent / (told["sent"] - told["lost"]), idle)
            keep(MEMORY_HEARD, sources, name, round_, peak, idle)


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
    print(f"""- Echo servers by size: {BY_SIZE_DEPTH} datagrams on their way, which is what a default receive buffer has room for at every size.
- By sources: 64 B, each datagram from the next of so many addresses of 127/8, each heard {TURNS} times or more; echo servers with
  {BY_SOURCES_DEPTH} on their way, listeners at {PACE:,} a second.
- The processor time is that of the server alone, by the kernel's scheduler. {ROUNDS} rounds; median (range).
""")
    shown = report.Report(YARDSTICK, stem, TABLES)
    shown.tables()
    print("## Plots\n")
    for number, figure in enumerate([BY_SIZE, BY_SOURCES, HEARD, MEMORY, MEMORY_HEARD], 1):
        path = f"{stem}-{number}.svg"
        across = "payload bytes" if figure == BY_SIZE else "sources"
        names = report.unique(key[2] for key in values if key[0] == figure)
        report.lines(path, figure, across, {name: line(shown, figure, name) for name in names})
        print(f"- [{figure}]({os.path.basename(path)})")
    print()
    shown.raw()


def line(shown, figure, name):
    cases = report.unique(key[1] for key in values if key[0] == figure)
    return [(float(case), report.median(list(shown.rounds(figure, case, name).values()))) for case in cases]


main(sys.argv[1])
