// SPDX-License-Identifier: MIT
//
// page.js - the page of one run: draws what html.c put into the element "data".
//
// Tests are arrays in the order of COLUMNS; details exist only for tests that did not pass. The list draws only the
// rows that can be seen, so that ten thousand tests scroll like ten.
'use strict';
(function () {
  const run = JSON.parse(document.getElementById('data').textContent);
  const COLUMNS = ['attempt', 'test', 'mode', 'round', 'unit', 'worker', 'outcome', 'start', 'ms', 'description', 'detail'];
  const REQUEST = ['attempt', 'end', 'ms', 'status', 'line', 'error', 'body'];
  const ROW = 24;
  const BESIDE_SHOWN = 40;

  const unpack = (names) => (row) => Object.fromEntries(names.map((name, i) => [name, row[i]]));
  const tests = run.tests.map(unpack(COLUMNS));
  const requests = run.requests.map(unpack(REQUEST));
  const byAttempt = new Map();
  for (const request of requests) {
    if (!byAttempt.has(request.attempt)) byAttempt.set(request.attempt, []);
    byAttempt.get(request.attempt).push(request);
  }
  const $ = (id) => document.getElementById(id);
  const state = { shown: [], chosen: null };

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === 'onclick') made.addEventListener('click', value);
      else if (value !== undefined && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }
  const kind = (outcome) => (outcome === 'passed' || outcome === 'skipped' ? outcome : 'bad');
  const ms = (value) => (value >= 1000 ? (value / 1000).toFixed(2) + ' s' : value.toFixed(1) + ' ms');

  // Words that are said of a test beside its outcome, and found by.
  const passedAlone = new Set(tests.filter((test) => test.mode !== 'none' && test.outcome === 'passed').map((test) => test.test));
  const failedAlone = new Set(tests.filter((test) => test.mode !== 'none' && kind(test.outcome) === 'bad').map((test) => test.test));
  function wordsOf(test) {
    if (kind(test.outcome) !== 'bad') return run.slow_ms > 0 && test.ms > run.slow_ms ? 'slow' : '';
    return test.mode === 'none' && passedAlone.has(test.test) && !failedAlone.has(test.test) ? 'concurrency-dependent' : '';
  }

  function showSummary() {
    $('verdict').textContent = run.verdict;
    $('verdict').classList.add(run.verdict);
    document.title = run.verdict + ' - walgrind run';
    const list = $('facts');
    for (const [name, value] of run.facts) list.append(element('dt', {}, name), element('dd', {}, value));
    if (run.findings.length > 0) {
      $('findings').append(element('h2', {}, 'What was done wrong to databases'),
        ...run.findings.flatMap(([name, text, at]) => section(`${name}, at ${ms(at)}`, text)));
    }
    if (run.problems.length === 0) return;
    $('problems').append(element('h2', {}, 'Evidence and problems'));
    const body = element('tbody');
    for (const [where, text] of run.problems) {
      body.append(element('tr', {}, element('td', { class: 'bad' }, where), element('td', {}, text)));
    }
    $('problems').append(element('table', {}, body));
  }

  function requestTable(list) {
    const body = element('tbody');
    for (const request of list) {
      const failed = request.error || request.status >= 400;
      const answer = element('td', {}, request.error || '');
      if (request.body) answer.append(element('pre', {}, request.body));
      body.append(element('tr', {}, element('td', { class: 'number' }, ms(request.end - request.ms)),
        element('td', { class: failed ? 'bad number' : 'number' }, String(request.status || '-')),
        element('td', { class: 'number' }, ms(request.ms)), element('td', { class: 'name' }, request.line), answer));
    }
    return element('table', {}, element('thead', {}, element('tr', {},
      ...['sent at', 'status', 'took', 'request', 'answer'].map((name) => element('th', { scope: 'col' }, name)))), body);
  }

  function section(title, text) {
    if (!text) return [];
    return [element('h3', {}, title), element('pre', {}, text)];
  }

  function commandLine(command) {
    const text = element('pre', {}, command);
    // A page that is served without TLS has no clipboard, and a browser may refuse it.
    const select = () => getSelection().selectAllChildren(text);
    const copy = () => (navigator.clipboard ? navigator.clipboard.writeText(command).catch(select) : select());
    return element('div', { class: 'command' }, text, element('button', { type: 'button', onclick: copy }, 'copy'));
  }

  // Names of the tests that shared the server with this one while it ran.
  function beside(test) {
    const others = tests.filter((other) => other !== test && other.unit === test.unit && other.round === test.round &&
      other.start < test.start + test.ms && other.start + other.ms > test.start);
    const names = others.slice(0, BESIDE_SHOWN).map((other) => `${other.test} (${other.outcome})`);
    return others.length > names.length ? [...names, `and ${others.length - names.length} more`] : names;
  }

  // What is known about one test, as a list of elements.
  function describe(test) {
    const detail = test.detail >= 0 ? run.details[test.detail] : {};
    const parts = [element('h2', { class: 'name' }, element('span', { class: kind(test.outcome) }, test.outcome), ' ', test.test, ' ',
      element('span', { class: 'soft' }, wordsOf(test)))];
    parts.push(element('p', { class: 'soft' }, `${test.mode}, round ${test.round}, unit ${test.unit}, worker ${test.worker}, ` +
      `${ms(test.ms)}${test.description ? ', ' + test.description : ''}${detail.file ? `, ${detail.file}:${detail.line}` : ''}`));
    parts.push(...section('Reason', detail.reason));
    for (const message of detail.messages || []) parts.push(...section(`${message.file}:${message.line}`, message.message));
    parts.push(...section('What the probe found before its end', detail.before));
    parts.push(...section('Evidence', (detail.evidence || []).join('\n')));
    parts.push(...section('Database changes', detail.diff));
    parts.push(...section('Output', detail.output));
    parts.push(...section('Stacks', detail.stacks));
    parts.push(...section('Stacks of the server', detail.server_stacks));
    if (kind(test.outcome) === 'bad') parts.push(...section('Who ran beside it', beside(test).join('\n')));
    const sent = byAttempt.get(test.attempt) || [];
    if (sent.length > 0) parts.push(element('h3', {}, 'Requests'), requestTable(sent));
    parts.push(...section('Server log while it ran', detail.server_log));
    if (detail.repeat) parts.push(element('h3', {}, 'Repeat it'), commandLine(detail.repeat));
    return parts;
  }

  function choose(test, scroll) {
    state.chosen = test;
    const detail = $('detail');
    detail.hidden = !test;
    detail.replaceChildren(...(test ? describe(test) : []));
    if (test && scroll) {
      const at = state.shown.indexOf(test) * ROW;
      const rows = $('rows');
      if (at < rows.scrollTop || at + ROW > rows.scrollTop + rows.clientHeight) rows.scrollTop = at - rows.clientHeight / 2;
    }
    if (test) detail.scrollIntoView({ block: 'nearest' });
    if (test) history.replaceState(null, '', '#' + test.attempt);
    drawRows();
  }

  function drawRows() {
    const rows = $('rows');
    const first = Math.max(0, Math.floor(rows.scrollTop / ROW) - 5);
    const last = Math.min(state.shown.length, first + Math.ceil(rows.clientHeight / ROW) + 10);
    const spacer = element('div', { style: `height:${state.shown.length * ROW}px` });
    const drawn = state.shown.slice(first, last).map((test, i) => element('div', {
      class: 'row' + (test === state.chosen ? ' chosen' : ''), style: `top:${(first + i) * ROW}px`, role: 'row',
      'aria-selected': test === state.chosen, onclick: () => choose(test, false),
    }, element('span', { class: kind(test.outcome) }, test.outcome), element('span', { class: 'name' }, test.test,
      wordsOf(test) ? element('span', { class: 'soft' }, ` ${wordsOf(test)}`) : ''),
      element('span', {}, test.mode), element('span', {}, String(test.worker)), element('span', {}, ms(test.ms))));
    rows.style.height = `min(26rem, ${Math.max(1, state.shown.length) * ROW + 2}px)`;
    rows.replaceChildren(spacer, ...drawn);
  }

  function filter() {
    const words = $('find').value.toLowerCase().split(/\s+/).filter(Boolean);
    const bad = $('only-bad').checked;
    const mode = $('mode').value;
    state.shown = tests.filter((test) => (!bad || kind(test.outcome) === 'bad') && (!mode || test.mode === mode) &&
      words.every((word) => `${test.test} ${test.outcome} ${test.description || ''} ${wordsOf(test)}`.toLowerCase().includes(word)));
    const order = $('order').value;
    if (order === 'ms') state.shown.sort((a, b) => b.ms - a.ms);
    if (order === 'name') state.shown.sort((a, b) => (a.test < b.test ? -1 : a.test > b.test ? 1 : 0));
    $('count').textContent = `${state.shown.length} of ${tests.length}`;
    $('rows').scrollTop = 0;
    drawRows();
  }

  function step(by) {
    if (state.shown.length === 0) return;
    const at = state.shown.indexOf(state.chosen);
    choose(state.shown[Math.min(state.shown.length - 1, Math.max(0, at + by))], true);
  }

  const KEYS = {
    '/': () => $('find').focus(), j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    Escape: () => choose(null, false), f: () => { $('only-bad').click(); },
  };
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === $('find')) {
      if (event.key === 'Enter' || event.key === 'Escape') { $('rows').focus(); step(event.key === 'Enter' ? 1 : 0); }
      return;
    }
    if (event.target.tagName === 'SELECT' || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  }

  function showControls() {
    for (const mode of new Set(tests.map((test) => test.mode))) $('mode').append(element('option', { value: mode }, mode));
    for (const id of ['find', 'only-bad', 'mode', 'order']) $(id).addEventListener('input', filter);
    $('rows').addEventListener('scroll', drawRows);
    document.addEventListener('keydown', onKey);
    window.addEventListener('resize', drawRows);
    $('only-bad').checked = tests.some((test) => kind(test.outcome) === 'bad');
    filter();
    const wanted = tests.find((test) => '#' + test.attempt === location.hash);
    if (wanted) choose(wanted, true);
  }

  window.addEventListener('beforeprint', () => {
    $('printed').replaceChildren(...tests.filter((test) => kind(test.outcome) === 'bad').flatMap(describe));
  });

  window.walgrind = { run, tests, requests, choose, kind, ms, byAttempt };
  showSummary();
  showControls();
}());
