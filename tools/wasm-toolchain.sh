#!/usr/bin/env bash
# Makes sure that a Rust compiler can make WebAssembly (wasm32-unknown-unknown), and prints which one.
#   wasm-toolchain.sh [CACHE_DIR]
# In this order: what cargo's own rustc has; what an earlier run laid out; `rustup target add`; Debian's rustc-web
# packages, unpacked into CACHE_DIR (default: portcullis/wasm-toolchain in the user's cache folder) without installing
# anything. `portcullis policy build` looks in the same places. LAY_OUT=1 goes straight to the last.
set -euo pipefail
umask 022
TARGET=wasm32-unknown-unknown
CACHE=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/wasm-toolchain}")
LAYOUT=3 # raise it when what this script lays out changes
JOBS=${WASM_TOOLCHAIN_JOBS:-$(nproc)}

say() { echo "wasm-toolchain: $*" >&2; }

# What to do where nothing of this works.
explain() {
  say "$*"
  cat >&2 <<TEXT
Policies are compiled for $TARGET, and no Rust compiler here has its standard library. One of these gives you one:
  with rustup:   rustup target add $TARGET
  on Debian:     apt-get update && apt-get install gcc lld, then this script again
  by hand:       any rustc 1.85 or later with the target, named in PORTCULLIS_WASM_RUSTC
TEXT
  exit 1
}

has_target() {
  local libraries
  libraries=$("$1" --print target-libdir --target "$TARGET" 2>/dev/null) && ls "$libraries"/libstd-*.rlib >/dev/null 2>&1
}

if [ -z "${LAY_OUT:-}" ]; then
  own=${PORTCULLIS_WASM_RUSTC:-${RUSTC:-rustc}}
  if has_target "$own"; then
    command -v "$own"
    exit 0
  fi
  [ -z "${PORTCULLIS_WASM_RUSTC:-}" ] || explain "PORTCULLIS_WASM_RUSTC is $own, which has no standard library for $TARGET"
fi

mkdir -p "$CACHE"
exec 9>"$CACHE/.lock"
flock 9 # of two callers at once the second waits, and finds it done
if [ "$(cat "$CACHE/.done" 2>/dev/null)" = "layout $LAYOUT" ] && has_target "$CACHE/bin/rustc"; then
  echo "$CACHE/bin/rustc"
  exit 0
fi

if [ -z "${LAY_OUT:-}" ] && command -v rustup >/dev/null; then
  say "rustup target add $TARGET"
  if timeout 120 rustup target add "$TARGET" >&2 && has_target rustc; then
    command -v rustc
    exit 0
  fi
  say "rustup cannot add it; trying Debian's packages"
fi

for tool in apt-get apt-cache dpkg-deb cargo gcc; do
  command -v "$tool" >/dev/null || explain "Debian's packages cannot be unpacked: $tool is missing"
done
HOST=$(gcc -print-multiarch)
rm -f "$CACHE/.done"

# 1. The packages. Names and versions come from the archive.
fetch() {
  local version std llvm
  version=$(apt-cache show --no-all-versions rustc-web 2>/dev/null | awk '/^Version:/{print $2; exit}')
  [ -n "$version" ] || return 1
  std=$(apt-cache show "libstd-rust-web-dev=$version" | sed -n 's/^Depends:.*\(libstd-rust-web-[0-9.]*\).*/\1/p' | head -1)
  llvm=$(apt-cache show "$std=$version" | sed -n 's/^Depends:.*\(libllvm[0-9]*\).*/\1/p' | head -1)
  rm -rf "$CACHE/debs"
  mkdir -p "$CACHE/debs"
  (
    cd "$CACHE/debs"
    apt-get -qq download "rustc-web=$version" "$std=$version" "libstd-rust-web-dev=$version" \
      "rust-web-src=$version" "$llvm" 2>&1 | grep -v unsandboxed >&2 || true
    [ "$(find . -name '*.deb' | wc -l)" = 5 ]
  ) && say "fetched rustc-web $version"
}
fetch || {
  say "the package lists are missing or stale: apt-get update"
  apt-get -qq update >&2 || true
  fetch || explain "the package rustc-web is not to be had"
}

