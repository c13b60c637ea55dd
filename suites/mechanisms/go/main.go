// SPDX-License-Identifier: MIT

// A Go program with SQLite: what it does itself with files goes past libc, what SQLite does goes through it.
package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/mattn/go-sqlite3"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
}

func culprit() {
	must(os.WriteFile("culprit", []byte(fmt.Sprint(os.Getpid())), 0o644))
}

func main() {
	db, err := sql.Open("sqlite3", "app.db")
	must(err)
	for _, text := range []string{"PRAGMA journal_mode=wal", "CREATE TABLE t(a)", "INSERT INTO t VALUES(1)"} {
		_, err = db.Exec(text)
		must(err)
	}
	switch os.Args[1] {
	case "removes":
		culprit()
		must(os.Remove("app.db"))
	case "reads":
		culprit()
		_, err = os.ReadFile("app.db")
		must(err)
	}
	db.Exec("INSERT INTO t VALUES(1)")
	db.Close()
}
