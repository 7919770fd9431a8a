#!/usr/bin/env bash
# npm start: sets up what is missing, then becomes the server, so that signals and the exit code are the server's own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh --hsm --npm --build
exec node dist/src/cli/main.js server "$@"
