-- SPDX-License-Identifier: MIT
-- fixture.sql - the state that every test begins with.
PRAGMA journal_mode = WAL;
CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO note(text) VALUES ('from the template');
