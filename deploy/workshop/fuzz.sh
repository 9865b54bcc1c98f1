#!/usr/bin/env bash
# Runs every Fuzz function for a time each, one after the other. `make test`
# runs their seeds and what they once found; this looks for more.
set -euo pipefail
cd "$(dirname "$0")/../.."
grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=node_modules . | sort | while read -r file; do
  for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
    echo "== $name in ${file%/*}"
    go test -vet=off -run '^$' -fuzz "^$name\$" -fuzztime "$1" "${file%/*}"
  done
done
