"""One client, two clocks: what the choice of the clock alone does to a round-trip time.

    clocks.py PORT SIZE COUNT

Asks an echo server on 127.0.0.1, and takes the end of every round trip twice: when the kernel received the answer, as
halloo does, and when the program has it, as sockperf does.
"""
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
port, size, count = map(int, sys.argv[1:])
own, kernel = [], []
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ends:
    ends.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    ends.settimeout(5)
    ends.connect(("127.0.0.1", port))
    for _ in range(count):
        left = time.time_ns()
        ends.send(b"h" * size)
        _, extra, _, _ = ends.recvmsg(size, 64)
        own.append(time.time_ns() - left)
        seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
        kernel.append(seconds * 10**9 + nanoseconds - left)
for name, times in (("kernel's", kernel), ("program's", own)):
    times.sort()
    print(f"{name} clock: p50 {times[count // 2] / 1e3:.1f} us, p99 {times[count * 99 // 100] / 1e3:.1f} us")
