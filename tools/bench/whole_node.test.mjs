// SPDX-License-Identifier: MIT
// whole_node.test.mjs - the sixty tests of whole_suite.c, for node --test with fetch.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

const HASH = '2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3';
const api = (path, options) => fetch(`${process.env.WALGRIND_URL}/api/v1/${path}`, options);

describe('whole', { concurrency: 4 }, () => {
  for (let row = 0; row < 60; row += 1) {
    test(`reviewer logs in and lists files ${row}`, async () => {
      const login = await api('auth/login', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: 'reviewer', passwd_hash: HASH }),
      });
      assert.equal(login.status, 200);
      const headers = { 'X-Session-Id': (await login.json()).sessionId };

      const status = await api('auth/status', { headers });
      assert.equal(status.status, 200);
      assert.equal((await status.json()).username, 'reviewer');

      const files = await api('files/list', { headers });
      assert.equal(files.status, 200);
      assert.ok(Array.isArray((await files.json()).files));
    });
  }
});
