# shellcheck shell=bash
# Builds the program as one static file that needs no library of the system. Source this file, then:
#
#   static_build TRIPLE    builds for x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu, and sets STATIC_PROGRAM
#
# Static by glibc and not by musl, because the tests run with glibc and because musl's allocator makes a program of
# several threads slow. glibc 2.34 and newer resolves names in a static program without further libraries: from
# /etc/hosts and by DNS, as long as /etc/nsswitch.conf asks for nothing else.
#
# CARGO_TARGET_DIR is the folder of the build. Paths of this machine are replaced in the program, so that the same
# commit gives the same bytes in any folder. With cargo-auditable, the program has the list of its dependencies.

static_fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  return 1
}

# static_needs TRIPLE: prints what is missing to build for a target, one thing a line.
static_needs() {
  local triple=$1 std
  std=$(rustc --print sysroot)/lib/rustlib/$triple/lib
  [ -d "$std" ] || printf 'the standard library: rustup target add %s\n' "$triple"
  if [ "$triple" != "$(rustc -vV | sed -n 's/^host: //p')" ]; then
    local compiler=${triple%%-*}-linux-gnu-gcc
    command -v "$compiler" >/dev/null 2>&1 ||
      printf 'the C compiler %s and a static C library (Debian: gcc-%s, libc6-dev-%s-cross)\n' \
        "$compiler" "$(printf %s "${triple%%-*}-linux-gnu" | tr _ -)" "$(debian_architecture "$triple")"
  fi
  [ -e web/graphiql/vendor/graphiql.min.js ] || printf 'the files of GraphiQL: scripts/graphiql\n'
}

# debian_architecture TRIPLE: prints Debian's name of the processor.
debian_architecture() {
  case $1 in
    x86_64-*) echo amd64 ;;
    aarch64-*) echo arm64 ;;
    *) static_fail "unknown target: $1" ;;
  esac
}

static_build() {
  local triple=$1 root target home missing flags command=(cargo build) upper under
  root=$PWD
  missing=$(static_needs "$triple")
  [ -z "$missing" ] || { static_fail "cannot build for $triple without:"$'\n'"$missing"; return 1; }
  target=${CARGO_TARGET_DIR:-$root/target}
  home=${CARGO_HOME:-$HOME/.cargo}
  if cargo auditable --version >/dev/null 2>&1; then
    command=(cargo auditable build)
  else
    printf '%s: without cargo-auditable, the program has no list of its dependencies\n' "$(basename "$0")" >&2
  fi
  under=${triple//-/_}
  upper=$(printf %s "$under" | tr '[:lower:]' '[:upper:]')
  flags=$(printf '%s\x1f' -C target-feature=+crt-static \
    "--remap-path-prefix=$target=/target" "--remap-path-prefix=$root=/src" "--remap-path-prefix=$home=/cargo")
  local settings=(
    "CARGO_TARGET_DIR=$target"
    "CARGO_ENCODED_RUSTFLAGS=${flags%$'\x1f'}"
    "CFLAGS_$under=-ffile-prefix-map=$target=/target -ffile-prefix-map=$root=/src -ffile-prefix-map=$home=/cargo"
    CARGO_INCREMENTAL=0
  )
  if [ "$triple" != "$(rustc -vV | sed -n 's/^host: //p')" ]; then
    settings+=("CARGO_TARGET_${upper}_LINKER=${triple%%-*}-linux-gnu-gcc")
  fi
  env -u RUSTFLAGS "${settings[@]}" "${command[@]}" --release --locked --bin drift-inbox --target "$triple"
  # The caller reads it.
  # shellcheck disable=SC2034
  STATIC_PROGRAM=$target/$triple/release/drift-inbox
}
