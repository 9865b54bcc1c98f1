#!/usr/bin/env bash
# Runs a program so that Ctrl-C reaches it alone. At a terminal, make dies of
# the same Ctrl-C however well its child ends; with the child in a process group
# of its own in the foreground (as a shell runs its jobs), make sees only the
# child's exit code. Away from a terminal the program simply takes this place.
set -euo pipefail

own_group=$(ps -o pgid= -p $$ 2>/dev/null || true)
front_group=$(ps -o tpgid= -p $$ 2>/dev/null || true)
if [ -t 0 ] && [ -n "$own_group" ] && [ "$own_group" -eq "$front_group" ]; then
  set -m
  "$@"
  exit $?
fi
exec "$@"
