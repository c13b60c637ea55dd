#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""notes_server.py - a small web server over SQLite, as the example of a server that is not walgrind's own.

    notes_server.py init DIR            makes DIR/notes.db
    notes_server.py serve DIR PORT      GET /health, POST /notes, GET and DELETE /notes/ID
"""
import json
import os
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def connect(directory):
    return sqlite3.connect(os.path.join(directory, "notes.db"), timeout=5)


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_note(self):
        try:
            with connect(self.server.directory) as db:
                return self.act(db)
        except sqlite3.Error as error:
            return 500, {"detail": str(error)}

    def act(self, db):
        if self.path == "/health":
            return 200, {"status": "ok"}
        if self.command == "POST" and self.path == "/notes":
            note = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            return 201, {"id": db.execute("INSERT INTO notes(title) VALUES (?)", (note["title"],)).lastrowid}
        key = self.path.removeprefix("/notes/")
        if self.command == "DELETE":
            return (200 if db.execute("DELETE FROM notes WHERE id = ?", (key,)).rowcount else 404), {}
        row = db.execute("SELECT title FROM notes WHERE id = ?", (key,)).fetchone()
        return (200, {"title": row[0]}) if row else (404, {"detail": "no such note"})

    def do_GET(self):
        self.answer(*self.handle_note())

    do_POST = do_DELETE = do_GET


def main():
    verb, directory = sys.argv[1:3]
    if verb == "init":
        with connect(directory) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE notes(id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL)")
        db.close()
        return
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Handler)
    server.directory = directory
    server.serve_forever()


if __name__ == "__main__":
    main()
