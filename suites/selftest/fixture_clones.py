#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fixture_clones.py - walgrind fixture list, prune, clone, diff, reset, verify: clones that nobody serves.

    fixture_clones.py WALGRIND

Prints one line per failed check and exits with 1.
"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

WALGRIND = os.path.abspath(sys.argv[1])
SCHEMA = """PRAGMA journal_mode = WAL;
CREATE TABLE notes(id INTEGER PRIMARY KEY, text);
INSERT INTO notes VALUES (1, 'one'), (2, 'two'), (3, 'three');"""
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def fixture(*words):
    done = subprocess.run([WALGRIND, "fixture", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    check(f"{words}: at most one line of error", done.stderr.count("\n") == bool(done.stderr), done.stderr)
    return done


def expect(words, code, message):
    done = fixture(*words)
    check(f"{words}: exit code {code}", done.returncode == code, (done.returncode, done.stdout, done.stderr))
    check(f"{words}: says {message!r}", message in done.stdout + done.stderr, done.stdout + done.stderr)
    return done.stdout


def texts(connection):
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY id")]


def change(clone):
    connection = sqlite3.connect(f"{clone}/db/app.db", isolation_level=None, timeout=5)
    connection.execute("INSERT INTO notes VALUES (7, 'says \"hi\"')")
    connection.execute("UPDATE notes SET text = x'00ff' WHERE id = 1")
    connection.execute("DELETE FROM notes WHERE id = 3")
    connection.execute("CREATE INDEX notes_text ON notes(text)")
    return connection


def diffs(clone):
    check("a new clone has no difference", expect(["diff", clone], 0, "") == "")
    change(clone).close()
    wanted = """db/app.db
  index notes_text made
  notes: 1 inserted, 1 updated, 1 deleted
    + id=7 text="says \\"hi\\""
    ~ id=1: text "one" -> (2 bytes)
    - id=3 text="three"
"""
    shown = expect(["diff", clone], 1, "notes_text")
    check("every change is shown", shown == wanted, shown)
    shown = expect(["diff", clone, "--rows=0"], 1, "3 more not shown")
    check("--rows=0 counts only", "id=7" not in shown, shown)
    counted = json.loads(expect(["diff", f"{clone}/db/app.db", "--json"], 1, "["))[0]["tables"][0]
    check("as JSON", (counted["inserted"], counted["updated"], counted["deleted"]) == (1, 1, 1), counted)
    expect(["diff", f"{clone}/other.db"], 0, "")


def resets_while_open(clone):
    """Without the kept lock a reset is a backup: the open connection sees it, and keeps its snapshot."""
    connection = sqlite3.connect(f"{clone}/db/app.db", isolation_level=None, timeout=5)
    with open(f"{clone}/left.txt", "w", encoding="ascii") as file:
        file.write("left by a test")
    with open(f"{clone}/.walgrind-clone.json", encoding="ascii") as file:
        note = file.read()
    out = expect(["reset", clone], 0, "db/app.db: done by backup")
    check("and removes other files", not os.path.exists(f"{clone}/left.txt"), out)
    check("but those of the template", "1 removed, 0 restored" in out, out)
    with open(f"{clone}/.walgrind-clone.json", encoding="ascii") as file:
        check("but its own note", note == file.read())
    check("an open connection sees it", texts(connection) == ["one", "two", "three"], texts(connection))
    expect(["diff", clone], 0, "")
    connection.execute("DELETE FROM notes")
    expect(["reset", f"{clone}/other.db"], 0, "other.db")
    check("one database alone", not texts(connection), texts(connection))
    connection.execute("BEGIN IMMEDIATE")
    busy = fixture("reset", clone)
    check("an open transaction is told", busy.returncode == 3 and str(os.getpid()) in busy.stderr + busy.stdout,
          (busy.returncode, busy.stdout, busy.stderr))
    connection.execute("ROLLBACK")
    expect(["reset", f"{clone}/db/app.db"], 0, "app.db")
    check("afterwards it works", texts(connection) == ["one", "two", "three"], texts(connection))
    connection.close()


def verifies(clone):
    expect(["verify", clone], 0, "db/app.db: sound")
    connection = sqlite3.connect(f"{clone}/other.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # pages in the WAL would hide the damage
    connection.close()
    with open(f"{clone}/other.db", "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    expect(["verify", clone], 1, "other.db: ")


def finds_the_template(place, clone, template):
    stray = f"{place}/stray"
    shutil.copytree(template, stray)
    expect(["diff", stray], 2, "say --template=PATH")
    expect(["diff", stray, f"--template={template}"], 0, "")
    with open(f"{stray}/.walgrind-clone.json", "w", encoding="ascii") as file:
        file.write("{not json")
    expect(["diff", stray], 2, "say --template=PATH")
    expect(["reset", f"{place}/none"], 2, "No such file")
    expect(["reset", f"{clone}/left.db"], 2, "No such file")
    expect(["diff", f"{clone}/readme.txt"], 2, "is no database of the template")
    for action in ("diff", "reset", "verify"):
        expect([action], 2, f"as in: walgrind fixture {action} DIRECTORY")


def touches_nobody_elses(place, template):
    """Links in a clone that lead to other people's files, and paths that lead out of it."""
    outside, clone = f"{place}/outside", f"{place}/linked"
    os.mkdir(outside)
    precious = sqlite3.connect(f"{outside}/app.db")
    precious.executescript("PRAGMA journal_mode = WAL; CREATE TABLE precious(a); INSERT INTO precious VALUES (1);")
    precious.close()
    with open(f"{outside}/app.db", "rb") as file:
        before = file.read()
    expect(["clone", template, clone], 0, "")
    database, kept = f"{clone}/db/app.db", f"{clone}/kept.db"

    def put(link):
        os.rename(database, kept)
        link(f"{outside}/app.db", database)

    def put_directory():
        os.rename(f"{clone}/db", f"{clone}/kept")
        os.symlink(outside, f"{clone}/db")

    def take_directory():
        os.unlink(f"{clone}/db")
        os.rename(f"{clone}/kept", f"{clone}/db")
    for claim, make, undo, message in (
            ("a symbolic link", lambda: put(os.symlink), lambda: os.rename(kept, database), "is a symbolic link"),
            ("a hard link", lambda: put(os.link), lambda: os.rename(kept, database), "of 2 names"),
            ("a linked directory", put_directory, take_directory, f"leads to {os.path.realpath(outside)}"),
            ("a linked WAL", lambda: os.symlink(f"{outside}/app.db", f"{database}-wal"),
             lambda: os.unlink(f"{database}-wal"), "-wal is a symbolic link")):
        make()
        for action in ("reset", "verify", "diff"):
            expect([action, clone], 2, message)
        with open(f"{outside}/app.db", "rb") as file:
            check(f"{claim}: the other database is as it was", file.read() == before)
        check(f"{claim}: nothing is left beside it", os.listdir(outside) == ["app.db"], os.listdir(outside))
        undo()
    expect(["reset", f"{clone}/../outside/app.db"], 2, "is no clone")
    expect(["reset", f"{outside}/app.db", f"--template={template}"], 2, "is no database of the template")
    expect(["reset", clone], 0, "db/app.db: ")


def cache(template, clone):
    listed = expect(["list"], 0, template)
    check("list counts databases", "notes  2 databases" in listed, listed)
    older = expect(["template", "--name=older", "--init=echo >{data}/a"], 0, "/tree").splitlines()[-1]
    eight_days_ago = time.time() - 8 * 86400
    os.utime(f"{os.path.dirname(older)}/manifest.json", (eight_days_ago, eight_days_ago))
    listed = expect(["list"], 0, "used 8 days ago")
    check("list begins with the last used", listed.index(template) < listed.index(older), listed)
    expect(["prune", "--unused=9d"], 0, "0 of 2 templates removed")
    expect(["prune"], 0, "1 of 2 templates removed")
    check("the one that was not used", os.path.exists(template) and not os.path.exists(older))
    expect(["prune", "--unused=1w"], 2, "7d")
    expect(["prune", "--unused=0s"], 0, "1 of 1 templates removed")
    check("it is gone", not os.path.exists(template))
    expect(["list"], 0, "no templates")
    expect(["reset", clone], 2, f"no template at {template}")


def main():
    with tempfile.TemporaryDirectory(prefix="walgrind 'clones' ") as place:
        os.environ["XDG_CACHE_HOME"] = f"{place}/cache"
        with open(f"{place}/schema.sql", "w", encoding="ascii") as file:
            file.write(SCHEMA)
        expect(["list"], 0, "no templates")
        built = expect(["template", "--name=notes", f"--sql=db/app.db={place}/schema.sql",
                        f"--sql=other.db={place}/schema.sql", f"--init=echo hello >{{data}}/readme.txt"], 0, "/tree")
        template, clone = built.splitlines()[-1], f"{place}/my clone"
        expect(["clone", template, clone], 0, "")
        diffs(clone)
        resets_while_open(clone)
        finds_the_template(place, clone, template)
        touches_nobody_elses(place, template)
        verifies(clone)
        cache(template, clone)
    sys.exit(1 if problems else 0)


main()
