# SPDX-License-Identifier: MIT
"""count.py - an operator's script: how many documents are there? It opens the database, asks, and closes it."""
import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM document").fetchone()[0])
connection.close()
