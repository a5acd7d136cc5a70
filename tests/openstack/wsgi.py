"""Serves one WSGI application on loopback: wsgi.py module:object port threads"""
import importlib
import signal
import sys

import sqlite_writers  # noqa: F401
from cheroot import wsgi

spec, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.argv = sys.argv[:1]  # the application reads it, too
module, name = spec.split(":")
server = wsgi.Server(("127.0.0.1", port), getattr(importlib.import_module(module), name), numthreads=threads)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    server.start()
finally:
    server.stop()