rm -rf "$CACHE/root.new" "$CACHE/root" "$CACHE/bin"
mkdir -p "$CACHE/root.new" "$CACHE/bin"
for deb in "$CACHE"/debs/*.deb; do dpkg-deb -x "$deb" "$CACHE/root.new"; done
rm -rf "$CACHE/root.new/usr/share" "$CACHE/root.new/usr/bin/rustdoc"
mv "$CACHE/root.new" "$CACHE/root"
USR=$CACHE/root/usr
LIBRARIES=$USR/lib/$HOST
lacks_libraries() { LD_LIBRARY_PATH=$LIBRARIES ldd "$USR/bin/rustc" | grep -q 'not found'; }
if lacks_libraries; then # a bare machine: what LLVM itself needs
  (
    cd "$CACHE/debs"
    for package in libz3-4 libxml2 libedit2 libicu72 libbsd0 libmd0; do
      apt-get -qq download "$package" 2>/dev/null || continue
      for deb in "$package"_*.deb; do dpkg-deb -x "$deb" "$CACHE/root"; done
    done
  )
  ! lacks_libraries || explain "rustc-web lacks libraries: $(LD_LIBRARY_PATH=$LIBRARIES ldd "$USR/bin/rustc" | grep 'not found')"
fi
cat >"$CACHE/bin/rustc" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH=$LIBRARIES\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec $USR/bin/rustc "\$@"
WRAPPER
chmod +x "$CACHE/bin/rustc"

# 2. A linker: rust-lld of the toolchain at hand, else Debian's wasm-ld.
TRIPLE=$("$CACHE/bin/rustc" -vV | awk '/^host:/{print $2}')
BIN=$USR/lib/rustlib/$TRIPLE/bin
mkdir -p "$BIN"
LLD=$(env -u RUSTC rustc --print sysroot 2>/dev/null || true)/lib/rustlib/$TRIPLE/bin/rust-lld
WASM_LD=$(command -v wasm-ld || find /usr/bin -name 'wasm-ld-*' | sort -V | tail -1)
if [ -x "$LLD" ]; then
  ln -sf "$LLD" "$BIN/rust-lld"
elif [ -n "$WASM_LD" ]; then
  printf '#!/bin/sh\n[ "$1" = -flavor ] && shift 2\nexec %s "$@"\n' "$WASM_LD" >"$BIN/rust-lld"
  chmod +x "$BIN/rust-lld"
else
  explain "there is no linker for WebAssembly: apt-get install lld"
fi

# 3. The target's standard library, built once from the packaged sources. Paths that could land in a panic message
# are mapped, so that it does not depend on where the cache is.
say "building the standard library (about a minute)"
BUILD=$CACHE/stdbuild
rm -rf "$BUILD"
mkdir -p "$BUILD/src"
cat >"$BUILD/Cargo.toml" <<MANIFEST
[package]
name = "mkstd"
version = "0.0.0"
edition = "2021"
[workspace]
[profile.release]
opt-level = 3
codegen-units = 1
debug = 0
panic = "abort"
MANIFEST
echo >"$BUILD/src/lib.rs"
SOURCES=$USR/lib/rustlib/src/rust
COMMIT=$("$CACHE/bin/rustc" -vV | awk '/^commit-hash/{print $2}')
CRATES=${CARGO_HOME:-$HOME/.cargo}/registry/src
FLAGS="-Cembed-bitcode=yes --remap-path-prefix=$SOURCES=/rustc/$COMMIT --remap-path-prefix=$(realpath "$SOURCES")=/rustc/$COMMIT"
FLAGS="$FLAGS --remap-path-prefix=$CRATES=/cargo --remap-path-prefix=$BUILD=/mkstd"
(
  cd "$BUILD"
  env -u CARGO_BUILD_RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u CARGO_TARGET_DIR \
    RUSTC_BOOTSTRAP=1 RUSTC="$CACHE/bin/rustc" RUSTFLAGS="$FLAGS" \
    cargo build -q -j "$JOBS" --release --target "$TARGET" -Zbuild-std=std,panic_abort --target-dir "$BUILD/target" >&2
)
LIBDIR=$USR/lib/rustlib/$TARGET/lib
mkdir -p "$LIBDIR"
cp "$BUILD/target/$TARGET/release/deps/"*.rlib "$LIBDIR/"
rm -f "$LIBDIR"/libmkstd-*
rm -rf "$BUILD" "$CACHE/debs" "$USR/src" "$USR/lib/rustlib/src"

# 4. The proof: a program with the standard library compiles and links.
PROOF=$(mktemp -d)
trap 'rm -rf "$PROOF"' EXIT
printf '#[unsafe(no_mangle)] pub extern "C" fn f(x: u32) -> usize { std::format!("{x}").len() }\n' >"$PROOF/proof.rs"
"$CACHE/bin/rustc" --edition 2024 --crate-type cdylib --target "$TARGET" -O -Clto -o "$PROOF/proof.wasm" "$PROOF/proof.rs" ||
  explain "what was laid out in $CACHE does not link"
echo "layout $LAYOUT" >"$CACHE/.done"
say "$("$CACHE/bin/rustc" --version), $(du -sh "$CACHE" | cut -f1) in $CACHE"
echo "$CACHE/bin/rustc"
