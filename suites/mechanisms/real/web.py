# SPDX-License-Identifier: MIT
"""web.py - one small application in the two usual shapes, for healthy_real.py: `fastapi_app()` and `flask_app()`.

A connection belongs to a request; the database is in WAL mode and made once, before anything is served.
"""
import sqlite3

DB = "app.db"


def connect():
    connection = sqlite3.connect(DB, timeout=20, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def make():
    connection = connect()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, text)")
    connection.close()


def add(connection, text):
    return {"id": connection.execute("INSERT INTO notes(text) VALUES (?)", (text,)).lastrowid}


def count(connection):
    return {"count": connection.execute("SELECT count(*) FROM notes").fetchone()[0]}


def fastapi_app():
    from fastapi import Depends, FastAPI
    app = FastAPI(on_startup=[make])

    def of_request():
        connection = connect()
        try:
            yield connection
        finally:
            connection.close()

    @app.get("/add")
    def add_note(text: str = "none", connection: sqlite3.Connection = Depends(of_request)):
        return add(connection, text)

    @app.get("/count")
    async def count_notes(connection: sqlite3.Connection = Depends(of_request)):
        return count(connection)

    return app


def flask_app():
    from flask import Flask, g, jsonify, request
    app = Flask(__name__)
    make()  # in the master of gunicorn, and closed before it forks

    @app.before_request
    def begin():
        g.connection = connect()

    @app.teardown_request
    def end(_error):
        g.connection.close()

    @app.get("/add")
    def add_note():
        return jsonify(add(g.connection, request.args.get("text", "none")))

    @app.get("/count")
    def count_notes():
        return jsonify(count(g.connection))

    return app
