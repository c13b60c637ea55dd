# SPDX-License-Identifier: MIT
"""app.py - the application of the case studies: documents, users and an audit log, each in a database of its own.

    python3 app.py --init DIR              makes the three databases
    python3 app.py --data DIR --port N     serves

It has habits of real applications. Each write opens a connection and nobody closes it: Repository objects hold a
reference to one of their own methods, so they live until the garbage collector comes by. Reads share one connection
that stays open. And POST /snapshots keeps a copy of a database with shutil.copy().
"""
import argparse
import functools
import os
import shutil
import sqlite3

import uvicorn
from fastapi import FastAPI

SCHEMA = {
    "metadata": "CREATE TABLE document(id INTEGER PRIMARY KEY, owner TEXT, title TEXT)",
    "users": "CREATE TABLE user(name TEXT PRIMARY KEY, logins INTEGER DEFAULT 0)",
    "audit": "CREATE TABLE entry(id INTEGER PRIMARY KEY, what TEXT)",
}
app = FastAPI()
data = "."


class Repository:
    """A connection to one of the databases."""

    def __init__(self, name):
        self.connection = sqlite3.connect(os.path.join(data, f"{name}.db"), check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.run = self.execute  # a cycle: nobody closes what only the collector finds

    def execute(self, sql, *values):
        with self.connection:  # ends the transaction, not the connection
            return self.connection.execute(sql, values).fetchall()


@functools.cache
def shared(name):
    return Repository(name)


def audit(what):
    Repository("audit").run("INSERT INTO entry(what) VALUES (?)", what)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/login/{name}")
def login(name: str):
    Repository("users").run("INSERT INTO user(name) VALUES (?) ON CONFLICT(name) DO UPDATE SET logins = logins + 1",
                            name)
    audit(f"login {name}")
    return {"name": name}


@app.post("/documents/{owner}/{title}")
def add_document(owner: str, title: str):
    Repository("metadata").run("INSERT INTO document(owner, title) VALUES (?, ?)", owner, title)
    audit(f"new document {title}")
    return {"title": title}


@app.get("/documents/{owner}")
def list_documents(owner: str):
    rows = shared("metadata").run("SELECT title FROM document WHERE owner = ? ORDER BY id", owner)
    return {"titles": [row[0] for row in rows]}


@app.post("/snapshots")
def snapshot():
    os.makedirs(os.path.join(data, "snapshots"), exist_ok=True)
    shutil.copy(os.path.join(data, "metadata.db"), os.path.join(data, "snapshots", "metadata.db"))
    return {}


def initialise():
    os.makedirs(data, exist_ok=True)
    for name, sql in SCHEMA.items():
        connection = sqlite3.connect(os.path.join(data, f"{name}.db"))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(sql)
        connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--init")
    parser.add_argument("--data")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    data = options.init or options.data
    if options.init:
        initialise()
    else:
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
