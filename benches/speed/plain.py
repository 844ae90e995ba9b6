"""The dozen lines of Python that people write, for scripts/bench speed: plain.py echo|sink PORT, plain.py send PORT SIZE COUNT."""
import socket
import sys
import time

what, port, *rest = sys.argv[1:]
ends = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if what == "send":
    size, count = map(int, rest)
    payload, began = b"x" * size, time.monotonic()
    for _ in range(count):
        ends.sendto(payload, ("127.0.0.1", int(port)))
    print(time.monotonic() - began)
    sys.exit()
ends.bind(("127.0.0.1", int(port)))
while True:
    data, peer = ends.recvfrom(65536)
    if what == "echo":
        ends.sendto(data, peer)
