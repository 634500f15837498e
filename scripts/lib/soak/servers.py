"""Starts, kills and watches the servers."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time

from .setting import BINARY, SCRATCH, stopped, thread

SECRET = "the secret of the soak on loopback only"
SYNC_EVERY, SWEEP_EVERY = 4, 3


class Settings:
    """The environment of servers and commands on one database."""

    def __init__(self, url, sources):
        self.common = {"DATABASE_URL": url, "DRIFT_JWT_SECRET": SECRET, "DRIFT_SOURCES": sources, "RUST_LOG": "warn",
                       "PATH": "/usr/bin:/bin"}

    def server(self, schedules=True, **more):
        return {**self.common, "DRIFT_SYNC_CRON": f"*/{SYNC_EVERY} * * * * *" if schedules else "off",
                "DRIFT_DETECT_CRON": f"*/{SWEEP_EVERY} * * * * *" if schedules else "off", **more}

    def command(self, *arguments, stdin=None, timeout=300):
        return subprocess.run([BINARY, *arguments], env=self.common, capture_output=True, text=True, timeout=timeout,
                              cwd=SCRATCH, input=stdin, check=False)

    def must(self, *arguments, stdin=None):
        done = self.command(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise OSError(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def token(self, email):
        return self.must("token", "--role", "platform_admin", "--ttl", "12h", "--email", email)


class Server:
    """A server process, which is killed and started again on the same port."""

    def __init__(self, name, environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.name, self.log, self.life = name, f"{SCRATCH}/server-{name}.log", 0
        self.environment = {**environment, "DRIFT_LISTEN": f"127.0.0.1:{self.port}"}
        self.process = None

    def launch(self):
        self.life += 1
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=SCRATCH)

    def listens(self):
        """Waits until the server answers. Returns false if its process ends first."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if health(self.port, "/healthz", 5)[0] == 200:
                return True
            time.sleep(0.05)
        raise OSError(f"the server {self.name} did not listen within 120 seconds")

    def start(self):
        self.launch()
        if not self.listens():
            raise OSError(f"the server {self.name} ended at once: {open(self.log).read()[-2000:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends the server as an operator does. Returns its exit code, None if it did not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def memory(self):
        """Resident memory in MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return None


def health(port, path, timeout):
    """Returns the status and the body of a GET; the status is None if there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return None, repr(error)
    finally:
        connection.close()


class Watch:
    """Asks each server for its health and its memory once a second or so."""

    def __init__(self, servers, trouble):
        self.seen, self.memory = [], []
        self.threads = [thread(self.health, server, trouble=trouble) for server in servers]
        self.threads.append(thread(self.sizes, servers, trouble=trouble))

    def health(self, server):
        while not stopped.wait(1):
            for path in ("/healthz", "/readyz"):
                begun = time.time()
                status, body = health(server.port, path, 20)
                self.seen.append((path, server.name, begun, time.time(), status, body))

    def sizes(self, servers):
        while not stopped.wait(2):
            for server in servers:
                try:
                    size = server.memory()
                except (OSError, AttributeError):
                    continue
                if size:
                    self.memory.append((server.name, server.life, time.time(), size))


def kill_servers(servers, every, spared, outages, trouble):
    """Kills a server every few seconds, and starts it again a moment later. `spared` says which one stays."""
    while not stopped.wait(every):
        server = random.choice([server for server in servers if server.name != spared()])
        span = outages.begin("server killed", server.name, grace=0.5)
        server.kill()
        trouble.count("servers killed")
        stopped.wait(random.uniform(0.2, 2))
        while True:
            server.launch()
            if server.listens():
                break
            # A server that cannot reach the database ends; its supervisor starts it again.
            trouble.count("servers that ended at start")
            if not any(span["to"] is None or span["to"] > time.time() - 30 for span in outages.of_database()):
                trouble.breach(f"a server ended at start: {open(server.log).read()[-600:]}")
            time.sleep(1)
        outages.end(span)


def restart_database(database, plan, outages, trouble):
    """Stops and starts PostgreSQL as planned: (seconds from now, mode, seconds of the pause)."""
    begun = time.monotonic()
    for at, mode, pause in plan:
        if stopped.wait(max(0, begun + at - time.monotonic())):
            return
        span = outages.begin(f"database: {mode}" + (f", {pause} s" if pause else ""))
        database.control("stop", "-m", mode, "-w", "-t", "100", "-s")
        time.sleep(pause)
        database.start()
        outages.end(span)
        trouble.count("restarts of the database")


def cut_connections(database, every, outages, trouble):
    """Ends one connection of PgBouncer to PostgreSQL now and then."""
    while not stopped.wait(every):
        span = outages.begin("connection cut", grace=0.5)
        try:
            database.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                          "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1")
            trouble.count("connections of PgBouncer cut")
        except OSError:
            pass  # The database is down.
        outages.end(span)


def check_logs(servers):
    """Returns breaches, and the most frequent errors."""
    breaches, errors = [], {}
    for server in servers:
        with open(server.log, encoding="utf-8", errors="replace") as log:
            for line in log:
                if "panicked" in line or "prepared statement" in line:
                    breaches.append(line.strip())
                if " ERROR " in line:
                    text = line.split(" ERROR ", 1)[1].strip()[:140]
                    errors[text] = errors.get(text, 0) + 1
    return breaches, sorted(errors.items(), key=lambda found: -found[1])


def write(path, content):
    """Replaces a file in one step."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
    os.replace(path + ".new", path)
