"""The soak: see scripts/soak, which starts the databases and sets the environment."""

import argparse
import os
import random
import signal
import sys
import time

from . import checks, delay, kills, runs
from .account import Account, lines
from .actions import WEIGHTS, User, act
from .client import Client, Requests
from .database import Postgres
from .servers import (SWEEP_EVERY, SYNC_EVERY, Server, Settings, Watch, check_logs, cut_connections, kill_servers,
                      restart_database, write)
from .setting import SCRATCH, Ledger, Outages, Report, Trouble, stopped, thread
from .streams import Subscriber

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")


class Soak:
    """Everything of one run."""

    def __init__(self, options):
        self.options, self.trouble, self.outages = options, Trouble(), Outages()
        self.requests, self.ledger, self.report = Requests(), Ledger(), Report()
        self.db = Postgres(pooled=True)
        self.account = Account(options.resources)
        self.settings = Settings(self.db.url, f"{SCRATCH}/sources.toml")
        limits = {"DRIFT_CONNECTION_TIMEOUT": "30s", "DRIFT_LOCK_TIMEOUT": "40s", "DRIFT_STATEMENT_TIMEOUT": "60s",
                  "DRIFT_REQUEST_TIMEOUT": "120s"} if options.busy else {}
        self.servers = [Server(str(number + 1), self.settings.server(**limits)) for number in range(options.servers)]
        self.subscribers, self.watch = [], None

    def client(self, email, requests=None):
        return Client(self.servers, self.settings.token(email), requests or self.requests)

    def prepare(self):
        """The first listing, plan and state, and a spec for everything that has none."""
        self.settings.must("migrate")
        self.settings.must("sync")
        self.settings.must("sync", "--source", "lab", "--from", "-", stdin=lines())
        for server in self.servers:
            server.start()
        client = self.client("start@soak.example", Requests())
        first = User(client, self.account, Ledger(), self.trouble)
        first.send_state()
        while True:
            answer = client.graphql("baseline", "mutation { recordBaseline(input: { filter: {} }) { more } }")
            if answer.code != "OK":
                raise OSError(f"baseline: {answer.body}")
            if not answer.body["recordBaseline"]["more"]:
                break
        first.send_plan()
        for one in client.requests.seen:
            if one.code != "OK":
                raise OSError(f"the preparation failed: {one}")

    def spared(self):
        """The server that is not killed: none in the first half, so that one lives long in the second."""
        return self.servers[0].name if time.time() > self.first + self.options.seconds / 2 else None

    def run(self):
        options = self.options
        self.prepare()
        self.first = time.time()
        jobs = [thread(self.account.keep_changing, self.trouble, trouble=self.trouble),
                thread(kill_servers, self.servers, options.kill_every, self.spared, self.outages, self.trouble,
                       trouble=self.trouble),
                thread(cut_connections, self.db, 3 * options.kill_every, self.outages, self.trouble,
                       trouble=self.trouble),
                thread(restart_database, self.db, [(options.seconds * 0.2, "fast", 0),
                                                   (options.seconds * 0.45, "immediate", 0),
                                                   (options.seconds * 0.7, "fast", 20)],
                       self.outages, self.trouble, trouble=self.trouble),
                thread(self.commands, trouble=self.trouble)]
        self.watch = Watch(self.servers, self.trouble)
        for number in range(options.clients):
            user = User(self.client(f"user-{number}@soak.example"), self.account, self.ledger, self.trouble)
            jobs.append(thread(act, user, WEIGHTS, stopped, options.pause, trouble=self.trouble))
        for kind in ("SSE", "WebSocket", "SSE"):
            subscriber = Subscriber(self.client("watch@soak.example"), self.servers, kind, self.trouble, self.outages,
                                    patience=150)
            self.subscribers.append(subscriber)
            jobs.append(thread(subscriber.follow, trouble=self.trouble))
        self.wait(jobs + self.watch.threads)

    def wait(self, jobs):
        """Runs for the time of the options, and ends everything."""
        end = self.first + self.options.seconds
        while time.time() < end:
            time.sleep(min(60, max(0, end - time.time())))
            print(f"{time.time() - self.first:6.0f} s: {len(self.requests.seen)} requests, "
                  f"{len(self.ledger.rows)} decisions, {self.trouble.counts['servers killed']} kills, "
                  f"{len(self.trouble.breaches)} breaches", flush=True)
        self.last = time.time()
        stopped.set()
        for job in jobs:
            job.join(120)
        for server in self.servers:
            if server.process.poll() is None and server.stop() != 0:
                self.trouble.breach(f"the server {server.name} did not end with 0 after SIGTERM")

    def commands(self):
        """Imports a state, and the lines of a cloud, with the commands now and then."""
        while not stopped.wait(30):
            begun = time.time()
            serial, state = self.account.state()
            path = f"{SCRATCH}/state.json"
            write(path, state)
            done = [self.settings.command("import-terraform", "--take-over", path),
                    self.settings.command("sync", "--source", "lab", "--from", "-", stdin=lines())]
            self.trouble.count("commands", len(done))
            for ended in done:
                known = self.outages.around(begun, time.time(), "no server")
                text = f"{ended.stdout}{ended.stderr}".strip()
                others = "another run of this job", "was already imported", "is being imported"
                if ended.returncode != 0 and not known and not any(word in text for word in others):
                    self.trouble.breach(f"a command ended with {ended.returncode}: {text[-400:]}")
            if done[0].returncode == 0:
                self.ledger.add("state", str(serial), "confirmed")

    def settle(self):
        """A last listing of everything and a sweep. A sweep after it finds nothing."""
        self.account.show_all()
        end = time.monotonic() + 90
        # The runs of killed servers are abandoned after 30 seconds.
        done = self.settings.command("sync")
        while done.returncode != 0 and "another run of this job" in done.stderr and time.monotonic() < end:
            time.sleep(2)
            done = self.settings.command("sync")
        breaches = [] if done.returncode == 0 else [f"sync: {done.stdout}{done.stderr}"]
        self.settings.command("detect")
        again = self.settings.command("detect")
        if again.returncode != 0 or "0 drifts opened, 0 changed, 0 closed" not in again.stdout:
            breaches.append(f"detect: {again.stdout[:400]}{again.stderr}")
        self.report.check("a second sweep finds nothing", again.stdout.split("\n")[0], breaches)

    def check(self):
        db, report, rows = self.db, self.report, self.ledger.rows
        breaches, errors = check_logs(self.servers)
        report.check("no panic in the logs", f"{sum(number for _, number in errors)} lines with ERROR", breaches)
        counts = self.trouble.counts
        report.check("while it ran", f"{counts['servers killed']} kills, {counts['restarts of the database']} restarts "
                     "of the database", self.trouble.breaches)
        table = runs.check_requests(self.requests.seen, self.outages, FOLDER, report)
        runs.check_load(self.requests.seen, self.options.seconds, report)
        runs.check_health(self.watch, self.outages, report, self.options.busy)
        runs.check_memory(self.watch, report)
        runs.check_ticks(db, "sync_inventory", SYNC_EVERY, self.first, self.last, self.outages, report)
        runs.check_ticks(db, "detect_drift", SWEEP_EVERY, self.first, self.last, self.outages, report)
        runs.check_streams(db, self.subscribers, self.outages, report)
        check_database(db, rows, report)
        final = Server("final", self.settings.server(schedules=False))
        final.start()
        checks.check_totals(db, self.client("end@soak.example", Requests()), final, report)
        final.stop()
        return table, errors


