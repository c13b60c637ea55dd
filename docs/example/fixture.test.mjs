// SPDX-License-Identifier: MIT
// fixture.test.mjs - tests in Node with a database that is reset before each of them. Node before 22 has no SQLite of its own, so they
// ask the sqlite3 program; a driver works the same.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { beforeEach, test } from 'node:test';

const { WALGRIND_CONTROL, WALGRIND_DATA, WALGRIND_TOKEN } = process.env;
const sql = (text) => execFileSync('sqlite3', [`${WALGRIND_DATA}/notes.db`, text], { encoding: 'utf8' }).trim();

beforeEach(async () => {
  const answer = await fetch(`${WALGRIND_CONTROL}/reset`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${WALGRIND_TOKEN}` },
  });
  assert.equal(answer.status, 200, await answer.text());
});

test('insert', () => {
  sql("INSERT INTO note(text) VALUES ('one more')");
  assert.equal(sql('SELECT count(*) FROM note'), '2');
});

test('delete', () => {
  sql('DELETE FROM note');
  assert.equal(sql('SELECT count(*) FROM note'), '0');
});

test('untouched', () => {
  assert.equal(sql('SELECT count(*) FROM note'), '1');
});
