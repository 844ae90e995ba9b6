"""Measures for scripts/bench speed: echoes, one way, one-shot sends, idleness; halloo and its rivals in turn, round by round.

    speed.py STEM

Prints the summary and every figure as Markdown, and draws plots to STEM-*.svg.
"""

import json
import os
import re
import shutil
import sys
import time

import report
from machine import HALLOO, HERE, PLAIN, PYTHON, SCRATCH, SMOKE, TARGET, TIMER, Server, client, idle_share, keep, load, numbers

ROUNDS = 1 if SMOKE else 5
# Of what takes longest: one way, and idleness.
FEWER = 1 if SMOKE else 3
MILLIS = 20 if SMOKE else 250
DEPTH = 128
SIZES = [0, 64, 512, 1400, 8972, 65507]
ONE_WAY = [64, 1400]
# Of what was received under a flood: paces that are tried until nothing is lost.
PACES = [0.9, 0.01] if SMOKE else [0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15, 0.08, 0.04, 0.02, 0.01]
SENDS = 500 if SMOKE else 200_000
SHOTS = 3 if SMOKE else 20
IDLE_SECONDS = 0.3 if SMOKE else 3

YARDSTICK = "plain Rust"
HOST = "127.0.0.1"
ECHOES = {
    YARDSTICK: [PLAIN, "echo", f"{HOST}:PORT"],
    "halloo": [HALLOO, "echo", f"{HOST}:PORT", "-q"],
    "Python": [*PYTHON, "echo", "PORT"],
    "socat": ["socat", "-b", "65536", f"UDP4-LISTEN:PORT,bind={HOST},fork", "EXEC:/bin/cat,nofork"],
    "ncat": ["ncat", "-u", "-l", "-k", "-e", "/bin/cat", HOST, "PORT"],
    "nc.openbsd": ["sh", "-c", f"rm -f {SCRATCH}/loop; mkfifo {SCRATCH}/loop; nc.openbsd -u -l {HOST} PORT <{SCRATCH}/loop | cat >{SCRATCH}/loop"],
}
# One that polls is one for round trips alone: under load it finds the next datagram anyway.
POLLING = {"halloo --busy-poll 50us": [*ECHOES["halloo"], "--busy-poll", "50us"]}
# Who takes trains whole, of a client that sends in trains.
WHOLE = {"halloo --offload": [*ECHOES["halloo"], "--offload"]}
LISTEN = [HALLOO, "listen", f"{HOST}:PORT", "--fail-on-loss"]
SINKS = {
    YARDSTICK: [PLAIN, "sink", f"{HOST}:PORT"],
    "halloo -q": [*LISTEN, "-q"],
    "halloo, text": LISTEN,
    "halloo --json": [*LISTEN, "--json"],
    "halloo --pcap -q": [*LISTEN, "-q", "--pcap", "/dev/null"],
    "Python": [*PYTHON, "sink", "PORT"],
    "socat": ["socat", "-u", f"UDP4-RECV:PORT,bind={HOST}", "-"],
    "ncat": ["ncat", "-u", "-l", "--recv-only", HOST, "PORT"],
    "nc.openbsd": ["nc.openbsd", "-u", "-l", HOST, "PORT"],
}
WHOLE_SINKS = {"halloo -q --offload": [*LISTEN, "-q", "--offload"]}
# sockperf answers none but its own client, and iperf3 receives nothing but its own; so these two are measured by themselves.
SOCKPERF = ["sockperf", "server", "-i", HOST, "-p", "PORT"]
IPERF = ["iperf3", "-s", "-B", HOST, "-p", "PORT"]


def round_trips(round_):
    """(a)"""
    for name, command in {**ECHOES, **POLLING}.items():
        idle = idle_share()
        with Server(command) as server:
            told = load("echo", server.port, 64, 1, MILLIS * 2)
        for figure in ("p50", "p99"):
            keep(f"round trip {figure}, us", "64 B", name, round_, told[figure] or None, idle)
    idle = idle_share()
    with Server(SOCKPERF) as server:
        said = client(["sockperf", "ping-pong", "-i", HOST, "-p", server.port, "-m", 64, "-t", 1, "--full-rtt"])
    for figure, percentile in (("p50", "50.000"), ("p99", "99.000")):
        told = re.search(rf"percentile {percentile} = +([0-9.]+)", said)
        keep(f"round trip {figure}, us", "64 B", "sockperf", round_, told and float(told[1]), idle)


