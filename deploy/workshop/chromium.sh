#!/usr/bin/env bash
# Prints the path of a Chromium, installing Debian's if need be and allowed.
# Exits with 3 and says how to get one if there is none: the caller then skips
# what needs it, loudly.
set -euo pipefail

find_one() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && command -v "$name" && return 0
  done
  return 1
}

find_one && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the story in a real browser..." >&2
  export DEBIAN_FRONTEND=noninteractive
  if { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-core; } >&2 </dev/null; then
    find_one && exit 0
  fi
fi
echo "no Chromium: apt install chromium, or set CHROMIUM to the path of one" >&2
exit 3
