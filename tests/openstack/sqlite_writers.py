"""Lets many write to one SQLite file without "database is locked": import it before a service.

oslo.db begins every transaction as a reader. When another one commits before such a transaction first writes, SQLite
refuses the write at once, whatever the time-out, for what was read may be stale. Here those who announce that they will
write (enginefacade's writer) say so to SQLite, too, and wait for their turn. A transaction is a writer's or a reader's from its
outermost block on, and may send its BEGIN within an inner block that only reads. On MySQL and PostgreSQL all this is not needed.
"""
import contextlib
import threading

import sqlalchemy
from oslo_db.sqlalchemy import enginefacade

intent = threading.local()
produce_block = enginefacade._TransactionContext._produce_block


@contextlib.contextmanager
def announcing_block(self, mode, *arguments, **more):
    outer = getattr(intent, "writes", False)
    intent.writes = (self.mode or mode) is enginefacade._WRITER
    try:
        with produce_block(self, mode, *arguments, **more) as resource:
            yield resource
    finally:
        intent.writes = outer


enginefacade._TransactionContext._produce_block = announcing_block


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "before_cursor_execute", retval=True)
def begin_as_writer(connection, cursor, statement, parameters, context, executemany):
    if statement == "BEGIN" and getattr(intent, "writes", False):
        statement = "BEGIN IMMEDIATE"
    return statement, parameters
