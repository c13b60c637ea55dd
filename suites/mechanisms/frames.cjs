// SPDX-License-Identifier: MIT
// frames.cjs - JavaScript of every kind that deletes databases, and V8's own word on where that was (node_frames.py).
//
//     frames.cjs    in the current directory; writes `expected.json`: by file, the frames, innermost first
//
// A place is one call of gone() and of here() on one line, in this order: V8 is asked afterwards, since it works out the
// lines of a function when it is first asked for them. To add one: a function in PLACES.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const { Worker, isMainThread, workerData } = require("node:worker_threads");

const SEED = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(4080)]);
const expected = {};

// Writes a file that looks like a database; its name says which place it is.
function made(name) {
  fs.writeFileSync(`${name}.db`, SEED);
  return `${name}.db`;
}

// What V8 says of the callers, without Node's own; `count` of them when C++ is among them.
function here(name, count = Infinity) {
  const prepare = Error.prepareStackTrace;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  Error.prepareStackTrace = (_, sites) => sites;
  const sites = new Error().stack.slice(1);
  Error.prepareStackTrace = prepare;
  Error.stackTraceLimit = limit;
  const frames = [];
  for (const site of sites) {
    const file = site.getFileName() ?? site.getScriptNameOrSourceURL();
    if (!file) continue; // a function of V8, or eval()
    if (file.startsWith("node:") || site.isAsync()) break;
    frames.push(`${file.replace("file://", "")}:${site.getLineNumber()} ${site.getFunctionName() ?? "<anonymous>"}`);
  }
  expected[`${name}.db`] = frames.slice(0, count);
}

const gone = fs.unlinkSync;

class Store {
  static #private(name) {
    gone(made(name)); here(name);
  }
  constructor(name) {
    if (name) { gone(made(name)); here(name); }
  }
  method(name) {

    gone(made(name)); here(name);
  }
  get property() {
    gone(made("getter")); here("getter");
    return 1;
  }
  static hidden(name) {
    return Store.#private(name);
  }
}

function parts(name) {
  const text = `function inText(gone, made, here) {\n\n  gone(made("${name}")); here("${name}");\n}\ninText`;
  return text;
}

