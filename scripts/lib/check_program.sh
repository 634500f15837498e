# shellcheck shell=bash
# The parts of scripts/check-packaging that need a built static program: the image, the Debian package, and the system
# calls of a running server.

check_program() {
  if LC_ALL=C readelf --program-headers "$1" | grep -q INTERP; then
    fail "$1 is not static: it needs a loader"
    return
  fi
  pass "the program is static, $(stat -c %s "$1") bytes"
  check_image "$1"
  check_system_calls "$1"
  check_deb
}

# builder: prints the options of Buildah that keep its files in the scratch folder, away from those of the user.
builder() { printf -- '--root %s --runroot %s --storage-driver vfs' "$scratch/containers" "$scratch/run"; }

check_image() {
  local program=$1 files=$scratch/image container
  scripts/image files "$files" "$program"
  if docker info >/dev/null 2>&1; then
    check 'the image is built by Docker' scripts/image build drift-inbox:check-packaging "$program"
    docker image inspect --format '{{json .Config}}' drift-inbox:check-packaging >"$scratch/config"
    check_config
    printf '    size of the image: %s bytes\n' "$(docker image inspect --format '{{.Size}}' drift-inbox:check-packaging)"
  elif has buildah; then
    check 'the image is built by Buildah' env "BUILDAH_OPTIONS=$(builder)" scripts/image build drift-inbox:check-packaging "$program"
    # shellcheck disable=SC2046
    {
      buildah $(builder) inspect --type image drift-inbox:check-packaging |
        python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["Docker"]["config"], separators=(",", ":")))' >"$scratch/config"
      check_config
      container=$(buildah $(builder) from --pull-never drift-inbox:check-packaging)
      # The files are those of the image from here on.
      rm -rf -- "$files/system"
      cp -a "$(buildah $(builder) mount "$container")/." "$files/system"
      buildah $(builder) umount "$container" >/dev/null
      buildah $(builder) push --quiet drift-inbox:check-packaging "docker-archive:$scratch/image.tar" >/dev/null 2>&1 || true
    }
    [ ! -s "$scratch/image.tar" ] ||
      printf '    size of the image: %s bytes, compressed %s\n' "$(stat -c %s "$scratch/image.tar")" "$(gzip -c "$scratch/image.tar" | wc -c)"
  else
    skip 'no Docker daemon and no Buildah: the files of the image are tried without an image'
    mv "$files/owned/data" "$files/system/data"
  fi
  check_running "$files/system"
}

# The settings of the image that operators rely on.
check_config() {
  local wanted
  for wanted in '"User":"65532:65532"' '"/data":{}' '"WorkingDir":"/data"' '"Healthcheck"' 'DRIFT_LISTEN=0.0.0.0:8080' '"8080/tcp":{}'; do
    grep -qF -- "$wanted" "$scratch/config" || { sed 's/^/    /' "$scratch/config"; fail "the image lacks $wanted"; return; }
  done
  pass 'the image has its user, volume, port and health check'
}

# check_running FILES: starts the program in the files of the image.
check_running() {
  local found=$scratch/found name
  [ "$(id -u)" = 0 ] && unshare --mount --net --pid --fork true 2>/dev/null ||
    { skip 'no right to make namespaces: the image was not started'; return; }
  unshare --mount --net --pid --fork --kill-child scripts/lib/in_image.sh "$1" >"$found" 2>"$scratch/errors" ||
    { sed 's/^/    /' "$found" "$scratch/errors"; fail 'the server runs in the files of the image'; return; }
  sed 's/^/    /' "$found"
  for name in 'user=65532' 'healthcheck={"status":"ok"}' 'stop_code=0' 'healthcheck_without_server=1'; do
    grep -qxF "$name" "$found" || { fail "in the image: $name was expected"; return; }
  done
  pass 'the server runs in the image: read-only, user 65532, healthy, and ends by itself'
  for name in in-hosts.test by-dns.test; do
    grep -q "^name_$name=.*refused" "$found" || { fail "the static program did not find the address of $name"; return; }
  done
  pass 'the static program finds names in /etc/hosts and by DNS'
}

# allowed: prints the system calls that the unit allows, one a line.
allowed() {
  local set
  expanded() {
    systemd-analyze syscall-filter --no-pager "$1" | tail -n +2 | sed -e '/^ *#/d' -e 's/^ *//' -e '/^$/d' | while read -r set; do
      case $set in @*) expanded "$set" ;; *) printf '%s\n' "$set" ;; esac
    done
  }
  comm -23 <(expanded @system-service | sort -u) <({ expanded @privileged; expanded @resources; } | sort -u)
}

