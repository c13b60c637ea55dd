#!/bin/sh
# SPDX-License-Identifier: MIT
# notes.sh - tests in shell for walgrind run --tests, which tell their results as TAP.
number=0

is() { # NAME COMMAND…
    name=$1
    shift
    number=$((number + 1))
    if "$@" >/dev/null 2>&1; then echo "ok $number - $name"; else echo "not ok $number - $name"; fi
}

post() { curl -fsS -d "$2" -H "Authorization: Bearer $WALGRIND_TOKEN" "$1"; }

first_note() { [ "$(post "$WALGRIND_URL/notes" '{"title": "sh"}')" = '{"id": 1}' ]; }

is "the server answers" curl -fsS "$WALGRIND_URL/health"
is "the first note is number 1" first_note
is "the databases are reset" post "$WALGRIND_CONTROL/reset" ''
is "and it is again" first_note
echo "not ok 5 - something for later # todo not written"
echo "ok 6 - something else # SKIP no network"
echo 1..6
