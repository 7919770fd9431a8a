# Sourced by scripts/setup.sh: packages of the distribution. Each is asked for by the file that is needed, so that what came some
# other way is left alone.

readonly apt_lock_seconds_max=300

hsm_step() {
  ! configured_module_is_foreign || return 0
  any_file /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/*/libsofthsm2.so \
    /usr/local/lib/softhsm/libsofthsm2.so || install_packages 'SoftHSM' softhsm2
}

tools_step() {
  local missing=()
  any_file /usr/bin/pkcs11-tool || missing+=(opensc)
  any_file /usr/lib/*/pkcs11-spy.so /usr/lib/*/pkcs11/pkcs11-spy.so || missing+=(opensc-pkcs11)
  any_file /usr/bin/aws || missing+=(awscli)
  any_file /usr/lib/python3/dist-packages/boto3/__init__.py || missing+=(python3-boto3)
  any_file /usr/bin/curl || missing+=(curl)
  any_file /usr/bin/openssl || missing+=(openssl)
  # Real tokens of other makes than SoftHSM.
  any_file /usr/lib/*/libsoftokn3.so /usr/lib64/libsoftokn3.so || missing+=(libnss3)
  any_file /usr/sbin/pkcsslotd || missing+=(opencryptoki)
  any_file /usr/libexec/p11-kit/p11-kit-server /usr/lib/p11-kit/p11-kit-server || missing+=(p11-kit)
  any_file /usr/lib/*/pkcs11/p11-kit-client.so /usr/lib64/pkcs11/p11-kit-client.so || missing+=(p11-kit-modules)
  [ ${#missing[@]} = 0 ] || install_packages 'what the tests call' "${missing[@]}"
}

tls_step() {
  any_file /usr/bin/openssl || install_packages 'openssl' openssl
}

# node-gyp needs them; their versions do not matter.
toolchain() {
  local missing=()
  command -v python3 >/dev/null || missing+=(python3)
  command -v make >/dev/null || missing+=(make)
  command -v g++ >/dev/null || missing+=(g++)
  [ ${#missing[@]} = 0 ] || install_packages 'a compiler for native addons' "${missing[@]}"
}

# A configuration with a module of another make: whoever wrote it has that vendor's client software and does not want ours.
configured_module_is_foreign() {
  [ -f "${CLAVIGER_CONFIG:-}" ] && grep -E '^[[:space:]]+module:' "$CLAVIGER_CONFIG" | grep -qv softhsm
}

any_file() {
  local path
  for path in "$@"; do
    if [ -f "$path" ]; then return 0; fi
  done
  return 1
}

# install_packages <what for> <package> ...
install_packages() {
  local what=$1
  shift
  command -v apt-get >/dev/null || by_hand "$what" 'this system has no apt-get' "$@"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || by_hand "$what" 'this is not root, and there is no sudo' "$@"
  say "installing $what: $*"
  quietly_unless_stale "$@" || by_hand "$what" 'apt-get could not install it' "$@"
}

by_hand() {
  local what=$1 why=$2
  shift 2
  fail 69 "$what is missing, and $why." \
    'Install these packages of your distribution (names as in Debian 12), then run this again:' "    apt-get install $*"
}

# Fresh containers have no package lists and old machines stale ones; only then are they fetched.
quietly_unless_stale() {
  apt_install "$@" >/dev/null 2>&1 || { quietly as_root apt-get update && quietly apt_install "$@"; }
}

# A daemon started by a package must not inherit the lock, hence 9>&-.
apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    -o "DPkg::Lock::Timeout=$apt_lock_seconds_max" -o Acquire::Retries=3 "$@" </dev/null 9>&-
}

# Asks for a password only where somebody can type it.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 2 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}
