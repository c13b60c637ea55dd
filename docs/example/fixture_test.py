# SPDX-License-Identifier: MIT
"""fixture_test.py - a pytest fixture that resets the databases before each test, while a connection to them is open."""
import os
import sqlite3
import urllib.request

import pytest


@pytest.fixture(autouse=True)
def fresh_databases():
    request = urllib.request.Request(os.environ["WALGRIND_CONTROL"] + "/reset", method="POST")
    request.add_header("Authorization", "Bearer " + os.environ["WALGRIND_TOKEN"])
    urllib.request.urlopen(request, timeout=30).close()


@pytest.fixture(scope="session", name="db")
def connection():
    db = sqlite3.connect(os.environ["WALGRIND_DATA"] + "/notes.db", isolation_level=None)
    yield db
    db.close()


def count(db):
    return db.execute("SELECT count(*) FROM note").fetchone()[0]


def test_insert(db):
    db.execute("INSERT INTO note(text) VALUES ('one more')")
    assert count(db) == 2


def test_delete(db):
    db.execute("DELETE FROM note")
    assert count(db) == 0


def test_drop(db):
    db.execute("DROP TABLE note")


def test_untouched(db):
    assert count(db) == 1