def echoes(round_):
    """(b)"""
    cases = [(f"{size} B", size, 1, ECHOES) for size in SIZES]
    # A client that hands over trains; the rivals' answers are none faster for it.
    ours = {**{name: ECHOES[name] for name in (YARDSTICK, "halloo", "Python")}, **WHOLE}
    cases += [(f"{size} B in trains", size, 64, ours) for size in (64, 1400)]
    for case, size, train, contenders in cases:
        for name, command in contenders.items():
            idle = idle_share()
            with Server(command) as server:
                before = server.processor_time()
                told = load("echo", server.port, size, DEPTH, MILLIS, train)
                spent, peak = server.processor_time() - before, server.peak()
            # What merges and cuts is no echo server: the few that were right by chance are no rate.
            right = told["echoed"] > told["wrong"]
            keep("echoes/s", case, name, round_, told["rate"] if right else None, idle)
            keep("wrong", case, name, round_, told["wrong"], idle)
            keep("lost", case, name, round_, told["lost"], idle)
            keep("processor us/echo", case, name, round_, spent / told["echoed"] if right else None, idle)
            keep("peak memory, KiB", case, name, round_, peak, idle)
            keep("client busy, %", case, name, round_, told["busy"], idle)


def received(command, size, pace, train, millis):
    """One flood of one sink: what it received a second, and what was lost."""
    with Server(command) as server:
        told = load("flood", server.port, size, round(pace), millis, train)
        # A server that is already gone has received nothing.
        server.stop()
    # Of trains that are taken whole the kernel counts one drop for each.
    if "--offload" in command and told["lost"]:
        counted, lost = told["lost"], min(told["lost"] * train, told["sent"])
        told |= {"lost": lost, "rate": told["rate"] * (told["sent"] - lost) / max(told["sent"] - counted, 1)}
    # halloo counts, beside what the kernel dropped, what was not written.
    if "--fail-on-loss" in command and server.process.returncode == 1 and not told["lost"]:
        told["lost"] = 1
    if "--fail-on-loss" in command and told["lost"] == 0 and server.process.returncode:
        sys.exit(f"halloo listen ended with {server.process.returncode}: {server.said}")
    return told


