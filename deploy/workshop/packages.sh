#!/usr/bin/env bash
# Lists the Go packages with tests in one of two groups:
#
#   beside  node and sync, where goroutines live: tested with the race detector
#   alone   everything else, and the pure machine sync/reconcile: without it,
#           which is five to ten times faster
#
# deploy is in neither: `make tidy` tests it.
set -euo pipefail
cd "$(dirname "$0")/../.."
with_tests() { go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "$@"; }
pure='/sync/reconcile(/|$)'
case "${1:-}" in
  beside) with_tests ./node/... ./sync/... | grep -vE "$pure" ;;
  alone) with_tests ./... | grep -vE '^[^/]*/[^/]*/[^/]*/(deploy|node|sync)(/|$)' || true
    with_tests ./sync/reconcile/... 2>/dev/null || true ;;
  *) echo "usage: packages.sh beside|alone" >&2; exit 2 ;;
esac
