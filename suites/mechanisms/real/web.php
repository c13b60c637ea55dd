<?php
// SPDX-License-Identifier: MIT
// web.php - what PHP programs do, for healthy_real.py: run by hand it uses PDO and SQLite3 in one process; behind
// `php -S` with workers it answers a request with a connection of its own.
function connect(): PDO {
    $db = new PDO("sqlite:" . getcwd() . "/app.db", null, null, [PDO::ATTR_TIMEOUT => 20,
                  PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $db->exec("PRAGMA journal_mode=WAL");
    $db->exec("CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, text)");
    return $db;
}

if (php_sapi_name() === "cli-server") {
    $db = connect();
    $db->beginTransaction();
    $db->prepare("INSERT INTO notes(text) VALUES (?)")->execute([$_GET["text"] ?? "none"]);
    $db->commit();
    echo json_encode(["count" => $db->query("SELECT count(*) FROM notes")->fetchColumn()]);
    return;
}
if (!extension_loaded("pdo_sqlite")) {
    fwrite(STDERR, "no pdo_sqlite\n");
    exit(77);
}
$db = connect();
for ($i = 0; $i < 20; $i++)
    $db->exec("INSERT INTO notes(text) VALUES ('pdo')");
$other = new SQLite3("app.db");
$other->busyTimeout(20000);
$other->exec("BEGIN IMMEDIATE; INSERT INTO notes(text) VALUES ('other'); COMMIT");
$copy = new SQLite3("copy.db");
$other->backup($copy);
$copy->close();
$other->close();
exit($db->query("SELECT count(*) FROM notes")->fetchColumn() == 21 ? 0 : 1);