def receive(round_):
    """(c), the receiving side."""
    few = {**{name: SINKS[name] for name in (YARDSTICK, "halloo -q", "halloo --json")}, **WHOLE_SINKS}
    # 46 of 1400 B are what one train can hold.
    trains = [("64 B in trains", 64, 64, few), ("1400 B in trains", 1400, 46, few)]
    for case, size, train, sinks in [(f"{size} B", size, 1, SINKS) for size in ONE_WAY] + trains:
        for name, command in sinks.items():
            idle = idle_share()
            told = received(command, size, 0, train, MILLIS)
            flooded, lossless = told, None if told["lost"] else told["rate"]
            for share in PACES if told["lost"] else []:
                told = received(command, size, flooded["rate"] * share, train, MILLIS // 2)
                if told["lost"] == 0:
                    lossless = told["rate"]
                    break
            keep("received/s without loss", case, name, round_, lossless, idle)
            keep("received/s in a flood", case, name, round_, flooded["rate"], idle)
            keep("lost in a flood, %", case, name, round_, 100 * flooded["lost"] / flooded["sent"], idle)


def timed(command, stdin=None):
    begun = time.monotonic()
    said = client(command, stdin=stdin)
    return time.monotonic() - begun, said


def payloads(size):
    """A file of as many payloads as are sent."""
    path = f"{SCRATCH}/payloads-{size}"
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write(("x" * size + "\n") * SENDS)
    return path


def send(round_):
    """(c), the sending side: to a plain sink, which may lose what it likes."""
    for size in ONE_WAY:
        for name, measure in SENDERS.items():
            idle = idle_share()
            with Server([*IPERF] if name == "iperf3" else SINKS[YARDSTICK], "tcp" if name == "iperf3" else "udp") as server:
                keep("sent/s", f"{size} B", name, round_, measure(server.port, size), idle)


def sent_by_plain(port, size):
    return load("flood", port, size, 0, MILLIS)["pace"]


def sent_by_halloo(port, size):
    seconds, _ = timed([HALLOO, "send", f"{HOST}:{port}", "--size", size, "--count", SENDS, "--interval", 0, "-q"])
    return SENDS / seconds


def sent_by_halloo_lines(port, size):
    with open(payloads(size)) as file:
        seconds, _ = timed([HALLOO, "send", f"{HOST}:{port}", "--lines", "-q"], file)
    return SENDS / seconds


def sent_by_python(port, size):
    return SENDS / float(client([*PYTHON, "send", port, size, SENDS]))


def sent_by_socat(port, size):
    # It sends what one read gave: of a file, so much as -b says.
    with open(payloads(size - 1)) as file:
        seconds, _ = timed(["socat", "-u", "-b", size, "-", f"UDP4-SENDTO:{HOST}:{port}"], file)
    return SENDS / seconds


def sent_by_sockperf(port, size):
    said = client(["sockperf", "throughput", "-i", HOST, "-p", port, "-m", size, "-t", 1])
    told = re.search(r"Message Rate is ([0-9]+)", said)
    return float(told[1]) if told else None


def sent_by_iperf(port, size):
    said = client(["iperf3", "-c", HOST, "-p", port, "-u", "-b", 0, "-l", size, "-k", SENDS, "-J"])
    told = json.loads(said)["end"]["sum"]
    return told["packets"] / told["seconds"] if told["seconds"] else None


SENDERS = {
    YARDSTICK: sent_by_plain,
    "halloo --count": sent_by_halloo,
    "halloo --lines": sent_by_halloo_lines,
    "Python": sent_by_python,
    "socat": sent_by_socat,
    "sockperf": sent_by_sockperf,
    "iperf3": sent_by_iperf,
}

STATIC = os.environ.get("STATIC", "")
ONE_SHOTS = {
    YARDSTICK: [PLAIN, "send", f"{HOST}:PORT", "hello"],
    "halloo": [HALLOO, "send", f"{HOST}:PORT", "hello", "-q"],
    **({"halloo, static": [STATIC, "send", f"{HOST}:PORT", "hello", "-q"]} if STATIC else {}),
    "nc.openbsd": ["nc.openbsd", "-u", "-q0", HOST, "PORT"],
    "socat": ["socat", "-u", "-", f"UDP4-SENDTO:{HOST}:PORT"],
    "bash": ["bash", "-c", f"echo hello >/dev/udp/{HOST}/PORT"],
    "ncat": ["ncat", "-u", "--send-only", HOST, "PORT"],
    "Python": [*PYTHON, "send", "PORT", 5, 1],
    "/bin/true": ["/bin/true"],
}


def one_shots(round_):
    """(d)"""
    with open(f"{SCRATCH}/hello", "w") as file:
        file.write("hello")
    with Server(SINKS[YARDSTICK]) as server:
        for name, command in ONE_SHOTS.items():
            idle = idle_share()
            program = [shutil.which(command[0]), *command[1:]]
            words = [str(word).replace("PORT", str(server.port)) for word in program]
            told = numbers(client([TIMER, SHOTS, f"{SCRATCH}/hello", *words]))
            if told.get("failed") != 0:
                sys.exit(f"{words} failed: {told}")
            keep("start to exit, us", "5 B", name, round_, told["us"], idle)
            keep("peak memory of a send, KiB", "5 B", name, round_, told["kib"], idle)
            # A script is as large as what runs it; shared libraries are not in this.
            size = os.stat(os.path.realpath(program[0])).st_size
            keep("program, KiB", "5 B", name, round_, size / 1024, idle)


def wake_ups(round_):
    """(e): all at once, since none does anything."""
    idle = idle_share()
    commands = {**{f"{name} echo": command for name, command in {**ECHOES, **POLLING}.items()}}
    commands |= {"halloo listen": LISTEN, "sockperf server": SOCKPERF}
    servers = {name: Server(command) for name, command in commands.items()}
    servers["iperf3 -s"] = Server(IPERF, "tcp")
    time.sleep(1)
    before = {name: server.wake_ups() for name, server in servers.items()}
    time.sleep(IDLE_SECONDS)
    for name, server in servers.items():
        keep(f"wake-ups in {IDLE_SECONDS} s", "idle", name, round_, server.wake_ups() - before[name], idle)
    for server in servers.values():
        server.stop()


TABLES = {
    "Round trips": [("round trip p50, us", True), ("round trip p99, us", True)],
    f"Echoes, {DEPTH} on their way": [
        ("echoes/s", True),
        ("processor us/echo", True),
        ("wrong", False),
        ("lost", False),
        ("peak memory, KiB", False),
        ("client busy, %", False),
    ],
    "Received one way": [("received/s without loss", True), ("received/s in a flood", True), ("lost in a flood, %", False)],
    "Sent one way": [("sent/s", True)],
    "One-shot send": [("start to exit, us", True), ("peak memory of a send, KiB", True), ("program, KiB", False)],
    "Idle servers": [(f"wake-ups in {IDLE_SECONDS} s", False)],
}
# The table of the README: a label, the figure, the case, and what halloo is called there.
SHORT = [
    ("round trip of 64 B, p50, us", "round trip p50, us", "64 B", "halloo"),
    ("the same, while the server polls", "round trip p50, us", "64 B", "halloo --busy-poll 50us"),
    *((f"echoes/s, {size} B", "echoes/s", f"{size} B", "halloo") for size in SIZES),
    ("processor us per echo of 64 B", "processor us/echo", "64 B", "halloo"),
    ("the same, asked in trains, with --offload", "processor us/echo", "64 B in trains", "halloo --offload"),
    *((f"received/s without loss, 64 B, {how}", "received/s without loss", "64 B", f"halloo{name}") for how, name in
      [("counted", " -q"), ("as text", ", text"), ("as JSON", " --json"), ("as pcap", " --pcap -q")]),
    ("the same in trains, with --offload, counted", "received/s without loss", "64 B in trains", "halloo -q --offload"),
    ("sent/s, 64 B", "sent/s", "64 B", "halloo --count"),
    ("one-shot send, us from start to exit", "start to exit, us", "5 B", "halloo"),
    ("memory of a send, KiB", "peak memory of a send, KiB", "5 B", "halloo"),
]
RIVALS = ["Python", "socat", "ncat", "nc.openbsd", "sockperf", "iperf3"]
# What is worth a plot, and whether more is better.
PLOTTED = {
    "round trip p50, us": False,
    "echoes/s": True,
    "received/s in a flood": True,
    "sent/s": True,
    "start to exit, us": False,
}


def words(command):
    """A command without the directories of this checkout and this run."""
    told = " ".join(map(str, command))
    for directory in (TARGET, HERE, SCRATCH, os.path.dirname(sys.executable)):
        told = re.sub(f"{re.escape(directory)}(/release|/debug|/[a-z0-9_]+-linux-musl/release)?/", "", told)
    return told


def listed(commands):
    return "\n".join(f"    {name}: {words(command)}" for name, command in commands.items())


METHOD = f"""- All contenders of a round are measured one after the other, in {ROUNDS} rounds (one way and idleness: {FEWER}); a server
  is started anew for each measurement. Server, sink or `halloo listen` on one processor, client or sender on the other.
- A ratio is by the yardstick's figure of the same round: {YARDSTICK} (benches/speed/plain.rs), which receives one and sends one with the
  standard library. Two runs of the same server differ by some percent: a ratio that near to 1 says nothing.
- Echo servers are all measured by benches/speed/load.rs. Round trips: one on its way, {2 * MILLIS} ms. Echoes/s: {DEPTH} on their way, {MILLIS} ms,
  after 20 round trips one at a time. What is lost stays counted as on its way, until nothing comes for 100 ms: who has less
  room than {DEPTH} datagrams is asked for less at once, and its loss says so. Only halloo asks for a larger receive buffer than the
  default; nothing else here has an option for it but socat and iperf3. An answer of another length, or with a number not
  yet sent, is wrong and counts for nothing; "-" where most were wrong or none came.
- In trains: the client hands 64 datagrams (46 of 1400 B) at once to the kernel (UDP_SEGMENT).
- sockperf's server answers its own client alone, which stops its clock like bench-load, with the program's own time.
- Received without loss: first a flood as fast as the sender can, for {MILLIS} ms; where that loses something, paces of 0.95 to 0.01 of what was
  received then, half as long, until one loses nothing; "-" where none did. A loss is what the kernel dropped at the socket, and for halloo also
  what it did not write (--fail-on-loss). The time ends when the queue is empty.
- Sent/s: {SENDS:,} datagrams to a plain sink, from start to exit (Python: without its start; sockperf, iperf3: what they say, iperf3 to its
  own server; {YARDSTICK}: a connected socket that sends for {MILLIS} ms).
- Start to exit: {SHOTS} runs by benches/speed/timer.rs, a small static program; the median is a round's value. It lends each
  process its own memory until the exec, so none can be seen to hold less than /bin/true does in the table.
- The memory of an echo server is that of it and its children together. "client busy": the share of its processor that the client used;
  near 100 % it is the client that could not do more, and processor us/echo, which is the server's alone, says more than the rate.

{listed({**ECHOES, **POLLING, **WHOLE})}
    sockperf: {words(SOCKPERF)}; sockperf ping-pong -i {HOST} -p PORT -m 64 -t 1 --full-rtt

{listed({**SINKS, **WHOLE_SINKS})}

    halloo --count: halloo send {HOST}:PORT --size SIZE --count {SENDS} --interval 0 -q
    halloo --lines: halloo send {HOST}:PORT --lines -q <FILE
    socat: socat -u -b SIZE - UDP4-SENDTO:{HOST}:PORT <FILE
    sockperf: sockperf throughput -i {HOST} -p PORT -m SIZE -t 1
    iperf3: iperf3 -c {HOST} -p PORT -u -b 0 -l SIZE -k {SENDS}

{listed(ONE_SHOTS)}
"""


def main(stem):
    for round_ in range(1, ROUNDS + 1):
        round_trips(round_)
        echoes(round_)
        one_shots(round_)
        if round_ <= FEWER:
            send(round_)
            receive(round_)
            wake_ups(round_)
    print(METHOD)
    shown = report.Report(YARDSTICK, stem, TABLES)
    shown.in_short(SHORT, RIVALS)
    shown.tables()
    shown.bars(PLOTTED)
    shown.raw()


main(sys.argv[1])
