# SPDX-License-Identifier: MIT
"""load_fastapi.py - the three operations of the load benchmark as a FastAPI application, the usual way.

Run by uvicorn; LOAD_DATA names the directory of its databases. Endpoints are plain functions, which FastAPI runs in
its thread pool; each request opens a connection of sqlite3 with the settings that the reference server uses (WAL for
sessions, DELETE for locks, synchronous as SQLite has it) and closes it.
"""
import contextlib
import os
import sqlite3
import time
import uuid

from fastapi import Body, FastAPI, Header, HTTPException

DATA = os.environ["LOAD_DATA"]
app = FastAPI()


@contextlib.contextmanager
def connect(name, journal):
    connection = sqlite3.connect(os.path.join(DATA, name), timeout=60, isolation_level=None)
    try:
        connection.execute(f"PRAGMA journal_mode={journal}")
        yield connection
    finally:
        connection.close()


def sessions():
    return connect("sessions.db", "WAL")


def locks():
    return connect("locks.db", "DELETE")


with sessions() as database:
    database.execute("CREATE TABLE IF NOT EXISTS sessions (session_id TEXT PRIMARY KEY, username TEXT NOT NULL, "
                     "created_at REAL NOT NULL, last_access REAL NOT NULL)")
with locks() as database:
    database.execute("CREATE TABLE IF NOT EXISTS locks (file_id TEXT PRIMARY KEY, session_id TEXT NOT NULL)")


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/api/v1/auth/login")
def login(body: dict = Body()):
    session, now = str(uuid.uuid4()), time.time()
    with sessions() as connection:
        connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (session, body["username"], now, now))
    return {"sessionId": session, "username": body["username"]}


@app.get("/api/v1/auth/status")
def status(x_session_id: str = Header()):
    with sessions() as connection:
        row = connection.execute("SELECT username FROM sessions WHERE session_id = ?", (x_session_id,)).fetchone()
    if row is None:
        raise HTTPException(401, "Session expired")
    return {"username": row[0]}


@app.post("/api/v1/files/acquire_lock")
def acquire(body: dict = Body(), x_session_id: str = Header()):
    with locks() as connection:
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute("SELECT session_id FROM locks WHERE file_id = ?", (body["file_id"],)).fetchone()
        if row is not None and row[0] != x_session_id:
            connection.execute("ROLLBACK")
            raise HTTPException(423, "Failed to acquire lock")
        connection.execute("INSERT OR REPLACE INTO locks VALUES (?, ?)", (body["file_id"], x_session_id))
        connection.execute("COMMIT")
    return "OK"
