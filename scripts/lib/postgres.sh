# shellcheck shell=bash disable=SC2034
# A temporary PostgreSQL server for tests. Source this file, then:
#
#   pg_find     finds the server's programs, installing them when there are none; sets PG_PROGRAMS
#   pg_start    starts a server in a temporary folder; sets PG_URL. With the argument `durable`, a commit is on the disk
#               before it is confirmed, so that nothing is lost if the server is killed, and each has its time
#   pg_stop     stops the server and deletes the folder; may be called at any time and repeatedly
#
# The caller calls pg_stop from its EXIT trap. Settings read: PG_BIN, the folder of initdb and postgres.

# shellcheck source=scripts/lib/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

PG_PROGRAMS=''
PG_URL=''
PG_FOLDER=''
PG_AS=()

pg_fail() {
  printf 'postgres.sh: %s\n' "$*" >&2
  return 1
}

# Prints the first folder that has initdb, postgres and pg_ctl.
pg_look() {
  local folder program
  if [ -n "${PG_BIN:-}" ]; then
    if [ -x "$PG_BIN/initdb" ] && [ -x "$PG_BIN/postgres" ] && [ -x "$PG_BIN/pg_ctl" ]; then
      printf '%s\n' "$PG_BIN"
      return 0
    fi
    pg_fail "PG_BIN=$PG_BIN does not hold initdb, postgres and pg_ctl"
    return 2
  fi
  # PATH first, then Debian's folders, newest version first.
  while IFS= read -r folder; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/pg_ctl" ]; then
      program=$(readlink -f "$folder/initdb")
      if "$program" --version 2>/dev/null | grep -q 'PostgreSQL'; then
        dirname "$program"
        return 0
      fi
    fi
  done < <(printf '%s\n' "$PATH" | tr ':' '\n'; printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
  return 1
}

# Debian's package creates and starts a cluster when it is installed. The drop-in, which exists only during the
# installation of the package, disables that.
pg_install() {
  local drop_in=/etc/postgresql-common/createcluster.d/drift-inbox-test.conf installed=0
  if command -v apt-get >/dev/null 2>&1; then
    as_root mkdir -p "${drop_in%/*}" || return 1
    echo 'create_main_cluster = false' | as_root tee "$drop_in" >/dev/null || return 1
  fi
  apt_install postgresql || installed=$?
  [ ! -e "$drop_in" ] || as_root rm -f "$drop_in"
  return "$installed"
}

pg_find() {
  local found=0
  PG_PROGRAMS=$(pg_look) || found=$?
  [ "$found" != 0 ] || return 0
  [ "$found" != 2 ] || return 1

  echo 'PostgreSQL is not installed here; installing it with apt-get'
  pg_install || { pg_fail 'no PostgreSQL: install it, or set PG_BIN or TEST_DATABASE_URL'; return 1; }
  PG_PROGRAMS=$(pg_look) || pg_fail 'PostgreSQL was installed, but its initdb is nowhere to be found'
}

# pg_run COMMAND...: runs the command in the server's folder, as the account that owns the server.
pg_run() {
  (cd "$PG_FOLDER" && exec env HOME="$PG_FOLDER" LC_ALL=C ${PG_AS[@]+"${PG_AS[@]}"} "$@")
}

# Prints a free port. Another process may take it before the server does: pg_start then tries another one.
pg_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return 0
    fi
  done
}

pg_start() {
  local durable=${1:-}
  [ -n "$PG_PROGRAMS" ] || pg_find || return 1
  # Variables that libpq would otherwise read from the caller's environment.
  unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGSERVICE PGOPTIONS PGDATA \
    PGSSLMODE PGSSLROOTCERT PGSSLCERT PGSSLKEY PGAPPNAME

  # Always in /tmp, regardless of TMPDIR: the server's account must have access, and the path of a socket must be
  # short.
  PG_FOLDER=$(mktemp -d /tmp/drift-inbox-pg.XXXXXX) || return 1
  PG_AS=()
  if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root.
    local account=postgres
    id "$account" >/dev/null 2>&1 || account=nobody
    chown "$account" "$PG_FOLDER" || return 1
    PG_AS=(setpriv "--reuid=$(id -u "$account")" "--regid=$(id -g "$account")" --clear-groups)
    pg_run test -x "$PG_PROGRAMS/initdb" || { pg_fail "the account $account cannot run $PG_PROGRAMS/initdb"; return 1; }
  fi

  local data=$PG_FOLDER/data log=$PG_FOLDER/log locale made=no
  for locale in C.UTF-8 C; do
    if pg_run "$PG_PROGRAMS/initdb" -D "$data" -U postgres -A trust -E UTF8 "--locale=$locale" --no-sync \
      >"$PG_FOLDER/initdb.log" 2>&1 </dev/null; then
      made=yes
      break
    fi
  done
  [ "$made" = yes ] || { cat "$PG_FOLDER/initdb.log" >&2; pg_fail 'initdb failed'; return 1; }

  local port try
  for try in 1 2 3 4 5; do
    port=$(pg_port)
    cat >"$data/postgresql.auto.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$PG_FOLDER'
max_connections = 200
shared_buffers = 64MB
CONF
    # No durability, and therefore fast: the data is deleted after the run.
    if [ "$durable" = durable ]; then
      echo 'track_commit_timestamp = on' >>"$data/postgresql.auto.conf"
    else
      printf '%s = off\n' fsync synchronous_commit full_page_writes >>"$data/postgresql.auto.conf"
    fi
    # pg_ctl starts the server in a separate session, so that a Ctrl-C for the caller does not stop it.
    if pg_run "$PG_PROGRAMS/pg_ctl" start -D "$data" -w -t 60 -s -l "$log" >/dev/null 2>&1 </dev/null; then
      PG_URL="postgres://postgres@127.0.0.1:$port/postgres"
      return 0
    fi
    grep -q 'Address already in use' "$log" 2>/dev/null || break
  done
  cat "$log" >&2 || true
  pg_fail "PostgreSQL did not start (attempt $try)"
}

pg_stop() {
  [ -n "$PG_FOLDER" ] || return 0
  local folder=$PG_FOLDER
  if [ -e "$folder/data/postmaster.pid" ]; then
    pg_run "$PG_PROGRAMS/pg_ctl" stop -D "$folder/data" -m immediate -w -t 20 -s >/dev/null 2>&1 </dev/null ||
      [ ! -e "$folder/data/postmaster.pid" ] || pg_fail "could not stop the server in $folder/data" || true
  fi
  PG_FOLDER=''
  PG_URL=''
  rm -rf -- "$folder"
}
