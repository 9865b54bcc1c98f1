#!/bin/sh
# Says in one sentence which tools are missing and how a Debian machine gets
# them, before anything is built. Which Go and which Node are new enough, go.mod
# and package.json say; this script only reads them.
set -eu
cd "$(dirname "$0")/../.."

missing=''
lacks() { missing="${missing:+$missing; }$1"; }

# older A B: version A comes before version B.
older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

for tool in git make gcc; do
  command -v "$tool" >/dev/null 2>&1 || lacks "$tool (apt install $tool)"
done
[ -e "$(command -v gcc >/dev/null 2>&1 && gcc -print-file-name=crt1.o 2>/dev/null || echo /)" ] ||
  lacks "the C library's headers (apt install libc6-dev)"

go_needs=$(sed -n 's/^go \([0-9.]*\).*/\1/p' go.mod)
go_how="unpack it from https://go.dev/dl/ into /usr/local and put /usr/local/go/bin on PATH"
if ! command -v go >/dev/null 2>&1; then
  lacks "Go $go_needs or newer ($go_how)"
else
  go_has=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go\([0-9.]*\).*/\1/')
  older "$go_has" "$go_needs" && lacks "Go $go_needs or newer, where go is $go_has ($go_how)"
fi

node_needs=$(sed -n 's/.*"node": *">=\([0-9.]*\).*/\1/p' desktop/frontend/package.json)
node_how="apt install nodejs npm on Debian 13, or unpack it from https://nodejs.org/en/download into /usr/local"
if ! command -v node >/dev/null 2>&1; then
  lacks "Node $node_needs or newer with npm ($node_how)"
else
  node_has=$(node --version | sed 's/^v//')
  if older "$node_has" "$node_needs"; then
    lacks "Node $node_needs or newer, where node is $node_has ($node_how)"
  elif ! command -v npm >/dev/null 2>&1; then
    lacks "npm (apt install npm)"
  fi
fi

[ -z "$missing" ] && exit 0
echo "Vùng Xa cannot be built yet, because this machine lacks: $missing." >&2
exit 1