def check_database(db, rows, report):
    checks.check_decisions(db, rows, report)
    checks.check_accepts(db, rows, report)
    checks.check_specs(db, report)
    checks.check_history(db, report)
    checks.check_open(db, report)
    checks.check_events(db, report)
    checks.check_bulks(db, report)
    checks.check_states(db, rows, report)
    checks.check_inbox(db, report)


def soak(options):
    run = Soak(options)
    try:
        run.run()
    finally:
        stopped.set()
        for server in run.servers:
            if server.process and server.process.poll() is None:
                server.kill()
    run.settle()
    table, errors = run.check()
    print("Outages of the database (seconds from the beginning):")
    for span in run.outages.of_database():
        if span["what"] != "connection cut":
            print(f"  {span['from'] - run.first:7.1f} to {span['to'] - run.first:7.1f}  {span['what']}")
    print("Load:")
    for what in sorted(run.trouble.counts):
        print(f"  {what}: {run.trouble.counts[what]}")
    for (kind, state), number in sorted(run.ledger.counts().items()):
        print(f"  decisions: {kind}, {state}: {number}")
    print("Requests without success, by code and by what was down:")
    for (code, window), number in sorted(table.items()):
        print(f"  {number:6}  {code}: {window}")
    print("Latency of successful requests:")
    print("\n".join(runs.latencies(run.requests.seen)))
    print("Memory of the server that lived longest, each minute in MiB: " + " ".join(runs.curve(run.watch)))
    for text, number in errors[:8]:
        print(f"  log, {number} times: {text}")
    return run.report


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Runs servers under load and faults, and checks "
                                     "that nothing is lost, done twice or half-written.")
    parser.add_argument("--seconds", type=int, default=1200, help="length of the load, default 1200")
    parser.add_argument("--servers", type=int, default=3, help="number of servers, default 3")
    parser.add_argument("--clients", type=int, default=6, help="number of concurrent users, default 6")
    parser.add_argument("--pause", type=float, default=0.05, help="mean pause of a user between two requests in "
                        "seconds, default 0.05")
    parser.add_argument("--busy", action="store_true", help="the machine has other work: longer time limits of the "
                        "servers, and no check of /readyz, which gives up after 2 s")
    parser.add_argument("--resources", type=int, default=300, help="size of the inventory file, default 300")
    parser.add_argument("--kill-every", type=float, default=20, help="seconds between two kills, default 20")
    parser.add_argument("--kills", type=int, metavar="N", help="instead, kill one server N times at random moments, "
                        "and check the database after each")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres", help="database of --kills, "
                        "default postgres")
    parser.add_argument("--delay", type=int, metavar="N", help="instead, measure how long the changes of a sync need "
                        "to reach the inbox and a subscriber, with N resources")
    parser.add_argument("--turns", type=int, default=3, help="measurements of --delay, default 3")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="seed of the random choices")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    random.seed(options.seed)
    print(f"seed {options.seed}", flush=True)
    if options.delay:
        sys.exit(delay.measure(options))
    report = kills.run(options) if options.kills else soak(options)
    report.print()
    sys.exit(1 if report.breaches else 0)


if __name__ == "__main__":
    main()
