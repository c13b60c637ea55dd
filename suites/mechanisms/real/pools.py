# SPDX-License-Identifier: MIT
"""pools.py - what Python libraries over SQLite do, one function each, for healthy_real.py: `pools.py NAME`."""
import asyncio
import concurrent.futures
import os
import sys

ROWS = 20


def sqlalchemy_threads():
    """A pool of connections, sessions of threads, a model."""
    from sqlalchemy import Column, Integer, String, create_engine, event
    from sqlalchemy.orm import declarative_base, sessionmaker
    from sqlalchemy.pool import QueuePool
    engine = create_engine("sqlite:///app.db", poolclass=QueuePool, pool_size=4,
                           connect_args={"timeout": 20, "check_same_thread": False})
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA journal_mode=WAL"))
    base = declarative_base()

    class Note(base):
        __tablename__ = "notes"
        id = Column(Integer, primary_key=True)
        text = Column(String)

    base.metadata.create_all(engine)
    session = sessionmaker(engine)

    def work(number):
        for _ in range(ROWS):
            with session.begin() as mine:
                mine.add(Note(text=str(number)))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with session() as mine:
        assert mine.query(Note).count() == 4 * ROWS
    engine.dispose()


def sqlalchemy_forks():
    """The pool is emptied before the fork, and each child has an engine of its own."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool
    engine = create_engine("sqlite:///app.db", poolclass=NullPool, connect_args={"timeout": 20})
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes(text)"))
    engine.dispose()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            for _ in range(ROWS):
                with engine.begin() as connection:
                    connection.execute(text("INSERT INTO notes VALUES ('child')"))
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM notes")).scalar() == 3 * ROWS


def apsw_shell_and_backup():
    """Another binding on the same library, beside the standard one, with its backup, hooks and blobs."""
    import apsw
    import sqlite3
    first = apsw.Connection("app.db")
    first.setbusytimeout(20000)
    first.cursor().execute("PRAGMA journal_mode=WAL").fetchall()
    first.cursor().execute("CREATE TABLE t(a, b)")
    second = sqlite3.connect("app.db", timeout=20, isolation_level=None)
    for number in range(ROWS):
        with first:
            first.cursor().execute("INSERT INTO t VALUES (?, zeroblob(1000))", (number,))
        second.execute("INSERT INTO t VALUES (?, 'std')", (number,))
    blob = first.blobopen("main", "t", "b", 1, True)
    blob.write(b"in place")
    blob.close()
    target = apsw.Connection("copy.db")
    with target.backup("main", first, "main") as backup:
        while not backup.done:
            backup.step(2)
    target.close()
    first.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    second.close()
    first.close()


def peewee_pool():
    """Threads on a pool with stale connections thrown away."""
    from playhouse.pool import PooledSqliteDatabase
    import peewee
    database = PooledSqliteDatabase("app.db", max_connections=8, stale_timeout=1, timeout=20, check_same_thread=False,
                                    pragmas={"journal_mode": "wal", "busy_timeout": 20000})

    class Note(peewee.Model):
        text = peewee.TextField()

        class Meta:
            pass

    Note.bind(database)
    with database:
        database.create_tables([Note])

    def work(number):
        for _ in range(ROWS):
            with database.connection_context():
                with database.atomic("IMMEDIATE"):
                    Note.create(text=str(number))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with database.connection_context():
        assert Note.select().count() == 4 * ROWS
    database.close_all()


def aiosqlite_tasks():
    """A thread for each connection, behind an event loop."""
    import aiosqlite

    async def work(number):
        async with aiosqlite.connect("app.db", timeout=20) as connection:
            for _ in range(ROWS):
                await connection.execute("INSERT INTO t VALUES (?)", (number,))
                await connection.commit()

    async def run():
        async with aiosqlite.connect("app.db") as connection:
            await connection.execute("PRAGMA journal_mode=wal")
            await connection.execute("CREATE TABLE t(a)")
            await connection.commit()
        await asyncio.gather(*(work(number) for number in range(4)))

    asyncio.run(run())


def diskcache_processes():
    """A cache on disk that processes share, with files beside its database, eviction and clearing."""
    import diskcache
    diskcache.FanoutCache("cache", shards=2, size_limit=1 << 20, timeout=20).close()
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            with diskcache.FanoutCache("cache", shards=2, timeout=20) as mine:
                for row in range(4 * ROWS):
                    mine.set((number, row), b"x" * 40000 if row % 5 == 0 else row, expire=60)
                    mine.get((number - 1, row))
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    cache = diskcache.FanoutCache("cache", shards=2, timeout=20)
    cache.cull()
    cache.clear()
    cache.close()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
