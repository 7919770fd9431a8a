#!/usr/bin/env bash
# npm test: sets up what is missing, runs the tests, and ends with the line `N passed, N failed, N skipped` whatever happens.
#
#   npm test                                     everything
#   npm test -- dist/test/http --grep signature  some folders or files; only titles that match
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly run_minutes_max=${TEST_MINUTES_MAX:-30}

status=0
scripts/setup.sh --hsm --tools --npm --build || status=$?
if [ "$status" = 0 ]; then
  timeout --foreground --kill-after=10 "${run_minutes_max}m" node --enable-source-maps dist/test/support/run.js "$@" || status=$?
  # It ends with 0 or 1 and has printed the line itself.
  [ "$status" -gt 1 ] || exit "$status"
  echo "the test process ended with status $status (124: not done in $run_minutes_max minutes; above 128: killed by a signal)" >&2
fi
echo '0 passed, 1 failed, 0 skipped'
exit "$status"
