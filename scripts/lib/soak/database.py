"""Reads the database directly, and stops and starts PostgreSQL."""

import fcntl
import json
import os
import shlex
import sqlite3
import struct
import subprocess
import time
import uuid

from .setting import SCRATCH

NAME = "drift_soak"


class Postgres:
    """A database of the PostgreSQL server that scripts/soak has started; servers reach it through `url`."""

    def __init__(self, pooled):
        direct = os.environ["DIRECT"]
        self.psql, self.direct = os.environ["PSQL"], f"{direct}/{NAME}"
        self.url = f"{os.environ['POOLED']}/{NAME}" if pooled else self.direct
        subprocess.run([self.psql, "-XAtq", "-d", f"{direct}/postgres", "-c", f"CREATE DATABASE {NAME}"], check=True,
                       timeout=60)

    def text(self, query):
        done = subprocess.run([self.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.direct, "-c", query],
                              capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise OSError(f"psql: {done.stderr.strip()[:400]}")
        return done.stdout

    def rows(self, query):
        """Runs a query and returns the rows as dictionaries."""
        return json.loads(self.text(f"SELECT coalesce(json_agg(t), '[]') FROM ({query}) t"))

    @staticmethod
    def seconds(column):
        return f"extract(epoch FROM {column})"

    @staticmethod
    def same(uuid_column, text):
        return f"{uuid_column} = ({text})::uuid"

    def answers(self):
        try:
            return self.text("SELECT 1").strip() == "1"
        except (OSError, subprocess.TimeoutExpired):
            return False

    @staticmethod
    def control(*arguments):
        """Runs pg_ctl."""
        subprocess.run([*shlex.split(os.environ["PG_CONTROL"]), *arguments], check=True, timeout=120,
                       cwd=os.environ["PG_FOLDER"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def start(self):
        self.control("start", "-w", "-t", "100", "-s", "-l", os.environ["PG_FOLDER"] + "/log")
        while not self.answers():
            time.sleep(0.1)

    def writing(self):
        """The number of transactions that have written something and are not committed."""
        return int(self.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                             "AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"))

    def broken(self):
        return []


class Sqlite:
    """A database file."""

    def __init__(self):
        self.path = f"{SCRATCH}/soak.db"
        self.url = f"sqlite://{self.path}?mode=rwc"

    def rows(self, query):
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=60)
        try:
            found = connection.execute(query)
            names = [column[0] for column in found.description]
            return [dict(zip(names, map(readable, names, row))) for row in found]
        finally:
            connection.close()

    @staticmethod
    def seconds(column):
        return f"((julianday({column}) - 2440587.5) * 86400.0)"

    @staticmethod
    def same(uuid_column, text):
        return f"hex({uuid_column}) = upper(replace({text}, '-', ''))"

    def writing(self):
        """Whether a process has a writing transaction: it holds the lock of writers, byte 120 of the -shm file."""
        shape = "hhqqi4x"
        with open(self.path + "-shm", "rb+") as file:
            asked = struct.pack(shape, fcntl.F_WRLCK, os.SEEK_SET, 120, 1, 0)
            kind = struct.unpack(shape, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0]
        return int(kind != fcntl.F_UNLCK)

    def broken(self):
        """Returns what the integrity check of SQLite reports, if anything."""
        return [row["integrity_check"] for row in self.rows("PRAGMA integrity_check")
                if row["integrity_check"] != "ok"]


JSON_COLUMNS = {"data", "spec", "attrs", "tags", "definition", "counts", "not_compared"}


def readable(name, value):
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value))
    if name in JSON_COLUMNS and isinstance(value, str):
        return json.loads(value)
    return value
