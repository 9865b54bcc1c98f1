#!/usr/bin/env bash
# Runs a command with TMPDIR in memory, if this machine has room for it there: the
# tests fsync ten thousands of times, and wait for the disk each time, which shows
# nothing. Those that are about disks (power cuts, full ones) bring their own.
set -euo pipefail
at=/dev/shm
need=$((6 << 20)) # KiB, of memory and in $at
free=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo 2>/dev/null || true)
room=$(df -k --output=avail "$at" 2>/dev/null | tail -n 1 || true)
if [ "${free:-0}" -ge "$need" ] && [ "${room:-0}" -ge "$need" ] && [ "$(stat -f -c %T "$at")" = tmpfs ]; then
  dir=$(mktemp -d "$at/vungxa-test.XXXXXX")
  trap 'rm -rf "$dir"' EXIT
  # Programs are run from there too, which some machines forbid.
  if cp /bin/true "$dir/true" && "$dir/true" 2>/dev/null; then
    export GOTMPDIR=${GOTMPDIR:-${TMPDIR:-/tmp}} # the compiler's own files are large
    export TMPDIR=$dir
  fi
fi
"$@"
