#!/usr/bin/env bash
# Builds the binary for every kind of machine of the design, without cgo, and
# weighs each against the design's 40 MB. What is only built here is not run here.
set -euo pipefail
cd "$(dirname "$0")/../.."
bytes_max=40000000
mkdir -p bin/cross
heavy=0
for target in linux/amd64 linux/arm64 linux/arm linux/riscv64 windows/amd64; do
  os=${target%/*} arch=${target#*/}
  out=bin/cross/vungxa-$os-$arch
  [ "$os" = windows ] && out=$out.exe
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOARM=7 go build -trimpath -ldflags "-s -w" -o "$out" "$1"
  bytes=$(stat -c %s "$out")
  printf '   %-14s %10d bytes\n' "$target" "$bytes"
  [ "$bytes" -le $bytes_max ] || heavy=1
done
[ $heavy = 0 ] || { echo "a binary weighs more than $bytes_max bytes: see what it links with 'go tool nm -size -sort size'" >&2; exit 1; }
