# Programs that this project did not write, fetched once into target/third-party. Sourced, with $root set.
# shellcheck shell=bash disable=SC2034
tools="$root/target/third-party"
mkdir -p "$tools"
failed=0

skip() { echo "SKIPPED $1: $2"; }
check() { # name, command: passes where the command passes
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "$output"
  else
    echo "FAILED $name: $output"
    failed=1
  fi
}

python() { # fetches the Python packages, once
  [ -e "$tools/venv/complete" ] && return
  python3 -m venv --clear "$tools/venv" &&
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 1 \
      pymerkle==7.0.0 securesystemslib==1.6.0 cryptography && touch "$tools/venv/complete"
}
node_modules() { # fetches the npm packages, once
  command -v node >/dev/null && command -v npm >/dev/null || { echo "node or npm is missing"; return 1; }
  [ -e "$tools/npm/complete-2" ] && return
  mkdir -p "$tools/npm" && echo '{"private": true}' >"$tools/npm/package.json" &&
    npm install --prefix "$tools/npm" --silent --no-audit --no-fund --ignore-scripts --fetch-timeout=20000 \
      --fetch-retries=1 @sigstore/verify@3.1.1 @sigstore/bundle@4.0.0 @sigstore/sign@4.1.0 && touch "$tools/npm/complete-2"
}
