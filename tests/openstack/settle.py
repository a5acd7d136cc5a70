"""Turns on write-ahead logging in finished databases and leaves each as one file: settle.py directory-of-databases"""
import glob
import sqlite3
import sys

for path in glob.glob(sys.argv[1] + "/*.db"):
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma wal_checkpoint(truncate)")
    db.close()
