// SPDX-License-Identifier: MIT
//
// html_page.js - the page of a run in a real browser: headless Chromium, driven by playwright-core.
//
//     node html_page.js WALGRIND PLAYWRIGHT_DIR [SCREENSHOT_DIR]
//
// Records are written here, so that what the page must show is known: one run without failures, one with a failed test
// whose output tries to be markup, and one of 10,000 tests. Prints one line per failed check and exits with 1.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');

const [walgrind, playwright, screenshots] = process.argv.slice(2);
const browserPath = process.env.CHROMIUM || '/usr/bin/chromium';
for (const needed of [path.resolve(playwright), browserPath]) {
  if (!fs.existsSync(needed)) {
    console.log(`skipped: ${needed} is missing; tools/setup gets it`);
    process.exit(77);
  }
}
const { chromium } = require(path.resolve(playwright));
const NASTY = '</script><img src=x onerror="document.title=\'broken\'"> & \u2028 <b>bold</b>';
const CHANGES = [{ path: 'db/app.db', tables: [{ table: 'notes', inserted: 1, updated: 1, deleted: 0, rows: [
  { change: 'inserted', values: { id: 7, text: NASTY } },
  { change: 'updated', key: { id: 1 }, values: { text: ['old', 'new'] } }] }] }];
const problems = [];

function check(claim, holds, shown) {
  if (holds) return;
  problems.push(claim);
  console.log(`FAIL ${claim}${shown === undefined ? '' : `: ${shown}`}`);
}

// Writes the record of a run with `count` tests on `workers` workers; those that `fails` picks failed.
function record(directory, count, workers, fails, isolated = []) {
  const lines = [];
  let at = 0;
  const emit = (event, members) => lines.push(JSON.stringify({ event, seq: lines.length + 1, at_ns: at, ...members }));
  const common = { unit: 1, mode: 'none', round: 1 };
  emit('run-started', { version: 1, walgrind: '0', wall: '2026-01-31T01:02:03Z', directory, sqlite: '3', kernel: '6' });
  emit('plan', { tests: count, suites: 1, selected: count, slow_ms: 1000 });
  for (const i of isolated) {
    emit('test-finished', { attempt: count + 1 + i, test: `files_${i % 30}/case_${i}`, unit: 9, mode: 'suite', round: 1,
      worker: 0, outcome: 'passed', ms: 1500 });
  }
  emit('round-started', { mode: 'none', round: 1, tests: count });
  const log = path.join(directory, 'server.log');
  emit('unit-started', { ...common, name: 'all', url: 'http://x', server_pid: 1, log, databases: [], ms: 1 });
  for (let i = 0; i < count; i++) {
    const test = { attempt: i + 1, test: `files_${i % 30}/case_${i}`, ...common, worker: i % workers };
    at += 1e6;
    emit('test-started', { ...test, pid: 100 + i });
    at += 2e6;
    const failed = fails(i);
    emit('request', { ...test, method: 'GET', path: `/api/${i}`, status: failed ? 500 : 200, ms: 1.5,
      body: failed ? '{"detail":"disk I/O error"}' : undefined });
    if (failed) emit('evidence', { ...common, class: 'io', source: 'response', code: 522, name: 'SQLITE_IOERR_SHORT_READ',
      message: 'disk I/O error', test: test.test, request: `GET /api/${i} -> 500` });
    at += 1e6;
    emit('test-finished', { ...test, outcome: failed ? 'failed' : 'passed', ms: 4, reason: '', file: 'a.c', line: i,
      description: `CASE-${i}`, messages: failed ? [{ file: 'a.c', line: i, message: NASTY }] : [], output: failed ? NASTY : '',
      ...(failed ? { changes: CHANGES, kept: '/run/databases/4-case',
        server_log: `{"event":"request","test":"files_${i % 30}/case_${i}","path":"/from-the-log"}\n` } : {}),
      requests: 1, repeat: `walgrind run 'files_${i % 30}/case_${i}'` });
    if (!failed) {
      emit('reset', { ...common, after: test.test, ok: true, ms: 0.02,
        databases: [{ path: 'db/app.db', strategy: 'discard', us: 12 }] });
    }
  }
  // Of a test that did not end.
  emit('request', { attempt: 999999, unit: 1, method: 'GET', path: '/lost', status: 500, ms: at / 2e6 });
  emit('finding', { id: 'wal-unlink', fails: false, happened_ns: 9e7, text: 'wal-unlink: somebody deleted app.db-wal\n  who  pid 7' });
  emit('verified', { ...common, path: 'db/app.db', ok: true, problems: [] });
  emit('unit-finished', { ...common, name: 'all', status: 'exit 0', server_requests: count, statements: 9, killed: false });
  emit('round-finished', { mode: 'none', round: 1, ms: at / 1e6 });
  emit('run-finished', { ms: at / 1e6 });
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'events.jsonl'), lines.join('\n') + '\n');
}

