// SPDX-License-Identifier: MIT
//
// timeline.js - who ran when: lanes with the tests that ran at once, their requests as ticks below, and above all lanes what
// happened to the databases. uPlot gives axes, zoom (drag; double click resets) and the cursor; the bars are drawn here, and
// the keys (MOVES) zoom as the mouse does.
'use strict';
(function () {
  const { run, tests, requests, choose, kind, ms, byAttempt } = window.walgrind;
  const MARK = ['end', 'ms', 'kind', 'text'];
  const HARMLESS = ['reset', 'clone', 'verified', 'busy', 'hint'];
  const HINT = 'drag to zoom, double click to see all, click a test to open it';
  const SLACK_MS = 0.5; // what clocks of two processes may differ by
  const SHORTEST_S = 1e-5; // that keys zoom to
  const ZOOM = 2; // by a key
  const PAN = 0.25; // of what is shown, by a key
  const place = document.getElementById('timeline');
  if (typeof uPlot === 'undefined') {
    place.textContent = 'This walgrind was built without uPlot, so there is no timeline (tools/setup fetches it).';
    return;
  }
  if (tests.length === 0) return;

  // Packs the tests into as few lanes as ran at once. A worker keeps its lane while that is free, so that what ran one
  // after another on one server stands in one line.
  function packLanes() {
    const free = [];
    const homes = new Map();
    for (const test of [...tests].sort((a, b) => a.start - b.start)) {
      const key = `${test.mode} ${test.round} ${test.worker}`;
      const isFree = (lane) => lane !== undefined && free[lane] <= test.start + SLACK_MS;
      let lane = homes.get(key);
      if (!isFree(lane)) lane = free.findIndex((until) => until <= test.start + SLACK_MS);
      if (lane < 0) lane = free.length;
      free[lane] = test.start + test.ms;
      homes.set(key, lane);
      test.lane = lane;
    }
    return free.length;
  }

  const lanes = packLanes();
  const marks = run.marks.map((row) => Object.fromEntries(MARK.map((name, i) => [name, row[i]])));
  const end = [...tests.map((test) => test.start + test.ms), ...marks.map((mark) => mark.end)]
    .reduce((latest, at) => Math.max(latest, at), 0) / 1000;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue('--' + name).trim();
  const fills = { passed: color('good'), skipped: color('soft'), bad: color('bad') };
  const markFills = { reset: color('soft'), clone: color('mark'), verified: color('good'), busy: color('warn'), hint: color('warn') };
  const laneOf = new Map(tests.map((test) => [test.attempt, test.lane]));
  // Lane 0 is the top one; values on the y axis grow upwards.
  const middle = (lane) => lanes - 1 - lane;

  function bar(plot, from, to, low, high, fill) {
    const left = plot.valToPos(from, 'x', true);
    const right = Math.max(left + 1, plot.valToPos(to, 'x', true));
    if (right < plot.bbox.left || left > plot.bbox.left + plot.bbox.width) return;
    const top = plot.valToPos(high, 'y', true);
    plot.ctx.fillStyle = fill;
    plot.ctx.fillRect(left, top, right - left, plot.valToPos(low, 'y', true) - top);
  }

  function draw(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const test of tests) {
      const y = middle(test.lane);
      bar(plot, test.start / 1000, (test.start + test.ms) / 1000, y - 0.1, y + 0.4, fills[kind(test.outcome)]);
    }
    for (const request of requests) {
      const lane = laneOf.get(request.attempt);
      if (lane === undefined) continue; // its test did not end
      const y = middle(lane);
      const fill = request.error || request.status >= 500 ? fills.bad : color('mark');
      bar(plot, (request.end - request.ms) / 1000, request.end / 1000, y - 0.4, y - 0.15, fill);
    }
    // What is wrong comes last, so that a thousand resets do not hide it.
    for (const bad of [false, true]) {
      for (const mark of marks.filter((each) => HARMLESS.includes(each.kind) !== bad)) {
        const [low, high] = bad ? [-0.5, 0.5] : mark.kind === 'clone' ? [-0.3, -0.1] : [0, 0.45]; // clones take long: below
        bar(plot, (mark.end - mark.ms) / 1000, mark.end / 1000, lanes + low, lanes + high, bad ? fills.bad : markFills[mark.kind]);
      }
    }
    ctx.restore();
  }

  const slackOf = (plot) => (plot.scales.x.max - plot.scales.x.min) * 2;

  // What is nearest to the cursor in the lane of the databases, the bad before the harmless.
  function markAt(plot) {
    const x = plot.posToVal(plot.cursor.left, 'x') * 1000;
    const slack = slackOf(plot);
    const near = marks.filter((mark) => x >= mark.end - mark.ms - slack && x <= mark.end + slack);
    return near.find((mark) => !HARMLESS.includes(mark.kind)) || near.find((mark) => mark.kind !== 'reset') || near[0];
  }

  function requestAt(plot, test) {
    const x = plot.posToVal(plot.cursor.left, 'x') * 1000;
    const y = plot.posToVal(plot.cursor.top, 'y');
    if (!test || y > Math.round(y) - 0.12) return undefined;
    const slack = slackOf(plot) / 4;
    return (byAttempt.get(test.attempt) || []).find((each) => x >= each.end - each.ms - slack && x <= each.end + slack);
  }

  function testAt(plot) {
    const x = plot.posToVal(plot.cursor.left, 'x') * 1000;
    const lane = lanes - 1 - Math.round(plot.posToVal(plot.cursor.top, 'y'));
    const slack = slackOf(plot);
    return tests.find((test) => test.lane === lane && x >= test.start - slack && x <= test.start + test.ms + slack);
  }

  function underCursor(plot) {
    if (plot.cursor.left < 0) return '';
    if (Math.round(plot.posToVal(plot.cursor.top, 'y')) === lanes) return (markAt(plot) || { text: '' }).text;
    const test = testAt(plot);
    const request = requestAt(plot, test);
    if (request) return `${request.line} -> ${request.error || request.status}, ${ms(request.ms)}; ${test.test}`;
    return test ? `${test.outcome} ${test.test} (${test.mode}, ${ms(test.ms)})` : '';
  }

  function label(plot) {
    document.getElementById('under-cursor').textContent = underCursor(plot) || HINT;
  }

  const axis = { stroke: color('ink'), grid: { stroke: color('line'), width: 1 }, ticks: { stroke: color('line') } };
  const width = () => Math.max(300, place.clientWidth - 10);
  const plot = new uPlot({
    width: width(), height: Math.min(700, 90 + 34 * (lanes + 1)), legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false } },
    scales: { x: { time: false, range: (u, low, high) => [low, high] }, y: { range: () => [-0.6, lanes + 0.6] } },
    axes: [{ ...axis, values: (u, list) => list.map((value) => value + ' s') },
      { ...axis, size: 90, splits: () => Array.from({ length: lanes + 1 }, (unused, i) => i),
        values: (u, list) => list.map((value) => (value === lanes ? 'databases' : 'lane ' + (lanes - 1 - value))) }],
    series: [{}, { show: true, paths: () => null, points: { show: false } }],
    hooks: { draw: [draw], setCursor: [label] },
  }, [[0, end], [null, null]], place);
  plot.over.addEventListener('click', () => {
    const test = testAt(plot);
    if (test && plot.select.width === 0) choose(test, true);
  });
  window.addEventListener('resize', () => plot.setSize({ width: width(), height: plot.height }));

  // ---- Keys ----

  // What keys have asked for; drawn once a frame, so that a key that is held does not queue up drawings of ten thousand tests.
  let wanted = null;

  function showWanted() {
    if (!wanted) return;
    plot.setScale('x', wanted);
    document.getElementById('under-cursor').textContent =
      `shown: ${wanted.min.toPrecision(6)} s to ${wanted.max.toPrecision(6)} s of ${end.toPrecision(6)} s`;
    wanted = null;
  }

  // Shows `length` seconds from `from` on, or what of that there is.
  function show(from, length) {
    const min = Math.max(0, Math.min(from, end - length));
    if (!wanted) requestAnimationFrame(showWanted);
    wanted = { min, max: Math.min(end, min + length) };
  }

  const shown = () => wanted || plot.scales.x;

  // What is under the cursor stays where it is; without a cursor, the middle.
  function zoom(by) {
    const { min, max } = shown();
    const part = plot.cursor.left >= 0 ? plot.cursor.left / plot.over.clientWidth : 0.5;
    const length = Math.min(end, Math.max((max - min) * by, Math.min(end, SHORTEST_S)));
    show(min + (max - min - length) * part, length);
  }

  function pan(by) {
    const { min, max } = shown();
    show(min + (max - min) * by, max - min);
  }

  const isAll = () => shown().min <= 0 && shown().max >= end;
  const showAll = () => show(0, end);
  const MOVES = {
    '+': () => zoom(1 / ZOOM), '=': () => zoom(1 / ZOOM), '-': () => zoom(ZOOM), _: () => zoom(ZOOM),
    ArrowLeft: () => pan(-PAN), ArrowRight: () => pan(PAN), 0: showAll, Escape: showAll,
  };

  place.addEventListener('keydown', (event) => {
    // When all is shown, Escape is the page's: it closes the opened test.
    if (event.ctrlKey || event.metaKey || event.altKey || !MOVES[event.key] || (event.key === 'Escape' && isAll())) return;
    event.preventDefault();
    event.stopPropagation();
    MOVES[event.key]();
  });
  for (const [name, value] of Object.entries({ tabindex: 0, role: 'application', 'aria-roledescription': 'timeline',
    'aria-label': 'who ran when: plus and minus zoom, left and right arrow move, 0 or Escape shows all',
    'aria-describedby': 'under-cursor' })) place.setAttribute(name, value);
  document.getElementById('timeline-keys').hidden = false;
  window.walgrind.plot = plot;
}());
