// SPDX-License-Identifier: MIT
//
// timeline.js - who ran when: lanes with the tests that ran at once, their requests as ticks below, and above all lanes what
// happened to the databases. uPlot gives axes, zoom (drag; double click resets) and the cursor; the bars are drawn here.
'use strict';
(function () {
  const { run, tests, requests, choose, kind, ms } = window.walgrind;
  const SLACK_MS = 0.5; // what clocks of two processes may differ by
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
  const end = tests.reduce((latest, test) => Math.max(latest, test.start + test.ms), 0) / 1000;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue('--' + name).trim();
  const fills = { passed: color('good'), skipped: color('soft'), bad: color('bad') };
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
      const y = middle(laneOf.get(request.attempt) || 0);
      const fill = request.error || request.status >= 500 ? fills.bad : color('mark');
      bar(plot, (request.end - request.ms) / 1000, request.end / 1000, y - 0.4, y - 0.15, fill);
    }
    for (const [at, what] of run.marks) {
      bar(plot, at / 1000, at / 1000, lanes - 0.5, lanes + 0.5, what === 'reset' ? color('soft') : fills.bad);
    }
    ctx.restore();
  }

  function testAt(plot) {
    const x = plot.posToVal(plot.cursor.left, 'x') * 1000;
    const lane = lanes - 1 - Math.round(plot.posToVal(plot.cursor.top, 'y'));
    const slack = (plot.scales.x.max - plot.scales.x.min) * 2;
    return tests.find((test) => test.lane === lane && x >= test.start - slack && x <= test.start + test.ms + slack);
  }

  function label(plot) {
    const test = plot.cursor.left >= 0 ? testAt(plot) : null;
    document.getElementById('under-cursor').textContent = test ? `${test.outcome} ${test.test} (${test.mode}, ${ms(test.ms)})` :
      'drag to zoom, double click to see all, click a test to open it';
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
  window.walgrind.plot = plot;
}());