function render(directory) {
  const page = path.join(directory, 'page with space.html');
  try {
    execFileSync(walgrind, ['report', '--format=html', `--output=${page}`, directory], { stdio: 'inherit' });
  } catch (error) {
    if (error.status !== 1) throw error;
  }
  return page;
}

async function open(browser, file, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  await context.setOffline(true);
  const page = await context.newPage();
  const complaints = [];
  const requested = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => { if (!request.url().startsWith('file:')) requested.push(request.url()); });
  await page.goto('file://' + encodeURI(file));
  check(`${path.basename(path.dirname(file))}: nothing on the console`, complaints.length === 0, complaints.join('; '));
  check('nothing is fetched', requested.length === 0, requested.join(' '));
  return page;
}

async function screenshot(page, name) {
  if (screenshots) await page.screenshot({ path: path.join(screenshots, name) });
}

// The number of pixels of the timeline that are not empty.
const drawn = (page) => page.evaluate(() => {
  const canvas = document.querySelector('#timeline canvas');
  if (!canvas) return 0;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 3; i < data.length; i += 4) count += data[i] > 0;
  return count;
});

// Moves the mouse over a place of the timeline, in seconds and lanes, and returns what is said of it.
async function pointAt(page, seconds, lane, click) {
  const place = await page.evaluate(([x, y]) => {
    const { plot } = window.walgrind;
    const box = plot.over.getBoundingClientRect();
    return { x: box.left + plot.valToPos(x, 'x'), y: box.top + plot.valToPos(y, 'y') };
  }, [seconds, lane]);
  await page.mouse.move(place.x, place.y);
  if (click) await page.mouse.click(place.x, place.y);
  await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
  return page.textContent('#under-cursor');
}

// The seconds that the timeline shows, when what keys asked for is drawn.
const range = (page) => page.evaluate(() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const { min, max } = window.walgrind.plot.scales.x;
    done([min, max]);
  }));
}));

const near = (a, b) => a.every((value, i) => Math.abs(value - b[i]) < 1e-6);

// Zooms and moves with the keys alone; `end` is the last second of the run.
async function byKeys(page, end) {
  const press = async (claim, key, expected) => {
    await page.keyboard.press(key);
    const got = await range(page);
    check(`keys: ${claim}`, near(got, expected), `${got} instead of ${expected}`);
  };
  await page.mouse.move(0, 0);
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => {
    const at = document.activeElement;
    return { id: at.id, label: at.getAttribute('aria-label'), outline: getComputedStyle(at).outlineStyle };
  });
  check('Tab reaches the timeline first', focused.id === 'timeline', focused.id);
  check('its focus is seen', focused.outline === 'solid', focused.outline);
  check('its label tells the keys', /plus and minus zoom.*arrow move.*0 or Escape/.test(focused.label), focused.label);
  check('so does the page', await page.isVisible('#timeline-keys'));
  await press('+ zooms into the middle', '+', [end / 4, end * 3 / 4]);
  await press('left moves', 'ArrowLeft', [end / 8, end * 5 / 8]);
  await press('but not before the beginning', 'ArrowLeft', [0, end / 2]);
  await press('right moves', 'ArrowRight', [end / 8, end * 5 / 8]);
  check('what is shown is told', (await page.textContent('#under-cursor')).startsWith('shown: '));
  await press('- zooms out, and not past the beginning', '-', [0, end]);
  await press('and not past all', '-', [0, end]);
  await press('= is + without shift', '=', [end / 4, end * 3 / 4]);
  await press('0 shows all', '0', [0, end]);
  await page.keyboard.press('+');
  await press('Escape shows all', 'Escape', [0, end]);
  for (let i = 0; i < 40; i++) await page.keyboard.press('+');
  const [min, max] = await range(page);
  check('keys: zoom has an end', max - min > 0.9e-5 && max - min < 1.1e-5, max - min);
  await press('Escape after that', 'Escape', [0, end]);
  await page.keyboard.press('Control++');
  check("keys: the browser's own stay its own", near(await range(page), [0, end]));
}

