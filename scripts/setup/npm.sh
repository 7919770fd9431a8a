# Sourced by scripts/setup.sh: node_modules. Two stamps inside it say what was finished; npm ci removes them with everything else.
#
# Install scripts of packages do not run. The two native addons are compiled by npm's own node-gyp instead: better-sqlite3's install
# script would first try to download a binary, and newer npm neither runs such scripts unasked nor passes on settings that it does
# not know (nodedir, build_from_source). `allowScripts` in package.json is for those who call npm themselves.

readonly node_min=20.19
readonly addons=(better-sqlite3 pkcs11js)
readonly stamps=node_modules/.claviger

npm_step() {
  look_at_node
  local lock wanted
  lock=$(sha256sum <package-lock.json)
  [ "$(stamp dependencies)" = "$lock" ] || install_dependencies "$lock"
  # An addon works with one ABI of Node only: after an upgrade of Node it is compiled again.
  wanted="$node_abi $lock"
  [ "$(stamp addons)" = "$wanted" ] || compile_addons "$wanted"
  # npm links the commands of dependencies, not the project's own: this makes `npx claviger` work here, and offline.
  ln -sfn ../../dist/src/cli/main.js node_modules/.bin/claviger
}

prune_step() {
  say 'removing what only development needs'
  rm -rf "$stamps"
  quietly npm prune --omit=dev --ignore-scripts --offline --no-audit --no-fund
  local addon
  for addon in "${addons[@]}"; do
    find "node_modules/$addon/build" -type f ! -path '*/Release/*' -delete
    find "node_modules/$addon/build" -depth -name 'obj*' -exec rm -rf {} +
    rm -rf "node_modules/$addon/deps"
  done
  check_addons
}

# One start of Node for all we want to know of it, because this is in the way of every `npm start`.
look_at_node() {
  local needed="Node.js $node_min or newer with npm is needed: https://nodejs.org" facts version
  command -v node >/dev/null && command -v npm >/dev/null || fail 69 "$needed"
  facts=$(node -p 'const { versions: v, platform, arch } = process; `${v.node} ${v.modules},${platform},${arch}`')
  read -r version node_abi <<<"$facts"
  printf '%s\n' "$node_min" "$version" | sort --check=quiet --version-sort || fail 69 "$needed. This is $version"
}

stamp() { cat "$stamps/$1" 2>/dev/null || true; }

write_stamp() {
  mkdir -p "$stamps"
  echo "$2" >"$stamps/$1"
}

install_dependencies() {
  say 'installing npm dependencies'
  rm -rf "$stamps"
  quietly npm ci --ignore-scripts --no-audit --no-fund
  write_stamp dependencies "$1"
}

compile_addons() {
  toolchain
  rm -f "$stamps/addons"
  local headers addon
  headers=$(node_headers)
  say "compiling native addons: ${addons[*]} (a minute or two)"
  for addon in "${addons[@]}"; do
    compile_addon "$addon" "$headers" || could_not_compile "$addon" "$headers"
  done
  check_addons
  write_stamp addons "$1"
}

# Without headers node-gyp goes to nodejs.org for them, which is fine where that works.
could_not_compile() {
  [ -z "$2" ] || fail 1 "$1 could not be compiled"
  fail 69 "$1 could not be compiled: the C headers of Node.js $(node -v) are not on this machine." \
    "Install Node.js with its include directory ($(node -p 'process.execPath') has none; the archives of nodejs.org do)," \
    'or, if Node.js is the package of Debian itself:' '    apt-get install libnode-dev'
}

# `npm exec --call` has npm's own node-gyp in its PATH, wherever npm keeps it. The variable is set inside, because node-gyp lets
# npm's settings (somebody's .npmrc) win over its arguments.
compile_addon() (
  cd "node_modules/$1"
  export JOBS=max CLAVIGER_NODE_HEADERS=$2
  quietly npm exec --offline --call 'export npm_config_nodedir="${CLAVIGER_NODE_HEADERS:-$npm_config_nodedir}"; node-gyp rebuild --release'
)

# The directory whose include/node belongs to the node that runs here; nothing if there is none. Headers of another
# Node (a second installation in /usr) would give addons that do not load.
node_headers() {
  local abi=${node_abi%%,*} root
  for root in "$(node -p 'path.dirname(path.dirname(process.execPath))')" /usr/local /usr; do
    if grep -qsE "define NODE_MODULE_VERSION $abi\$" "$root/include/node/node_version.h"; then
      echo "$root"
      return
    fi
  done
}

check_addons() {
  quietly node --input-type=commonjs -e 'require("pkcs11js"); new (require("better-sqlite3"))(":memory:").close()'
}
