"""Ironic's API and conductor in one process, as its own `ironic` command: ironic_one.py --config-file ironic.conf"""
import sys

import sqlite_writers  # noqa: F401
from ironic.command.singleprocess import main

sys.exit(main())
