"""A UDP relay that loses, doubles and holds back datagrams on their way to the server, and counts what it did.

    relay.py LISTEN SERVER [lose=P] [double=P] [hold=P] [seed=N]

Ports of 127.0.0.1, and percentages. What happens to the n-th datagram depends on the seed alone. At most one thing
happens to each; a held one goes on HOLD seconds later, behind others. Answers, and TCP for iperf3's control
connection, pass untouched, and so do datagrams too short to be a message of any of the tools (iperf3's greeting).
On SIGTERM it prints its account.
"""
import heapq
import random
import selectors
import signal
import socket
import sys
import threading
import time

HOLD = 0.02
SHORTEST = 14
HOST = "127.0.0.1"

listen, server = int(sys.argv[1]), int(sys.argv[2])
wish = dict(word.split("=") for word in sys.argv[3:])
lose, double, hold = (float(wish.get(what, 0)) for what in ("lose", "double", "hold"))
dice = random.Random(int(wish.get("seed", 1)))
count = dict.fromkeys(("came", "lost", "doubled", "held", "overtaken"), 0)
held, foremost = [], 0


def copy(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def relay_tcp():
    with socket.create_server((HOST, listen)) as door:
        while True:
            near, far = door.accept()[0], socket.create_connection((HOST, server))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=copy, args=ends, daemon=True).start()


def go_on(number, data, up):
    """A datagram is overtaken if a later one went on before it."""
    global foremost
    count["overtaken"] += number < foremost
    foremost = max(foremost, number)
    up.send(data)


def came(data, up):
    if len(data) < SHORTEST:
        up.send(data)
        return
    count["came"] += 1
    number, roll = count["came"], dice.uniform(0, 100)
    if roll < lose:
        count["lost"] += 1
    elif roll < lose + double:
        count["doubled"] += 1
        go_on(number, data, up)
        up.send(data)
    elif roll < lose + double + hold:
        count["held"] += 1
        heapq.heappush(held, (time.monotonic() + HOLD, number, data, up))
    else:
        go_on(number, data, up)


def new_socket(connect, port):
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    (end.connect if connect else end.bind)((HOST, port))
    end.setblocking(False)
    return end


def relay_udp():
    door = new_socket(False, listen)
    ways, upward = selectors.DefaultSelector(), {}
    ways.register(door, selectors.EVENT_READ)
    while True:
        wait = max(0, held[0][0] - time.monotonic()) if held else None
        for key, _ in ways.select(wait):
            # A client or a server that has gone shows as a refusal, which is no business of a relay.
            try:
                if key.fileobj is not door:
                    door.sendto(key.fileobj.recv(65536), key.data)
                    continue
                data, client = door.recvfrom(65536)
                if client not in upward:
                    upward[client] = new_socket(True, server)
                    ways.register(upward[client], selectors.EVENT_READ, client)
                came(data, upward[client])
            except OSError:
                pass
        while held and held[0][0] <= time.monotonic():
            go_on(*heapq.heappop(held)[1:])


def account(*_):
    print(" ".join(f"{what}={n}" for what, n in count.items()), flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, account)
threading.Thread(target=relay_tcp, daemon=True).start()
relay_udp()
