# SPDX-License-Identifier: MIT
"""fixture_test.py - tests in Python with a database that is reset before each, while a connection to it is open."""
import os
import sqlite3
import unittest
import urllib.request


def reset():
    request = urllib.request.Request(os.environ["WALGRIND_CONTROL"] + "/reset", method="POST")
    request.add_header("Authorization", "Bearer " + os.environ["WALGRIND_TOKEN"])
    urllib.request.urlopen(request, timeout=30).close()


class Notes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = sqlite3.connect(os.environ["WALGRIND_DATA"] + "/notes.db", isolation_level=None)

    @classmethod
    def tearDownClass(cls):
        cls.db.close()

    def setUp(self):
        reset()

    def count(self):
        return self.db.execute("SELECT count(*) FROM note").fetchone()[0]

    def test_insert(self):
        self.db.execute("INSERT INTO note(text) VALUES ('one more')")
        self.assertEqual(self.count(), 2)

    def test_delete(self):
        self.db.execute("DELETE FROM note")
        self.assertEqual(self.count(), 0)

    def test_drop(self):
        self.db.execute("DROP TABLE note")

    def test_untouched(self):
        self.assertEqual(self.count(), 1)


if __name__ == "__main__":
    unittest.main()
