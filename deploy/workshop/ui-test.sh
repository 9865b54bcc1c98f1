#!/usr/bin/env bash
# Runs the UI's unit tests and counts them. vitest's own exit code counts too:
# it also fails on errors outside any test. No test asserts a time, so the limit of
# each is wide: a busy machine is slow, not wrong.
set -euo pipefail
cd "$(dirname "$0")/../.."
report=$PWD/bin/test/vitest.json
rm -f "$report"
[ -t 1 ] || export NO_COLOR=1 COLORS=false
verdict=0
(cd desktop/frontend && npm test --silent -- --reporter=default --testTimeout=60000 --reporter=json --outputFile.json="$report") || verdict=$?
[ -s "$report" ] || { echo "vitest left no report" >&2; exit 1; }
bin/testsum -from vitest -o bin/test/ui-test <"$report"
exit $verdict
