# shellcheck shell=bash
# Installs Debian packages that the tests need. Source this file, then:
#
#   apt_install PACKAGE...    installs them without prompts, or prints why it cannot

apt_fail() {
  printf 'apt.sh: %s\n' "$*" >&2
  return 1
}

# as_root COMMAND...: runs the command as root, or prints why it cannot.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null 2>&1; then
    apt_fail "this needs root, and there is no sudo: $*"
  elif [ -t 0 ] && [ -z "${CI:-}" ]; then
    sudo "$@"
  else
    sudo -n "$@" || apt_fail "this needs root, and sudo refused or failed: $*"
  fi
}

apt_install() {
  command -v apt-get >/dev/null 2>&1 || { apt_fail "no apt-get here: please install by hand: $*"; return 1; }
  as_root apt-get update -q </dev/null || apt_fail 'apt-get update failed; going on with the package lists there are' || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null
}
