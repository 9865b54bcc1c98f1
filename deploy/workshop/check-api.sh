#!/usr/bin/env bash
# The API's description is made by the node's code, and the UI's types from the
# description. Both are committed, so that either side builds alone; this tells
# when one has moved without the other.
set -euo pipefail
cd "$(dirname "$0")/../.."
ui=desktop/frontend
./bin/vungxa openapi >bin/test/openapi.json
(cd $ui && npx --no-install openapi-typescript "$OLDPWD/bin/test/openapi.json" -o "$OLDPWD/bin/test/schema.d.ts" >/dev/null)
same() { diff -u "$1" "$2" | head -n 60 && cmp -s "$1" "$2"; }
same $ui/openapi.json bin/test/openapi.json && same $ui/src/api/schema.d.ts bin/test/schema.d.ts && exit 0
echo "the UI's picture of the API is old: run 'make write-api' and commit what changes in $ui" >&2
exit 1
