# SPDX-License-Identifier: MIT
"""test_notes.py - tests of notes_server.py in Python, for walgrind run --tests='pytest -q --junitxml={junit}'."""
import json
import os
import sqlite3
import urllib.request

import pytest


def call(url, body=None, **headers):
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(autouse=True)
def reset():
    yield
    call(os.environ["WALGRIND_CONTROL"] + "/reset", {}, Authorization="Bearer " + os.environ["WALGRIND_TOKEN"])


@pytest.fixture(name="notes")
def notes_url():
    return os.environ["WALGRIND_URL"] + "/notes"


@pytest.mark.parametrize("title", ["plain", "with 'quotes'", "ü"])
def test_note_comes_back(notes, title):
    note = call(notes, {"title": title})["id"]
    assert call(f"{notes}/{note}")["title"] == title


def test_first_note_is_number_1(notes):
    assert call(notes, {"title": "a"})["id"] == 1


def test_note_is_in_the_database(notes):
    call(notes, {"title": "stored"})
    with sqlite3.connect(os.environ["WALGRIND_DB_NOTES"]) as db:
        assert db.execute("SELECT title FROM notes").fetchall() == [("stored",)]
    db.close()
