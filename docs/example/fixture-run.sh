#!/bin/sh
# SPDX-License-Identifier: MIT
# fixture-run.sh - builds the template once (the cache keeps it) and runs the tests beside the server of resets:
#
#     sh fixture-run.sh sh fixture.sh
#     sh fixture-run.sh pytest fixture_test.py
#     sh fixture-run.sh node --test fixture.test.mjs
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
template=$(walgrind fixture template --name=notes --sql=notes.db="$here/fixture.sql" | tail -n 1)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
walgrind fixture serve "$template" "$place/data" -- "$@"