// What the mouse points at stays below it.
async function byKeysAtCursor(page, end) {
  await page.focus('#timeline');
  await pointAt(page, end / 4, 0.2);
  await page.keyboard.press('+');
  const got = await range(page);
  check('keys: + zooms around the cursor', Math.abs(got[0] - end / 8) < end / 500 && Math.abs(got[1] - end * 5 / 8) < end / 500, got);
  await page.keyboard.press('0');
  await range(page);
}

// The colour of a place of the timeline, "" where nothing is drawn.
const colourAt = (page, seconds, y) => page.evaluate(([x, lane]) => {
  const { plot } = window.walgrind;
  const { data } = plot.ctx.getImageData(plot.valToPos(x, 'x', true), plot.valToPos(lane, 'y', true), 1, 1);
  return data[3] > 200 ? data.slice(0, 3).join() : '';
}, [seconds, y]);

async function passingRun(browser, directory) {
  record(directory, 40, 4, () => false);
  const page = await open(browser, render(directory), {});
  check('the verdict comes first', (await page.textContent('h1')).includes('PASS'), await page.textContent('h1'));
  check('all tests are listed', (await page.textContent('#count')) === '40 of 40', await page.textContent('#count'));
  check('the timeline is drawn', (await drawn(page)) > 2000, await drawn(page));
  await byKeys(page, 0.16);
  await byKeysAtCursor(page, 0.16);
  await page.locator('#timeline').scrollIntoViewIfNeeded();
  // All tests are in one lane; that which begins at 148 ms sends its request at 149.5 ms.
  const places = [[0.1505, -0.3], [0.1486, -0.3]];
  const seen = await Promise.all(places.map(([x, y]) => colourAt(page, x, y)));
  check('a request is drawn below its test', seen[0] !== '', seen);
  check('one of a test that did not end below none', seen[1] === '', seen);
  const requested = await pointAt(page, 0.0023, -0.25);
  check('a request is named in the timeline', requested.includes('GET /api/0 -> 200'), requested);
  const reset = await pointAt(page, 0.0041, 1);
  check('and a reset of databases', reset.includes('reset of unit 1 after files_0/case_0; db/app.db by discard, 12 us'), reset);
  const verified = await pointAt(page, 0.1599, 1);
  check('and their verification', verified.includes('verified: db/app.db of unit 1'), verified);
  const finding = await pointAt(page, 0.09, 1);
  check('and what the probe found', finding === 'finding 1: wal-unlink: somebody deleted app.db-wal', finding);
  await pointAt(page, 0.0025, 0.2, true);
  check('a click in the timeline opens the test', (await page.textContent('#detail')).includes('files_0/case_0'));
  check('and gives it the keys', await page.evaluate(() => document.activeElement.id) === 'timeline');
  await page.keyboard.press('+');
  await page.keyboard.press('Escape');
  check('Escape shows all first', await page.isVisible('#detail'));
  await range(page);
  await page.keyboard.press('Escape');
  check('then it closes the test', !(await page.isVisible('#detail')));
  await screenshot(page, 'report-pass.png');
  await page.context().close();
}