check_system_calls() {
  has strace || { skip 'strace is not installed'; return; }
  has systemd-analyze || return 0
  local folder=$scratch/calls address='' server refused as=()
  mkdir -p "$folder"
  # As another user than root, as the unit does: SQLite changes the owner of its files if it is root.
  if [ "$(id -u)" = 0 ]; then
    has setpriv || { skip 'setpriv is not installed: the system calls of a user other than root were not compared'; return; }
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown 65534:65534 "$folder"
    chmod 0711 "$scratch"
  fi
  install -m 0755 "$1" "$scratch/drift-inbox"
  (cd "$folder" && exec ${as[@]+"${as[@]}"} env -i DATABASE_URL='sqlite://calls.db?mode=rwc' DRIFT_JWT_SECRET=the-secret-of-a-trial-of-the-unit DRIFT_LISTEN=127.0.0.1:0 \
    strace -f -qq -o trace -- "$scratch/drift-inbox" serve >out 2>err) &
  server=$!
  stop+=("$server")
  for _ in $(seq 300); do
    address=$(sed -n 's#^listening on http://##p' "$folder/out" 2>/dev/null)
    [ -z "$address" ] || break
    sleep 0.1
  done
  [ -n "$address" ] || { fail 'the server did not start under strace'; return; }
  DRIFT_LISTEN=$address "$1" healthcheck --ready >/dev/null || { fail 'the server under strace is not ready'; return; }
  # The program is the child of strace.
  kill -TERM "$(pgrep -P "$(pgrep -P "$server" strace || echo "$server")" | head -n 1)" 2>/dev/null || true
  wait "$server" || true
  refused=$(comm -23 <(sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$folder/trace" | sort -u) <(allowed) | grep -vx execve | tr '\n' ' ' || true)
  if [ -z "$refused" ]; then
    pass 'the unit allows each system call of a server that starts, answers and stops'
  else
    fail "the unit would refuse these system calls: $refused"
  fi
}

check_deb() {
  local deb modes root=$scratch/debian
  deb=$(find dist/release -name "drift-inbox_*_$(dpkg --print-architecture 2>/dev/null || echo none).deb" 2>/dev/null | sort | tail -n 1)
  [ -n "$deb" ] || { skip 'no Debian package in dist/release: scripts/release makes it'; return; }
  modes=$(dpkg-deb --contents "$deb")
  if grep -qE '^-rwxr-xr-x (root/root|0/0) .* ./usr/bin/drift-inbox$' <<<"$modes" && grep -qE '^-rw-r----- (root/root|0/0) .* ./etc/drift-inbox/drift-inbox.env$' <<<"$modes" &&
    grep -qE ' ./(usr/)?lib/systemd/system/drift-inbox.service$' <<<"$modes"; then
    pass "the package has the program, the unit and the settings: $(stat -c %s "$deb") bytes"
  else
    sed 's/^/    /' <<<"$modes"
    fail 'the package lacks a file, or a mode is wrong'
  fi
  if has lintian; then
    check 'lintian finds no error in the package' lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$deb"
  else
    skip 'lintian is not installed'
  fi
  [ "$(id -u)" = 0 ] && has mmdebstrap || { skip 'mmdebstrap is not installed: the package was not installed'; return; }
  mmdebstrap --quiet --variant=essential --include=adduser,ca-certificates,passwd bookworm "$root" >"$scratch/output" 2>&1 ||
    { tail -n 3 "$scratch/output"; skip 'no Debian system could be made, so the package was not installed'; return; }
  cp "$deb" "$root/drift-inbox.deb"
  check 'the package is installed, installed again, removed and purged in a Debian system' chroot "$root" sh -ec '
    export DEBIAN_FRONTEND=noninteractive
    dpkg --install /drift-inbox.deb
    test "$(stat -c "%a %U" /etc/drift-inbox/jwt-secret)" = "600 root"
    test "$(stat -c "%a %U" /etc/drift-inbox/drift-inbox.env)" = "640 root"
    id drift-inbox
    drift-inbox --version
    DRIFT_JWT_SECRET_FILE=/etc/drift-inbox/jwt-secret drift-inbox token --role platform_viewer >/dev/null
    before=$(cat /etc/drift-inbox/jwt-secret)
    echo "# mine" >>/etc/drift-inbox/drift-inbox.env
    dpkg --install /drift-inbox.deb
    test "$before" = "$(cat /etc/drift-inbox/jwt-secret)"
    grep -q "^# mine" /etc/drift-inbox/drift-inbox.env
    dpkg --remove drift-inbox
    test -e /etc/drift-inbox/jwt-secret
    dpkg --purge drift-inbox
    test ! -e /etc/drift-inbox
  '
}
