#!/usr/bin/env bash
# Runs every Fuzz function for a time each, one after the other; a second argument is
# the folder to stay in. `make test` runs their seeds and what they once found; this
# looks for more.
#
# An interesting input is made smaller for a second at most: by itself Go takes a minute,
# in which it tries nothing new.
#
# Before Go 1.27 the fuzzer may take the end of its own time for a failure
# (golang/go issue 75804). A real find always writes the input that fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() {
  echo "== $1 in $2"
  go test -vet=off -run '^$' -fuzz "^$1\$" -fuzztime "$3" -fuzzminimizetime 1s "$2" 2>&1 | tee "$log" && return 0
  grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" || return 1
  echo "   no failing input was written: the fuzzer only ran out of its time"
}

grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=node_modules "./${2:-}" | sort | while read -r file; do
  for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
    fuzz "$name" "${file%/*}" "$1"
  done
done
