#!/bin/sh
# SPDX-License-Identifier: MIT
# fixture.sh - two tests that would disturb each other; the reset between them makes them independent.
set -eu
reset()
{
    curl -fsS -o /dev/null -X POST -H "Authorization: Bearer $WALGRIND_TOKEN" "$WALGRIND_CONTROL/reset"
}
count()
{
    sqlite3 "$WALGRIND_DATA/notes.db" "SELECT count(*) FROM note"
}

reset
sqlite3 "$WALGRIND_DATA/notes.db" "INSERT INTO note(text) VALUES ('one more')"
test "$(count)" = 2

reset
test "$(count)" = 1
echo ok
