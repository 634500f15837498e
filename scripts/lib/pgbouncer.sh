# shellcheck shell=bash disable=SC2034
# PgBouncer, a connection pooler, for tests. Source this file after postgres.sh, then:
#
#   bouncer_find             finds the program, installing it when there is none; sets PGBOUNCER
#   bouncer_start URL SIZE   starts it in transaction mode before the PostgreSQL server of URL, with SIZE connections;
#                            sets BOUNCER_URL
#   bouncer_stop             stops it and deletes its folder; may be called at any time and repeatedly
#
# The caller calls bouncer_stop from its EXIT trap. Setting read: PGBOUNCER, the program.

BOUNCER_URL=''
BOUNCER_FOLDER=''
BOUNCER_PID=''

bouncer_find() {
  [ -z "${PGBOUNCER:-}" ] || return 0
  # Debian installs it outside the path of users.
  PGBOUNCER=$(PATH="$PATH:/usr/sbin" command -v pgbouncer) || {
    echo 'PgBouncer is not installed here; installing it with apt-get'
    bouncer_install || { pg_fail 'no PgBouncer: install it, or set PGBOUNCER'; return 1; }
    PGBOUNCER=$(PATH="$PATH:/usr/sbin" command -v pgbouncer)
  }
  export PGBOUNCER
}

# Debian's package starts a service when it is installed. The policy, which exists only during the installation of the
# package, forbids that.
bouncer_install() {
  local policy=/usr/sbin/policy-rc.d installed=0 ours=no
  if command -v apt-get >/dev/null 2>&1 && [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null || return 1
    as_root chmod 755 "$policy" || return 1
  fi
  apt_install pgbouncer || installed=$?
  [ "$ours" = no ] || as_root rm -f "$policy"
  return "$installed"
}

bouncer_start() {
  local url=$1 size=$2 port try as=()
  [ -n "${PGBOUNCER:-}" ] || bouncer_find || return 1
  BOUNCER_FOLDER=$(mktemp -d /tmp/drift-inbox-pgbouncer.XXXXXX) || return 1
  # It refuses to run as root.
  [ "$(id -u)" != 0 ] || as=(-u nobody)
  local server=${url##*:}
  for try in 1 2 3 4 5; do
    port=$(pg_port)
    cat >"$BOUNCER_FOLDER/pgbouncer.ini" <<CONF
[databases]
* = host=127.0.0.1 port=${server%%/*} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = $size
server_login_retry = 1
CONF
    "$PGBOUNCER" "${as[@]}" "$BOUNCER_FOLDER/pgbouncer.ini" </dev/null >/dev/null 2>"$BOUNCER_FOLDER/log" &
    BOUNCER_PID=$!
    for _ in $(seq 50); do
      kill -0 "$BOUNCER_PID" 2>/dev/null || break
      if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        BOUNCER_URL="postgres://anyone@127.0.0.1:$port"
        return 0
      fi
      sleep 0.1
    done
  done
  cat "$BOUNCER_FOLDER/log" >&2 || true
  pg_fail "PgBouncer did not start (attempt $try)"
}

bouncer_stop() {
  if [ -n "$BOUNCER_PID" ]; then
    kill -KILL "$BOUNCER_PID" 2>/dev/null || true
    wait "$BOUNCER_PID" 2>/dev/null || true
    BOUNCER_PID=''
  fi
  [ -z "$BOUNCER_FOLDER" ] || rm -rf -- "$BOUNCER_FOLDER"
  BOUNCER_FOLDER=''
}
