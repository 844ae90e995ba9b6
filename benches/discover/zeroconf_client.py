"""A plain client of python-zeroconf, for scripts/bench discover: looks for _chat._tcp for so many seconds.

Each service is a line when it has an address, asked for in threads as its manual shows.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import zeroconf


class Listener(zeroconf.ServiceListener):
    def __init__(self):
        self.pool = ThreadPoolExecutor(16)

    def add_service(self, zc, kind, name):
        self.pool.submit(self.resolve, zc, kind, name)

    def resolve(self, zc, kind, name):
        info = zc.get_service_info(kind, name, 3000)
        if info and info.parsed_addresses():
            sys.stdout.write(name + "\n")
            sys.stdout.flush()

    def update_service(self, zc, kind, name):
        pass

    def remove_service(self, zc, kind, name):
        pass


zc = zeroconf.Zeroconf()
zeroconf.ServiceBrowser(zc, "_chat._tcp.local.", Listener())
time.sleep(float(sys.argv[1]))
sys.stdout.flush()
# Without the goodbyes: nothing was announced.
import os

os._exit(0)
