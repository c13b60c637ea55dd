// SPDX-License-Identifier: MIT
// foreign_tests.mjs - tests of node --test as walgrind run --tests starts them, results as TAP.
import assert from 'node:assert';
import { describe, it, test } from 'node:test';

const url = process.env.WALGRIND_URL;

test('a server answers', async () => {
    assert.equal((await fetch(`${url}/health`)).status, 200);
});

describe('notes/of node', () => {
    it('come back', async () => {
        const body = JSON.stringify({ title: 'from node' });
        const made = await (await fetch(`${url}/notes`, { method: 'POST', body })).json();
        const read = await (await fetch(`${url}/notes/${made.id}`)).json();
        assert.equal(read.title, 'from node');
    });
    it('can be awaited # by number', () => {});
    it.skip('later', () => {});
    it('break', () => assert.notEqual(process.env.BREAK, 'fail'));
});
