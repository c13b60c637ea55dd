// SPDX-License-Identifier: MIT
// whole_node.test.mjs - the sixty tests of whole_suite.c, for node --test with fetch.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';

const HASH = '2d70999ae1805e4bcef9b4ab3a4b827f578c61740f30076fcdc35c7ae7f586b3';
const tei = (text) =>
  `<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader/><text><body><p>${text}</p></body></text></TEI>`;
const api = (path, options) => fetch(`${process.env.WALGRIND_URL}/api/v1/${path}`, options);
const post = (path, session, body) => api(path, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', ...session },
  body: JSON.stringify(body),
});

describe('whole', { concurrency: 4 }, () => {
  for (let row = 0; row < 60; row += 1) {
    test(`reviewer edits a document ${row}`, async () => {
      const login = await post('auth/login', {}, { username: 'reviewer', passwd_hash: HASH });
      assert.equal(login.status, 200);
      const session = { 'X-Session-Id': (await login.json()).sessionId };

      const name = `doc${randomUUID().replaceAll('-', '')}`;
      const saved = await post('files/save', session, { file_id: name, xml_string: tei(name) });
      assert.equal(saved.status, 200);
      const { status, file_id: document } = await saved.json();
      assert.equal(status, 'new_gold');

      const served = await api(`files/${document}`, { headers: session });
      assert.equal(served.status, 200);
      assert.ok((await served.text()).includes(name));

      const left = await post('files/release_lock', session, { file_id: document });
      assert.equal(left.status, 200);
      assert.equal((await left.json()).action, 'released');

      const deleted = await post('files/delete', session, { files: [document] });
      assert.equal(deleted.status, 200);
      assert.equal((await deleted.json()).result, 'ok');
    });
  }
});