const PLACES = {
  plain(name) {
    gone(made(name)); here(name);
  },
  severalLines(name) {
    const list = [
      1,
      2,
    ];
    for (const each of list)
      if (each === 2) { gone(made(name)); here(name); }
  },
  method(name) {
    new Store().method(name);
  },
  built(name) {
    return new Store(name);
  },
  getter() {
    return new Store().property;
  },
  hidden(name) {
    Store.hidden(name);
  },
  arrow(name) {
    const call = () => { gone(made(name)); here(name); };
    call();
  },
  throughV8(name) {
    [1].map(() => [2].forEach(() => {
      gone(made(name)); here(name);
    }));
  },
  throughRuntime(name) {
    "x".replace(/x/, () => { gone(made(name)); here(name, 1); return ""; });
  },
  recursion(name, depth = 6) {
    if (depth > 0) return PLACES.recursion(name, depth - 1);
    gone(made(name)); here(name);
    return undefined;
  },
  deeper(name, depth = 60) {
    if (depth > 0) return PLACES.deeper(name, depth - 1);
    gone(made(name)); here(name);
    return undefined;
  },
  caught(name) {
    try {
      JSON.parse("{");
    } catch {
      gone(made(name)); here(name);
    } finally {
      gone(made(`${name}2`)); here(`${name}2`);
    }
  },
  generator(name) {
    function* numbers() {
      yield 1;
      gone(made(name)); here(name);
      yield 2;
    }
    return [...numbers()];
  },
  async later(name) {
    await null;
    gone(made(name)); here(name);
    await new Promise((done) => { setImmediate(done); });
    gone(made(`${name}2`)); here(`${name}2`);
  },
  timer(name) {
    return new Promise((done) => {
      setTimeout(function ticked() {
        gone(made(name)); here(name);
        done();
      }, 1);
    });
  },
  evaluated(name) {
    // eslint-disable-next-line no-eval
    eval(`\n\n${"gone"}(made("${name}")); here("${name}")`);
  },
  script(name) {
    const script = new vm.Script(parts(name), { filename: "of-script.js" });
    script.runInThisContext()(gone, made, here);
  },
  scriptWithOffset(name) {
    const script = new vm.Script(parts(name), { filename: "offset.js", lineOffset: 100 });
    script.runInThisContext()(gone, made, here);
  },
  context(name) {
    vm.runInNewContext(parts(name), {}, { filename: "context.js" })(gone, made, here);
  },
  twoBytes(name) {
    vm.runInThisContext(`// \u4f60\u597d\n${parts(name)}`, { filename: "zwei-\u00e4\u4f60.js" })(gone, made, here);
  },
  otherLineEnds(name) {
    const text = `// a\r\n// b\r// c\u2028${parts(name)}`;
    vm.runInThisContext(text, { filename: "ends.js" })(gone, made, here);
  },
  largeSource(name) {
    const text = `${"// filling\n".repeat(60000)}${parts(name)}`;
    vm.runInThisContext(text, { filename: "large.js" })(gone, made, here);
  },
  manyLocals(name) {
    const names = Array.from({ length: 90 }, (_, i) => `v${i}`);
    const text = `(function many(gone, made, here) {\nlet ${names.join("=1,")}=1;\n` +
      `gone(made("${name}")); here("${name}"); return () => ${names.join("+")}; })`;
    vm.runInThisContext(text, { filename: "many.js" })(gone, made, here);
  },
  longStatement(name) {
    const text = `(function long(gone, made, here) {\n${"void 0;\n".repeat(3000)}` +
      `gone(made("${name}")); here("${name}"); })`;
    vm.runInThisContext(text, { filename: "long.js" })(gone, made, here);
  },
  async module(name) {
    globalThis.framesTools = { gone, made, here };
    fs.writeFileSync("place.mjs", `const { gone, made, here } = globalThis.framesTools;\nexport function inModule() {\n` +
      `  gone(made("${name}")); here("${name}");\n}\ngone(made("${name}2")); here("${name}2");\n`);
    (await import(path.resolve("place.mjs"))).inModule();
  },
  required(name) {
    globalThis.framesTools = { gone, made, here };
    fs.writeFileSync("required.cjs", `const { gone, made, here } = globalThis.framesTools;\n\n` +
      `gone(made("${name}")); here("${name}");\n`);
    require(path.resolve("required.cjs"));
  },
  collected(name) {
    globalThis.gc?.();
    gone(made(name)); here(name);
    Array.from({ length: 200000 }, (_, i) => ({ i }));
    globalThis.gc?.();
    gone(made(`${name}2`)); here(`${name}2`);
  },
  // From here on the function that calls may be compiled, and the one that is called replaced while it runs.
  compiled(name) {
    const garbage = [];
    for (let i = 0; i < 500000; i++) garbage[i % 100] = { i };
    gone(made(name)); here(name);
    return garbage;
  },
  replaced(name) {
    let sum = 0;
    for (let i = 1; i <= 400000; i++) {
      sum += i % 7;
      if (i % 20000 === 0) {
        sum++;
        gone(made(`${name}${i / 20000}`)); here(`${name}${i / 20000}`);
      }
    }
    return sum;
  },
  hot(name) {
    const removed = (last) => {
      if (last) { gone(made(name)); here(name); }
      return last;
    };
    for (let i = 0; i < 200000; i++) removed(i === 199999);
  },
};

async function run(prefix) {
  for (const [place, call] of Object.entries(PLACES)) {
    // A place in another thread has another name, and its own frames are called once each: nothing is compiled yet.
    if (place === "getter" && prefix) continue;
    await call(`${prefix}${place}`);
  }
}

async function main() {
  if (!isMainThread) {
    await run("worker-");
    fs.writeFileSync(workerData, JSON.stringify(expected));
    return;
  }
  await run("");
  await new Promise((done, fail) => {
    new Worker(__filename, { workerData: "worker.json" }).on("exit", done).on("error", fail);
  });
  fs.writeFileSync("expected.json", JSON.stringify({ ...expected, ...JSON.parse(fs.readFileSync("worker.json")) }));
}

main();
