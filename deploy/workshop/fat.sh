#!/usr/bin/env bash
# Sees to it that a FAT image can be made and mounted, installing Debian's tools if need
# be and allowed. Exits with 3 and says what is missing if not.
set -euo pipefail

export PATH="$PATH:/usr/sbin:/sbin"
need=()
command -v mkfs.vfat >/dev/null || need+=(dosfstools)
grep -qw vfat /proc/filesystems || modprobe -q vfat 2>/dev/null || command -v fusefat >/dev/null || need+=(fusefat)
[ ${#need[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing ${need[*]} for bundles on a real FAT..." >&2
  export DEBIAN_FRONTEND=noninteractive
  if { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${need[@]}"; } >&2 </dev/null; then
    exit 0
  fi
fi
echo "no FAT here: apt install ${need[*]}" >&2
exit 3