async function failingRun(browser, directory) {
  record(directory, 40, 4, (i) => i === 3, [3]);
  const page = await open(browser, render(directory), { colorScheme: 'dark' });
  check('the verdict is FAIL', (await page.textContent('#verdict')) === 'FAIL');
  check('failures are shown first', (await page.textContent('#count')) === '1 of 41', await page.textContent('#count'));
  check('the page is dark', await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === 'rgb(13, 17, 23)');
  await page.click('.row');
  const detail = await page.textContent('#detail');
  for (const part of ['files_3/case_3', NASTY.trim().slice(0, 20), 'disk I/O error', 'GET /api/3', '500', '/from-the-log',
    "walgrind run 'files_3/case_3'", 'SQLITE_IOERR_SHORT_READ', 'Database changes', 'notes: 1 inserted, 1 updated',
    '~ id=1: text "old" -> "new"', '/run/databases/4-case']) {
    check(`the failure shows ${part}`, detail.includes(part), detail);
  }
  check('output stays text', (await page.title()).startsWith('FAIL') && (await page.$$('#detail img, #detail b')).length === 0);
  await screenshot(page, 'report-fail.png');
  // A page that CI serves without TLS has no clipboard.
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  await page.click('.command button');
  const chosen = await page.evaluate(() => String(getSelection()));
  check('without a clipboard the command is selected', chosen === "walgrind run 'files_3/case_3'", chosen);
  await page.keyboard.press('Escape');
  check('Esc closes the failure', !(await page.isVisible('#detail')));
  await page.keyboard.press('f');
  check('f shows all tests', (await page.textContent('#count')) === '41 of 41', await page.textContent('#count'));
  await page.keyboard.press('/');
  await page.keyboard.type('slow');
  check('what is slow is found by the word', (await page.textContent('#count')) === '1 of 41', await page.textContent('#count'));
  await page.fill('#find', 'concurrency-dep');
  check('so is what depends on concurrency', (await page.textContent('.row')).includes('case_3 concurrency-dependent'),
    await page.textContent('.row'));
  await page.fill('#find', 'case-17');
  check('the catalogue id finds a test', (await page.textContent('#count')) === '1 of 41', await page.textContent('#count'));
  await page.keyboard.press('Enter');
  check('Enter opens it', (await page.textContent('#detail')).includes('files_17/case_17'));
  await page.emulateMedia({ media: 'print' });
  await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  check('printed, failures are written out', (await page.textContent('#printed')).includes('files_3/case_3'));
  await page.context().close();
}

async function largeRun(browser, directory) {
  record(directory, 10000, 8, (i) => i % 100 === 0);
  const began = Date.now();
  const page = await open(browser, render(directory), {});
  check('10,000 tests are there', (await page.textContent('#count')) === '100 of 10000', await page.textContent('#count'));
  await page.click('#only-bad');
  check('only rows in sight are made', (await page.$$('.row')).length < 100, (await page.$$('.row')).length);
  await page.evaluate(() => { document.getElementById('rows').scrollTop = 1e9; });
  await page.waitForFunction(() => document.getElementById('rows').textContent.includes('case_9999'), null, { timeout: 20000 });
  check('the timeline holds them', (await drawn(page)) > 2000);
  await page.evaluate(() => window.walgrind.plot.setScale('x', { min: 1, max: 1.1 }));
  check('and zooms', (await page.evaluate(() => window.walgrind.plot.scales.x.max)) === 1.1);
  await page.focus('#timeline');
  await page.keyboard.press('0');
  await range(page);
  // A key that is held: presses one after another between two drawings of the browser.
  const draws = await page.evaluate(async () => {
    let count = 0;
    window.walgrind.plot.hooks.draw.push(() => { count += 1; });
    for (let i = 0; i < 20; i++) {
      document.getElementById('timeline').dispatchEvent(new KeyboardEvent('keydown', { key: i < 10 ? '+' : 'ArrowRight', bubbles: true }));
      await Promise.resolve();
      await Promise.resolve();
    }
    await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
    return count;
  });
  check('a held key draws once a frame', draws === 1, draws);
  const [min, max] = await range(page);
  check('and all of it counts', Math.abs(max - min - 40 / 1024) < 1e-6 && min > 20, [min, max]);
  check('within a minute', Date.now() - began < 60000, Date.now() - began);
  await page.context().close();
}

async function main() {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'walgrind-selftest-html-'));
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
  try {
    await passingRun(browser, path.join(place, 'passing'));
    await failingRun(browser, path.join(place, 'failing'));
    await largeRun(browser, path.join(place, 'large'));
  } finally {
    await browser.close();
    fs.rmSync(place, { recursive: true, force: true });
  }
  process.exit(problems.length === 0 ? 0 : 1);
}

main();
