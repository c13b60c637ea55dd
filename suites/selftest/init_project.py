#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""init_project.py - walgrind init: what it recognises, and that what it writes is a configuration that run accepts.

    init_project.py WALGRIND

Prints one line per failed check and exits with 1. To add a kind of project: a row in PROJECTS.
"""
import os
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
# Files of a project with what is in them; its name; what the server is started with.
PROJECTS = (
    ({"manage.py": ""}, "Django", "manage.py runserver"),
    ({"bin/rails": "", "db/schema.rb": ""}, "Rails", "bin/rails server"),
    ({"artisan": "", "composer.json": "{}", "package.json": "{}"}, "Laravel", "php artisan serve"),
    ({"mix.exs": "{:phoenix, \"~> 1.7\"}"}, "Phoenix", "mix phx.server"),
    ({"pyproject.toml": "dependencies = ['fastapi']"}, "FastAPI", "uvicorn"),
    ({"requirements.txt": "uvicorn\nfastapi==0.92\n"}, "FastAPI", "uvicorn"),
    ({"requirements.txt": "Flask\n", "package.json": "{}"}, "Flask", "flask run"),
    ({"package.json": "{}", "migrations/1.sql": ""}, "Node", "npm start"),
    ({"go.mod": "module x"}, "Go", "go run"),
    ({"Cargo.toml": ""}, "Rust", "target/release"),
    ({"mix.exs": "no web here"}, "unknown", None),
    ({}, "unknown", None),
)
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}: {shown}")


def call(place, *words):
    done = subprocess.run([WALGRIND, *words], cwd=place, text=True, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def accepted(place, *words):
    """run reads the file, and fails only for want of a suite binary."""
    code, _out, err = call(place, "run", *words, "--suite-binary=/no/such/suite", "--init=true", "--server=true")
    return code in (2, 3) and "walgrind.yaml" not in err and "/no/such/suite" in err, (code, err)


def project(place, files, name, server):
    for path, text in files.items():
        os.makedirs(os.path.dirname(f"{place}/{path}"), exist_ok=True)
        with open(f"{place}/{path}", "w", encoding="utf-8") as file:
            file.write(text)
    code, printed, err = call(place, "init", "--print")
    check(f"{files}: --print writes no file", code == 0 and not os.path.exists(f"{place}/walgrind.yaml"), err)
    code, out, err = call(place, "init")
    check(f"{files}: one line", (code, out.count("\n"), err) == (0, 1, ""), (code, out, err))
    with open(f"{place}/walgrind.yaml", encoding="utf-8") as file:
        written = file.read()
    check(f"{files}: the same as printed", written == printed, written)
    check(f"{files}: is {name}", f"this project ({name})" in written, written)
    servers = [line for line in written.splitlines() if line.startswith("  server: ")]
    check(f"{files}: has its server", servers == [] if server is None else server in "".join(servers), servers)
    for path in ("migrations", "db/schema.rb"):
        there = any(file.startswith(path) for file in files)
        check(f"{files}: names {path} only where it is", (f"\n    - {path}\n" in written) == there, written)
    for words in ((), ("--profile=ci",), ("--profile=local",)):
        good, shown = accepted(place, *words)
        check(f"{files}: run accepts it {words}", good, shown)


def does_no_harm(place):
    with open(f"{place}/walgrind.yaml", "w", encoding="ascii") as file:
        file.write("mine")
    code, _out, err = call(place, "init")
    check("a file that is there stays: exit 2", (code, err.count("\n")) == (2, 1) and "--force" in err, (code, err))
    with open(f"{place}/walgrind.yaml", encoding="ascii") as file:
        check("and as it was", file.read() == "mine")
    code, _out, err = call(place, "init", "--force")
    with open(f"{place}/walgrind.yaml", encoding="ascii") as file:
        check("--force replaces it", code == 0 and "run:" in file.read(), err)
    check("and leaves nothing beside it", os.listdir(place) == ["walgrind.yaml"], os.listdir(place))
    for words, message in ((("nowhere",), "nowhere is no directory"), ((".", "."), "one directory, not 2")):
        code, _out, err = call(place, "init", *words)
        check(f"{words}: exit 2", code == 2 and message in err, (code, err))


for number, row in enumerate(PROJECTS):
    with tempfile.TemporaryDirectory(prefix=f"walgrind init {number} ") as directory:
        project(directory, *row)
with tempfile.TemporaryDirectory(prefix="walgrind init ") as directory:
    does_no_harm(directory)
sys.exit(1 if problems else 0)
