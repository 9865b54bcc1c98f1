#!/usr/bin/env bash
# Lists the Go packages with tests in one of two groups:
#
#   beside  those of node and sync that start goroutines or take locks, in their
#           code or in their tests: tested with the race detector
#   alone   all others, without it, which is several times faster
#
# deploy is in neither: `make tidy` tests it.
set -euo pipefail
cd "$(dirname "$0")/../.."
concurrent='^\s*go (func\b|[A-Za-z_.]+\()|"sync"|"sync/atomic"|"golang.org/x/sync/'

case "${1:-}" in
  beside) want=0 ;;
  alone) want=1 ;;
  *) echo "usage: packages.sh beside|alone" >&2; exit 2 ;;
esac
list=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' ./...)
while read -r package dir; do
  is=1
  case ${dir#"$PWD"/} in
    deploy/*) continue ;;
    node | node/* | sync/*) ! grep -qE "$concurrent" "$dir"/*.go || is=0 ;;
  esac
  [ "$is" != "$want" ] || echo "$package"
done <<<"$list"
