# Sourced by scripts/setup.sh: dist/, which mirrors src/ and test/. Up to date means: the same bytes as at the last build, because
# file times are lost or forged by git, tar and container layers.

readonly build_stamp=dist/.built

build_step() {
  local wanted
  wanted=$(source_hash)
  [ "$(cat "$build_stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say 'building'
  rm -f "$build_stamp"
  # Without its output the compiler's notes of an earlier run would make it believe that everything is there.
  [ -d dist/src ] || rm -f dist/.tsbuildinfo
  node node_modules/typescript/bin/tsc >&2
  copy_other_files
  remove_orphans
  if [ -f dist/src/cli/main.js ]; then chmod +x dist/src/cli/main.js; fi
  echo "$wanted" >"$build_stamp"
}

source_hash() {
  find src test tsconfig.json package-lock.json -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
}

# Test vectors and the like, read from beside the module that wants them.
copy_other_files() {
  local file
  while IFS= read -r -d '' file; do
    mkdir -p "dist/$(dirname "$file")"
    cp -p "$file" "dist/$file"
  done < <(find src test -type f ! -name '*.ts' -print0)
}

# What was made of a source that is gone: a deleted test must not go on passing.
remove_orphans() {
  local file source
  while IFS= read -r -d '' file; do
    source=${file#dist/}
    [ -f "$source" ] || [ -f "${source%.js}.ts" ] || [ -f "${source%.js.map}.ts" ] || rm "$file"
  done < <(find dist/src dist/test -type f -print0)
}
