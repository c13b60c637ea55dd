# SPDX-License-Identifier: MIT
"""reset_fastapi_app.py - a FastAPI application that keeps its databases open, for reset_fastapi.py.

Run by uvicorn; RESET_DATA names the directory of its databases. Endpoints are plain functions, so FastAPI runs them in
its pool of threads; each thread opens bank.db (WAL) and notes.db (rollback journal) once and keeps them open for good.
"""
import os
import sqlite3
import threading

from fastapi import FastAPI

app = FastAPI()
mine = threading.local()


def database(name):
    if not hasattr(mine, name):
        path = os.path.join(os.environ["RESET_DATA"], f"{name}.db")
        setattr(mine, name, sqlite3.connect(path, timeout=30, isolation_level=None))
    return getattr(mine, name)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/transfer/{giver}/{taker}")
def transfer(giver: int, taker: int):
    """Money moves within one transaction, so the sum of all accounts is the same in every state that may be seen."""
    bank = database("bank")
    bank.execute("BEGIN IMMEDIATE")
    bank.execute("UPDATE account SET balance = balance - 1 WHERE id = ?", (giver,))
    bank.execute("UPDATE account SET balance = balance + 1 WHERE id = ?", (taker,))
    bank.execute("INSERT INTO entry(giver, taker) VALUES (?, ?)", (giver, taker))
    bank.execute("COMMIT")
    return {}


@app.post("/notes")
def add_note():
    database("notes").execute("INSERT INTO note(text) VALUES ('written by a request')")
    return {}


@app.get("/state")
def state():
    """What tests could see: all of it in one statement, from one snapshot."""
    row = database("bank").execute(
        "SELECT (SELECT sum(balance) FROM account), (SELECT count(*) FROM account WHERE balance <> 100), "
        "(SELECT count(*) FROM entry)").fetchone()
    notes = database("notes").execute("SELECT group_concat(text) FROM note").fetchone()[0]
    return {"sum": row[0], "changed": row[1], "entries": row[2], "notes": notes}
