// SPDX-License-Identifier: MIT
// storm.cjs - file and SQLite calls at which the probe looks into V8, while V8 collects garbage, compiles, throws and
// ends (node_frames.py).
//
//     storm.cjs END [ROUNDS]    in the current directory; END: return, exit, throw, terminate, worker-exit
//
// Prints what it did; the same with the probe and without.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const { Worker, isMainThread, workerData } = require("node:worker_threads");

const END = isMainThread ? process.argv[2] : workerData.end;
const ROUNDS = Number(process.argv[3] ?? 60);
const SEED = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(4080)]);
const NPM = path.join(__dirname, "../../.cache/npm");
const done = { files: 0, rows: 0, caught: 0, contexts: 0, garbage: 0 };

// Node's own driver, one of npm, or none.
function driver() {
  try {
    return require("node:sqlite").DatabaseSync;
  } catch {}
  try {
    process.env.NODE_PATH = NPM;
    require("node:module").Module._initPaths();
    return require(path.join(NPM, "@photostructure/sqlite")).DatabaseSync;
  } catch {}
  return null;
}
const DatabaseSync = driver();

function files(name, depth = 0) {
  if (depth < 5) return files(name, depth + 1);
  fs.writeFileSync(name, SEED);
  fs.copyFileSync(name, `${name}2`);
  fs.renameSync(`${name}2`, `${name}3.db`);
  const fd = fs.openSync(`${name}3.db`, "r+");
  fs.ftruncateSync(fd, 512);
  fs.closeSync(fd);
  fs.readFileSync(name);
  fs.unlinkSync(`${name}3.db`);
  fs.rmSync(name);
  done.files++;
  return depth;
}

// A thread that is ended from outside may be in the middle of the driver, which some do not survive.
const WITH_SQL = DatabaseSync && (isMainThread || END === "return" || END === "worker-exit");

function database(name) {
  if (!WITH_SQL) return;
  const connection = new DatabaseSync(name); // a new file each time: the probe takes frames within SQLite
  connection.exec("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)");
  connection.function?.("twice", (value) => {
    globalThis.gc?.();
    files(`${name}-within.db`);
    return Number(value) * 2;
  });
  const sql = connection.function ? "SELECT twice(a) AS a FROM t" : "SELECT a FROM t";
  done.rows += connection.prepare(sql).all().length;
  if (done.rows % 3 === 0) connection.close(); // the others are left to the garbage collector
}

function throwing(name) {
  try {
    fs.unlinkSync(`${name}-none.db`);
  } catch (error) {
    done.caught += error.code === "ENOENT" ? 1 : 0;
  }
  try {
    [3, 2, 1].sort(() => {
      files(`${name}-sort.db`);
      throw new RangeError("on purpose");
    });
  } catch {
    done.caught++;
  }
}

function context(name) {
  const inside = vm.createContext({ files, name });
  vm.runInContext("(function inside() { files(name + '-context.db'); })()", inside, { filename: "inside.js" });
  done.contexts++;
}

function garbage() {
  let kept = [];
  for (let i = 0; i < 3000; i++) kept.push({ i, text: `${i}`.repeat(3) });
  done.garbage += kept.length;
  kept = null;
}

async function rounds(prefix) {
  for (let round = 0; round < ROUNDS; round++) {
    const name = `${prefix}${round}.db`;
    files(name);
    garbage();
    database(`${prefix}${round}-sql.db`);
    throwing(name);
    if (round % 8 === 0) context(name);
    if (round % 10 === 0) globalThis.gc?.();
    if (round % 16 === 0) await new Promise((resume) => { setImmediate(resume); });
    if (round === ROUNDS >> 1 && prefix === "main") await half(name);
  }
}

// In the middle of a call from SQLite's or V8's inside.
function half(name) {
  if (END === "exit") {
    [1].forEach(() => {
      files(name);
      console.log("exit in the middle");
      process.exit(3);
    });
  }
  if (END === "throw") {
    console.log("throw in the middle");
    setImmediate(() => { files(name); throw new Error("on purpose"); });
    return new Promise(() => {});
  }
  return null;
}

function worker(number) {
  return new Promise((resume, fail) => {
    const thread = new Worker(__filename, { argv: process.argv.slice(2), workerData: { number, end: END } });
    thread.on("exit", resume).on("error", fail).on("message", () => {
      if (END === "terminate") thread.terminate();
    });
  });
}

async function main() {
  if (!isMainThread) {
    const { parentPort } = require("node:worker_threads");
    if (END === "terminate") {
      parentPort.postMessage("running");
      for (let i = 0; ; i++) files(`endless${workerData.number}.db`);
    }
    await rounds(`worker${workerData.number}-`);
    if (END === "worker-exit") process.exit(4);
    return;
  }
  const threads = [worker(1), worker(2), worker(3)];
  await rounds("main");
  console.log(`threads ${await Promise.all(threads)}`);
  console.log(JSON.stringify(done));
}

main();
