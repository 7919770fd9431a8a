#!/usr/bin/env bash
# Brings a checkout to the point where it runs. Every step first looks whether it is done, so that running this again costs a
# fraction of a second; an interrupted step is simply done again by the next run.
#
#   scripts/setup.sh [step ...]     without a step: --hsm --npm --build, which is what `npm start` needs
#
#   --hsm      SoftHSM, unless the configuration names another PKCS#11 module
#   --npm      npm dependencies; their native addons are compiled here, nothing compiled is downloaded
#   --build    dist/, from src/ and test/
#   --tools    the programs that only the tests call: pkcs11-tool, the AWS CLI, boto3, curl, openssl
#   --tls      openssl, with which a container makes its own certificate
#   --prune    leaves in node_modules only what the server needs (for images; comes last)
#
# Exit codes: 69 something must be installed by hand (the message says what), 75 another set-up did not end in time,
# otherwise that of the program that failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly another_setup_seconds_max=900

say() { echo "claviger: $*" >&2; }

# fail <exit code> <line> ...
fail() {
  local code=$1
  shift
  printf 'claviger: %s\n' "$@" >&2
  exit "$code"
}

quiet_log=$(mktemp)
readonly quiet_log
trap 'rm -f "$quiet_log"' EXIT

# quietly <command> ...: its output is shown only when it fails.
quietly() {
  local status=0
  "$@" >"$quiet_log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || { echo "...   (the last 40 lines of: $*)"; tail -n 40 "$quiet_log"; } >&2
  return "$status"
}

source scripts/setup/system.sh
source scripts/setup/npm.sh
source scripts/setup/build.sh

# The lock is on the directory itself: a lock file in node_modules would be deleted by npm ci, one elsewhere would stay behind.
lock_checkout() {
  command -v flock >/dev/null || return 0
  exec 9<.
  flock -n 9 && return
  say 'waiting for another set-up of this directory'
  flock -w "$another_setup_seconds_max" 9 || fail 75 "another set-up still runs after $another_setup_seconds_max seconds"
}

run_step() {
  case $1 in
    --hsm) hsm_step ;;
    --npm) npm_step ;;
    --build) build_step ;;
    --tools) tools_step ;;
    --tls) tls_step ;;
    --prune) prune_step ;;
    *) fail 64 "unknown step $1; the head of scripts/setup.sh lists them" ;;
  esac
}

[ $# -gt 0 ] || set -- --hsm --npm --build
lock_checkout
for step in "$@"; do
  run_step "$step"
done
