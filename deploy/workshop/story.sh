#!/usr/bin/env bash
# Tells the whole story in a real browser: the demo's own three processes, and
# Chromium on their pages. Without Chromium it is skipped, loudly.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! chromium=$(deploy/workshop/chromium.sh 2> >(tee bin/test/chromium.log >&2)); then
  deploy/workshop/step.sh --skip story "$(tail -n 1 bin/test/chromium.log)"
  exit 0
fi
VUNGXA=$PWD/bin/vungxa CHROMIUM=$chromium timeout 600 node desktop/frontend/e2e/story.mjs |
  bin/testsum -from tap -o bin/test/story
