#!/usr/bin/env bash
# Runs one step of `make test` and keeps its time, or sums all steps up.
#
#   step.sh NAME COMMAND...   run it; at a failure print the sum (if WHOLE is
#                             set: the step is one of all), and NAME last
#   step.sh --skip NAME WHY   note that a part could not run
#   step.sh --sum             the sum: times, skips, counts on a line of its own
#
# What the steps leave lies in bin/test: `steps` (seconds, name, verdict), and
# from testsum NAME.count and NAME.skips.
set -euo pipefail
cd "$(dirname "$0")/../.."
kept=bin/test
mkdir -p "$kept"

summary() {
  echo
  echo "Each step's share:"
  awk '{ all += $1; row[NR] = $0 }
    END { for (i = 1; i <= NR; i++) { split(row[i], f, " "); printf "  %7.1f s %3.0f %%  %-14s %s\n", f[1], 100*f[1]/(all ? all : 1), f[2], f[3] }
          printf "  %7.1f s        all\n", all }' "$kept/steps"
  local skips
  skips=$(cat "$kept"/*.skips 2>/dev/null || true)
  if [ -n "$skips" ]; then
    echo
    sed 's/^/SKIPPED: /' <<<"$skips"
  fi
  echo
  { cat "$kept"/*.count 2>/dev/null || true; } | awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s }'
}

case "$1" in
  --sum) summary; exit 0 ;;
  --skip)
    printf '0 0 1\n' >"$kept/$2.count"
    printf '%s: %s\n' "$2" "$3" >"$kept/$2.skips"
    echo "SKIPPED: $2: $3"
    exit 0 ;;
esac

name=$1
shift
printf '\n== %s\n' "$name"
rm -f "$kept/$name.count" "$kept/$name.skips"
begin=$(date +%s.%N)
verdict=0
"$@" || verdict=$?
seconds=$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
if [ "$verdict" = 0 ]; then
  echo "$seconds $name ok" >>"$kept/steps"
  echo "   $name: ok, $seconds s"
  exit 0
fi
echo "$seconds $name FAILED" >>"$kept/steps"
[ -z "${WHOLE:-}" ] || summary
echo "FAILED: $name"
exit 1
