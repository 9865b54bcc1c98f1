#!/usr/bin/env bash
# Names the Go files that gofmt would change: those that git knows, and new ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t files < <(git ls-files --cached --others --exclude-standard -- '*.go' | while read -r f; do [ -e "$f" ] && echo "$f"; done)
changed=$(gofmt -l "${files[@]}")
[ -z "$changed" ] && exit 0
printf 'gofmt -w would change:\n%s\n' "$changed" >&2
exit 1
