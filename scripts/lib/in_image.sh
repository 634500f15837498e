#!/usr/bin/env bash
# Runs in namespaces of its own, as root there: starts the program in the files of the image as a container would be
# started: read-only, user 65532, nothing of this machine, an own network. Prints what it found as NAME=VALUE.
#
#   unshare --mount --net --pid --fork --kill-child scripts/lib/in_image.sh FILES
set -euo pipefail
files=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(mktemp -d)
# By its path: env looks for it without PATH.
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)
mount --make-rprivate /
mount --bind "$files" "$root"
mkdir -p "$root/proc" "$root/dev"
mount -t proc proc "$root/proc"
# Each engine gives a container these devices.
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
mknod -m 0666 "$root/dev/null" c 1 3
mknod -m 0666 "$root/dev/random" c 1 8
mknod -m 0666 "$root/dev/urandom" c 1 9
mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
mount -t tmpfs -o mode=0700,uid=65532,gid=65532 tmpfs "$root/data"
mkdir "$root/data/etc"
printf 'nameserver 127.0.0.1\n' >"$root/data/etc/resolv.conf"
printf '127.0.0.1 localhost\n127.0.0.1 in-hosts.test\n' >"$root/data/etc/hosts"
# Engines write these two files into each container. Here they are beside the image's own files in a second layer.
mount -t tmpfs -o mode=0755 tmpfs "$root/etc"
cp -r "$files/etc/." "$root/etc/"
mv "$root/data/etc/resolv.conf" "$root/data/etc/hosts" "$root/etc/"
rmdir "$root/data/etc"
mount -o remount,bind,ro "$root"
ip link set lo up
listening=$(mktemp)
python3 "$here/name_server.py" >"$listening" &
until [ -s "$listening" ]; do sleep 0.1; done

# become COMMAND...: becomes the program in the image, with the settings of the image.
become() {
  exec env -i DRIFT_LISTEN=0.0.0.0:8080 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt TMPDIR=/var/tmp \
    DRIFT_JWT_SECRET=the-secret-of-a-trial-of-the-image ${settings[@]+"${settings[@]}"} \
    "$chroot" --userspec=65532:65532 --groups=65532 "$root" /usr/bin/drift-inbox "$@"
}

# inside COMMAND...: runs the program in the image.
inside() { (become "$@"); }

settings=()
# Names: the database is not there, so the error says whether its name was found.
for name in in-hosts.test by-dns.test; do
  settings=("DATABASE_URL=postgres://drift@$name:5999/drift")
  printf 'name_%s=%s\n' "$name" "$(inside migrate 2>&1 | tail -n 1 || true)"
done

# chroot ends in the root folder, and not in the working folder of the image.
settings=('DATABASE_URL=sqlite:///data/drift-inbox.db?mode=rwc' RUST_LOG=warn)
before=$(date +%s%N)
become serve >"$root/var/tmp/out" 2>"$root/var/tmp/err" &
server=$!
until inside healthcheck --ready >/dev/null 2>&1; do
  kill -0 "$server" 2>/dev/null || { printf 'log=%s\n' "$(tr '\n' ' ' <"$root/var/tmp/err")"; exit 1; }
  sleep 0.02
done
printf 'ready_ms=%s\n' $((($(date +%s%N) - before) / 1000000))
printf 'healthcheck=%s\n' "$(inside healthcheck)"
sleep 3
printf 'memory_kib=%s\n' "$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "$root/proc/$server/status")"
printf 'user=%s\n' "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$root/proc/$server/status")"
before=$(date +%s%N)
kill -TERM "$server"
code=0
wait "$server" || code=$?
printf 'stop_ms=%s\nstop_code=%s\n' $((($(date +%s%N) - before) / 1000000)) "$code"
# A second start on the same database, as after an upgrade.
settings=('DATABASE_URL=sqlite:///data/drift-inbox.db?mode=rwc' RUST_LOG=warn)
before=$(date +%s%N)
become serve >"$root/var/tmp/out" 2>"$root/var/tmp/err" &
server=$!
until inside healthcheck --ready >/dev/null 2>&1; do
  kill -0 "$server" 2>/dev/null || exit 1
  sleep 0.02
done
printf 'restart_ms=%s\n' $((($(date +%s%N) - before) / 1000000))
kill -KILL "$server"
wait "$server" 2>/dev/null || true
healthy=0
inside healthcheck >/dev/null 2>&1 || healthy=$?
printf 'healthcheck_without_server=%s\n' "$healthy"
