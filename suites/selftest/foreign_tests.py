# SPDX-License-Identifier: MIT
"""foreign_tests.py - tests in Python as walgrind run --tests starts them: unittest, results as JUnit XML.

    foreign_tests.py FILE [BREAK]

BREAK: "fail" makes a test fail, "file" writes into a database file behind SQLite's back.
"""
import json
import os
import sqlite3
import sys
import unittest
import urllib.request
import xml.etree.ElementTree as xml

BREAK = sys.argv[2] if len(sys.argv) > 2 else ""


def ask(url, body=None, **headers):
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=10) as answer:
        return json.load(answer)


def control(path):
    return ask(os.environ["WALGRIND_CONTROL"] + path, {}, Authorization="Bearer " + os.environ["WALGRIND_TOKEN"])


def titles():
    db = sqlite3.connect(os.environ["WALGRIND_DB_NOTES"], timeout=5)
    rows = db.execute("SELECT title FROM notes").fetchall()
    db.close()
    return [title for title, in rows]


class Notes(unittest.TestCase):
    def tearDown(self):
        control("/reset")

    def add(self, title):
        return ask(os.environ["WALGRIND_URL"] + "/notes", {"title": title})["id"]

    def test_first_note_is_number_1(self):
        self.assertEqual((self.add("a"), titles()), (1, ["a"]))

    def test_first_note_is_number_1_again(self):
        self.assertEqual((self.add("b"), titles()), (1, ["b"]))

    def test_data_is_where_it_says(self):
        self.assertTrue(os.path.exists(os.environ["WALGRIND_DATA"] + "/notes.db"))

    def test_clone_is_another_place(self):
        self.assertNotEqual(control("/clone")["directory"], os.environ["WALGRIND_DATA"])

    def test_verify(self):
        self.assertTrue(control("/verify")["sound"])

    def test_break(self):
        self.assertNotEqual(BREAK, "fail", "it was told to")

    @unittest.skip("not today")
    def test_skipped(self):
        pass


class Result(unittest.TestResult):
    """Results as elements of JUnit XML."""

    def startTestRun(self):
        self.suite = xml.Element("testsuite", name="python")

    def add(self, test, kind=None, text=""):
        case = xml.SubElement(self.suite, "testcase", classname=type(test).__name__,
                              name=test.id().rsplit(".", 1)[1], time="0.001")
        if kind:
            xml.SubElement(case, kind, message=str(text))

    def addSuccess(self, test):
        self.add(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.add(test, "failure", err[1])

    def addError(self, test, err):
        super().addError(test, err)
        self.add(test, "error", err[1])

    def addSkip(self, test, reason):
        self.add(test, "skipped", reason)


def main():
    result = Result()
    result.startTestRun()
    unittest.defaultTestLoader.loadTestsFromTestCase(Notes).run(result)
    if BREAK == "file":
        with open(os.environ["WALGRIND_DB_NOTES"], "r+b") as file:
            file.seek(4096)
            file.write(b"x" * 64)
    xml.ElementTree(result.suite).write(sys.argv[1])
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
