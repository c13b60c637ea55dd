// SPDX-License-Identifier: MIT
// programs.cjs - the common ways to break a database and the nearest right ones, for Node with a driver that brings a
// SQLite of its own (tools/fetch).
//
//     programs.cjs NAME         the program of that name, in the current directory
//     programs.cjs --list       ID BAD CONTROL CALL PLACE, a line for each row; exit code 77 when the driver does not load
//     programs.cjs --versions   Node's and SQLite's
//     programs.cjs --healthy    what an application does all day
//     programs.cjs --shared     what one of several processes does with a database of all
//
// To add one: two functions and a row in ROWS. PLACE is the FILE:LINE of the wrong call: the line in the function that
// says `culprit`, or the first line of what another process was given to run; missing where no frames are taken.
"use strict";
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const DB = "app.db";
const CANNOT = 77;
const NPM = path.join(__dirname, "../../.cache/npm");

function driver() {
  process.env.NODE_PATH = NPM; // the driver's loader is another package there
  require("node:module").Module._initPaths();
  try {
    return require(path.join(NPM, "@photostructure/sqlite")).DatabaseSync;
  } catch (error) {
    console.error(`the driver does not load: ${error.message.split("\n")[0]} (tools/fetch test)`);
    return process.exit(CANNOT);
  }
}
const DatabaseSync = driver();

function connect(journal = "wal", name = DB) {
  const connection = new DatabaseSync(name);
  connection.exec(`PRAGMA busy_timeout=5000; PRAGMA journal_mode=${journal};
                   CREATE TABLE IF NOT EXISTS t(a, b); INSERT INTO t VALUES (1, 'x')`);
  return connection;
}

// One more write; what it answers on a broken database does not matter here.
function use(connection) {
  try {
    connection.exec("INSERT INTO t VALUES (2, 'y')");
  } catch {}
}

function accuse(pid) {
  fs.writeFileSync("culprit", String(pid));
}

// Runs a piece of JavaScript in a process of its own, which is the culprit.
function otherProcess(code) {
  accuse(spawnSync(process.execPath, ["-e", `const fs = require("node:fs"); ${code}`]).pid);
}

const programs = {
  copiesInProcess() {
    const connection = connect();
    accuse(process.pid);
    fs.copyFileSync(DB, "copy.db"); // culprit
    use(connection);
  },
  copiesElsewhere() {
    const connection = connect();
    otherProcess(`fs.copyFileSync(${JSON.stringify(DB)}, "copy.db")`);
    use(connection);
  },
  readsInProcess() {
    const connection = connect("delete");
    connection.exec("BEGIN IMMEDIATE");
    accuse(process.pid);
    fs.readFileSync(DB); // culprit
    connection.exec("ROLLBACK");
  },
  readsBefore() {
    connect("delete").close();
    fs.readFileSync(DB);
    const connection = connect("delete");
    connection.exec("BEGIN IMMEDIATE");
    connection.exec("ROLLBACK");
  },
  deletesOpen() {
    const connection = connect();
    otherProcess(`fs.unlinkSync(${JSON.stringify(DB)})`);
    use(connection);
  },
  deletesClosed() {
    connect().close();
    otherProcess(`fs.unlinkSync(${JSON.stringify(DB)})`);
    use(connect());
  },
  removesOwnFiles() {
    const connection = connect();
    accuse(process.pid);
    fs.rmSync(DB); // culprit
    use(connection);
  },
  removesOwnFilesWhenClosed() {
    connect().close();
    fs.rmSync(DB);
    use(connect());
  },
  renamesOver() {
    connect("wal", "new.db").close();
    const connection = connect();
    otherProcess(`fs.renameSync("new.db", ${JSON.stringify(DB)})`);
    use(connection);
  },
  renamesOverClosed() {
    connect("wal", "new.db").close();
    connect().close();
    otherProcess(`fs.renameSync("new.db", ${JSON.stringify(DB)})`);
    use(connect());
  },
  deletesWal() {
    const connection = connect();
    otherProcess(`fs.unlinkSync(${JSON.stringify(DB + "-wal")})`);
    use(connection);
  },
  checkpoints() {
    const connection = connect();
    connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    use(connection);
  },
  writesOver() {
    connect("delete", "template.db").close();
    const connection = connect("delete");
    otherProcess(`fs.writeFileSync(${JSON.stringify(DB)}, fs.readFileSync("template.db"))`);
    use(connection);
  },
  writesOverClosed() {
    connect("delete", "template.db").close();
    connect("delete").close();
    otherProcess(`fs.writeFileSync(${JSON.stringify(DB)}, fs.readFileSync("template.db"))`);
    use(connect("delete"));
  },
  truncates() {
    const connection = connect("delete");
    otherProcess(`fs.truncateSync(${JSON.stringify(DB)}, 4096)`);
    use(connection);
  },
  vacuums() {
    const connection = connect("delete");
    connection.exec("DELETE FROM t; VACUUM");
    use(connection);
  },
  opensTwoNames() {
    const connection = connect();
    fs.linkSync(DB, "second.db");
    accuse(process.pid);
    use(connect("wal", "second.db"));
    use(connection);
  },
  opensOneNameTwice() {
    const connection = connect();
    use(connect("wal", path.resolve(DB)));
    use(connection);
  },
};

