#!/usr/bin/env bash
# `claviger` in a container: what it starts with (`server` unless told otherwise), and the command for `docker exec`.
#
# A container must listen on more than loopback to be reached, and the server refuses that without TLS. So where neither the
# environment nor the configuration file names a certificate, one is made in the data volume, signed by itself. Clients trust it by
# a copy of <data>/tls/certificate.pem (AWS_CA_BUNDLE, NODE_EXTRA_CA_CERTS). Others than `localhost` and `claviger` as the
# server's name: CLAVIGER_TLS_NAMES=kms.example.com,other, read when the certificate is made.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

readonly tls_dir=$CLAVIGER_DATA_DIR/tls
readonly certificate_days=825
readonly renew_seconds_before=$((30 * 24 * 3600))

certificate_is_configured() {
  [ -n "${CLAVIGER_TLS_CERTIFICATE:-}" ] || { [ -n "${CLAVIGER_CONFIG:-}" ] && grep -q '^tls:' "$CLAVIGER_CONFIG"; }
}

# The key is written first under another name: a start that is cut short leaves no half of a pair.
make_certificate() {
  echo "claviger: making a certificate in $tls_dir" >&2
  local names
  names="localhost,claviger,$(hostname)${CLAVIGER_TLS_NAMES:+,$CLAVIGER_TLS_NAMES}"
  mkdir -p "$tls_dir"
  (
    umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days "$certificate_days" -subj /CN=claviger \
      -addext "subjectAltName=IP:127.0.0.1,DNS:${names//,/,DNS:}" \
      -keyout "$tls_dir/key.new" -out "$tls_dir/certificate.new" 2>/dev/null
  )
  chmod 644 "$tls_dir/certificate.new"
  mv "$tls_dir/key.new" "$tls_dir/key.pem"
  mv "$tls_dir/certificate.new" "$tls_dir/certificate.pem"
}

# The pair must fit together: a stop between the two moves would leave a new key with an old certificate.
certificate_is_good() {
  [ -f "$tls_dir/certificate.pem" ] && [ -f "$tls_dir/key.pem" ] || return 1
  openssl x509 -in "$tls_dir/certificate.pem" -noout -checkend "$renew_seconds_before" >/dev/null || return 1
  [ "$(openssl x509 -in "$tls_dir/certificate.pem" -noout -pubkey)" = "$(openssl pkey -in "$tls_dir/key.pem" -pubout)" ]
}

if ! certificate_is_configured; then
  [ "${1:-server}" != server ] || certificate_is_good || make_certificate
  export CLAVIGER_TLS_CERTIFICATE=$tls_dir/certificate.pem CLAVIGER_TLS_KEY=$tls_dir/key.pem
  # So that `claviger key ...` believes the server beside it.
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$tls_dir/certificate.pem}
fi
exec node dist/src/cli/main.js "${@:-server}"
