#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lab.py - walgrind lab: a few cells, what it writes, and what it answers to wrong words.

    lab.py WALGRIND

Cells whose class is certain: nothing beside the requests is clean, a disk of 1 KiB is an I/O error, locks taken in two
orders are a deadlock. Prints one line per failed check and exits with 1.
"""
import html.parser
import json
import os
import signal
import subprocess
import sys
import tempfile

WALGRIND = os.path.abspath(sys.argv[1])
EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab/expected.json")
TESTS = ["files_locks/*", "files_save/*"]
problems = []


def check(claim, holds, shown=""):
    if not holds:
        problems.append(claim)
        print(f"FAIL {claim}{': ' if shown else ''}{shown}")


def lab(*words, directory):
    return subprocess.run([WALGRIND, "lab", *words], cwd=directory, capture_output=True, text=True, timeout=170)


def classes_of(path):
    with open(path, encoding="utf-8") as file:
        return {(cell["init"], cell["hazard"]): cell for cell in json.load(file)["cells"]}


class Cells(html.parser.HTMLParser):
    """Classes of the table's cells."""

    def __init__(self):
        super().__init__()
        self.classes = []

    def handle_starttag(self, tag, attrs):
        if tag == "td":
            self.classes.append(dict(attrs).get("class", ""))


def cells_have_their_classes(directory):
    done = lab("--init=startup,per-request,flock-nonblocking", "--hazard=none,small-disk:1", "--record=seen.json",
               "--directory=first", *TESTS, directory=directory)
    check("the lab ends with 0", done.returncode == 0, done.stderr[-400:])
    cells = classes_of(f"{directory}/first/lab.json")
    check("nothing beside the requests is clean", cells["startup", "none"]["class"] == "clean",
          cells["startup", "none"]["class"])
    check("a full disk is an I/O error", cells["per-request", "small-disk:1"]["class"] == "io",
          cells["per-request", "small-disk:1"]["class"])
    check("two lock orders are a deadlock", cells["flock-nonblocking", "none"]["class"] == "deadlock",
          cells["flock-nonblocking", "none"]["class"])
    check("a red cell has failing tests", cells["per-request", "small-disk:1"]["failed"] > 0)
    check("journal modes are told",
          cells["startup", "none"]["rounds"][0]["journal"] == dict(metadata="wal", sessions="wal", locks="wal"),
          str(cells["startup", "none"]["rounds"][0].get("journal")))
    check("each run keeps its record", os.path.exists(f"{directory}/first/startup/none/1/events.jsonl"))
    page = Cells()
    with open(f"{directory}/first/lab.html", encoding="utf-8") as file:
        page.feed(file.read())
    shown = sorted(name for name in page.classes if name != "none")
    check("the page shows every cell", shown == sorted(cell["class"] for cell in cells.values()), str(page.classes))
    check("the text shows the classes", "I " in done.stdout and "d " in done.stdout, done.stdout)


def diagnosis_names_the_hazard(directory):
    done = lab("--init=startup", "--hazard=backup-copy+second-process,wipe", "--directory=named",
               f"--expect={EXPECTED}", directory=directory)
    cells = classes_of(f"{directory}/named/lab.json")
    fatal, wiped = cells["startup", "backup-copy+second-process"], cells["startup", "wipe"]
    check("a copy inside and a process outside are fatal together", fatal["kind"] == "damaged", fatal["kind"])
    check("their cause is named", "close-drops-locks" in fatal["findings"], str(fatal["findings"]))
    check("deleted files are named", {"unlink-open", "deleted-in-service"} & set(wiped["findings"]),
          str(wiped["findings"]))
    check("nothing is missing or made up", not any(cell["missing"] or cell["foreign"] for cell in cells.values()))
    check("so the lab ends with 0", done.returncode == 0, done.stdout[-400:])
    # On a busy machine it may cost a "database is locked", so its kind is not compared.
    lab("--init=startup", "--hazard=second-process", "--directory=innocent", directory=directory)
    check("an innocent process is not named", classes_of(f"{directory}/innocent/lab.json")
          ["startup", "second-process"]["findings"] == [])
    blind = lab("--init=startup", "--hazard=backup-copy+second-process", "--no-probe", "--directory=blind",
                directory=directory)
    check("without the probe nothing is named", classes_of(f"{directory}/blind/lab.json")
          ["startup", "backup-copy+second-process"]["findings"] == [] and blind.returncode == 0, blind.stdout[-400:])


def expectations_are_compared(directory):
    same = lab("--init=startup", "--hazard=none", "--expect=seen.json", "--directory=again", *TESTS,
               directory=directory)
    check("an expected class passes", same.returncode == 0, same.stdout)
    with open(f"{directory}/wrong.json", "w", encoding="utf-8") as file:
        json.dump({"startup": {"none": ["damaged"]}}, file)
    other = lab("--init=startup", "--hazard=none", "--expect=wrong.json", "--directory=third", *TESTS,
                directory=directory)
    check("another class fails", other.returncode == 1, other.stdout)
    check("and is told", 'startup x none: clean, but expected ["damaged"]' in other.stdout, other.stdout)


def earlier_rounds_are_added(directory):
    done = lab("--init=flock-nonblocking,startup", "--hazard=none", "--repeat=0", "--add=first/lab.json",
               "--add=again/lab.json", "--directory=merged", directory=directory)
    cells = classes_of(f"{directory}/merged/lab.json")
    check("a lab without rounds of its own ends with 0", done.returncode == 0, done.stderr)
    check("it has the cells that were asked for", set(cells) ==
          {("flock-nonblocking", "none"), ("startup", "none")}, str(list(cells)))
    check("and all their rounds", len(cells["startup", "none"]["rounds"]) == 2)
    check("with their classes", cells["flock-nonblocking", "none"]["class"] == "deadlock")


def wrong_words_are_told(directory):
    for words, part in ((["--init=per-requests"], "did you mean 'per-request'?"),
                        (["--hazard=wipe+nonsense"], "no hazard is called 'nonsense'"),
                        (["--init=pool", "--hazard=none", "nothing/like_it"], "")):
        done = lab(*words, directory=directory)
        check(f"{words} is refused in one line", done.returncode in (2, 3) and done.stderr.count("walgrind lab:") == 1
              and part in done.stderr, f"{done.returncode} {done.stderr}")


def interrupted_lab_keeps_its_table(directory):
    lab_process = subprocess.Popen([WALGRIND, "lab", "--init=startup", "--hazard=none", "--repeat=50",
                                    "--directory=cut", *TESTS], cwd=directory, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lab_process.stderr.readline()
    lab_process.send_signal(signal.SIGINT)
    out, err = lab_process.communicate(timeout=60)
    check("Ctrl-C ends the lab with 3", lab_process.returncode == 3, f"{lab_process.returncode} {err}")
    check("the table holds what was measured", "startup" in out and "interrupted" in err, out + err)
    check("and so does the document", len(classes_of(f"{directory}/cut/lab.json")) == 1)


with tempfile.TemporaryDirectory(prefix="walgrind lab ") as place:
    cells_have_their_classes(place)
    diagnosis_names_the_hazard(place)
    expectations_are_compared(place)
    earlier_rounds_are_added(place)
    wrong_words_are_told(place)
    interrupted_lab_keeps_its_table(place)
sys.exit(1 if problems else 0)