const ROWS = [
  ["close-drops-locks", "copiesInProcess", "copiesElsewhere", "close"],
  ["close-drops-locks", "readsInProcess", "readsBefore", "close"],
  ["unlink-open", "deletesOpen", "deletesClosed", "unlink"],
  ["unlink-open", "removesOwnFiles", "removesOwnFilesWhenClosed", "unlink"],
  ["unlink-open", "renamesOver", "renamesOverClosed", "rename"],
  ["wal-unlink", "deletesWal", "checkpoints", "unlink"],
  ["copy-over", "writesOver", "writesOverClosed", "open"],
  ["truncate-db", "truncates", "vacuums", "ftruncate"],
  ["hard-link", "opensTwoNames", "opensOneNameTwice", "open"],
];

// Connections that come and go beside one that stays, transactions, files of the application's own.
function healthy() {
  const kept = connect();
  const insert = kept.prepare("INSERT INTO t VALUES (?, ?)");
  for (let round = 0; round < 50; round++) {
    insert.run(round, "row");
    const other = new DatabaseSync(DB);
    other.prepare("SELECT count(*) FROM t").get();
    other.close();
    fs.appendFileSync("app.log", "a line\n");
  }
  kept.exec("BEGIN IMMEDIATE; UPDATE t SET b = 'z'; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  fs.rmSync("app.log");
  kept.close();
  fs.copyFileSync(DB, "copy.db");
}

function shared() {
  const connection = connect();
  for (let round = 0; round < 100; round++) use(connection);
  connection.close();
}

function placeOf(name) {
  const lines = fs.readFileSync(__filename, "utf8").split("\n");
  const first = lines.indexOf(`  ${name}() {`);
  const last = lines.indexOf("  },", first);
  const line = lines.findIndex((text, index) => index > first && index < last && text.endsWith("// culprit"));
  if (line >= 0) return `${path.basename(__filename)}:${line + 1}`;
  return lines.slice(first, last).some((text) => text.includes("otherProcess(")) ? "[eval]:1" : "";
}

const word = process.argv[2];
if (word === "--list") {
  for (const row of ROWS) console.log([...row, placeOf(row[1])].join(" "));
} else if (word === "--versions") {
  const row = new DatabaseSync(":memory:").prepare("SELECT sqlite_version() AS version").get();
  console.log(`Node ${process.version}, SQLite ${row.version}`);
} else if (word === "--healthy") {
  healthy();
} else if (word === "--shared") {
  shared();
} else {
  programs[word]();
}
