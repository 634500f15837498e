"""Kills one server again and again at random moments, and checks the database after each kill."""

import collections
import random
import signal
import sqlite3
import threading
import time

from . import checks
from .account import Account
from .actions import WEIGHTS, User
from .client import Client, Requests
from .database import Postgres, Sqlite
from .servers import Server, Settings, check_logs
from .setting import SCRATCH, Ledger, Report, Trouble

# Mostly decisions, because they are what must not be lost.
MIX = {name: weight for name, weight in WEIGHTS.items()
       if name not in ("measure", "export", "read", "history", "rest_list", "rule")} | {
    "look": 8, "read": 2, "rule": 0.5, "sync": 2, "sweep": 3, "send_lines": 1, "send_plan": 1, "send_state": 1}
SHORTEST, LONGEST = 0.05, 1.5


class Round:
    """The load between a start and a kill."""

    def __init__(self, users):
        self.ended = threading.Event()
        self.waiting = [None] * len(users)
        self.threads = [threading.Thread(target=self.run, args=(number, user), daemon=True)
                        for number, user in enumerate(users)]
        for thread in self.threads:
            thread.start()

    def run(self, number, user):
        names = list(MIX)
        while not self.ended.is_set():
            name = self.waiting[number] = random.choices(names, MIX.values())[0]
            getattr(user, name)()
            self.waiting[number] = None

    def unanswered(self):
        """The writing requests that the server has not answered."""
        return [name for name in self.waiting if name and name not in ("look", "read")]

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(120)


class Kills:
    """Everything of one run."""

    def __init__(self, options):
        self.options, self.report, self.trouble = options, Report(), Trouble()
        self.db = Sqlite() if options.database == "sqlite" else Postgres(pooled=False)
        self.account = Account(min(options.resources, 120))
        self.settings = Settings(self.db.url, f"{SCRATCH}/sources.toml")
        self.server = Server("1", self.settings.server())
        self.ledger, self.counts, self.starts = [], collections.Counter(), []

    def users(self):
        client = [Client([self.server], self.settings.token(f"user-{n}@soak.example"), Requests())
                  for n in range(self.options.clients)]
        return [User(one, self.account, Ledger(), self.trouble) for one in client]

    def start(self):
        begun = time.time()
        self.server.start()
        self.starts.append(time.time() - begun)

    def kill(self, load):
        """Freezes the server, looks what it was doing, and kills it."""
        self.server.process.send_signal(signal.SIGSTOP)
        writing, unanswered = self.db.writing(), load.unanswered()
        load.ended.set()
        self.server.kill()
        load.end()
        self.counts["kills"] += 1
        self.counts["with an open writing transaction"] += writing > 0
        self.counts["with an unanswered write"] += bool(unanswered)

    def pass_time(self):
        """Makes the runs of the killed server as old as after 31 seconds, so that the next one takes over at once."""
        old = "UPDATE job_runs SET heartbeat_at = {} WHERE finished_at IS NULL"
        if isinstance(self.db, Sqlite):
            connection = sqlite3.connect(self.db.path, timeout=60)
            with connection:
                connection.execute(old.format("strftime('%Y-%m-%dT%H:%M:%f000+00:00', julianday(heartbeat_at) - 31.0 / "
                                              "86400)"))
            connection.close()
        else:
            self.db.text(old.format("heartbeat_at - interval '31 seconds'"))

    def check(self, rows, since):
        """The decisions of a round, and the rules that hold at any time."""
        report = Report()
        checks.check_decisions(self.db, rows, report, since)
        checks.check_accepts(self.db, rows, report, since)
        checks.check_specs(self.db, report)
        checks.check_open(self.db, report)
        self.trouble.breaches += report.breaches

    def run(self):
        users = self.users()
        for number in range(self.options.kills):
            since = time.time()
            for user in users:
                user.ledger.rows.clear()
            load = Round(users)
            time.sleep(random.uniform(SHORTEST, LONGEST))
            self.kill(load)
            rows = [row for user in users for row in user.ledger.rows]
            self.ledger += rows
            self.start()
            self.check(rows, since)
            self.pass_time()
            self.account.change(10)
            if (number + 1) % 25 == 0:
                broken = self.db.broken()
                self.trouble.breaches += [f"the file is damaged: {text}" for text in broken]
                print(f"{number + 1:5} kills, {len(self.ledger)} decisions, {dict(self.counts)}, "
                      f"{len(self.trouble.breaches)} breaches", flush=True)


def run(options):
    begun = time.time()
    kills = Kills(options)
    try:
        kills.settings.must("migrate")
        kills.settings.must("sync")
        kills.start()
        first = User(Client([kills.server], kills.settings.token("start@soak.example"), Requests()), kills.account,
                     Ledger(), kills.trouble)
        first.client.graphql("baseline", "mutation { recordBaseline(input: { filter: {} }) { more } }")
        first.send_plan()
        first.send_state()
        kills.run()
        if kills.server.stop() != 0:
            kills.trouble.breach("the server did not end with 0 after SIGTERM")
    finally:
        if kills.server.process and kills.server.process.poll() is None:
            kills.server.kill()
    finish(kills, begun)
    return kills.report


def finish(kills, begun):
    """The checks at the end, when nothing runs."""
    report = kills.report
    kills.pass_time()
    kills.account.show_all()
    done = [kills.settings.command(*words) for words in (["sync"], ["detect"], ["detect"])]
    breaches = [f"{ended.stdout}{ended.stderr}" for ended in done[:1] if ended.returncode != 0]
    if "0 drifts opened, 0 changed, 0 closed" not in done[2].stdout:
        breaches.append(done[2].stdout[:400])
    report.check("a second sweep finds nothing", done[2].stdout.split("\n")[0], breaches)
    report.check("after each kill", ", ".join(f"{number} {what}" for what, number in kills.counts.items()),
                 kills.trouble.breaches)
    logs, errors = check_logs([kills.server])
    report.check("no panic in the logs", f"{sum(number for _, number in errors)} lines with ERROR", logs)
    report.check("the file is sound", "integrity check" if isinstance(kills.db, Sqlite) else "not for PostgreSQL",
                 kills.db.broken())
    for check in (checks.check_decisions, checks.check_accepts, checks.check_states):
        check(kills.db, kills.ledger, report)
    for check in (checks.check_specs, checks.check_history, checks.check_open, checks.check_events, checks.check_bulks,
                  checks.check_inbox):
        check(kills.db, report)
    starts = sorted(kills.starts)
    print(f"{kills.options.database}: {kills.counts['kills']} kills in {(time.time() - begun) / 60:.1f} minutes; the "
          f"server answered again after {starts[len(starts) // 2]:.2f} s (median), {starts[-1]:.2f} s (longest)")
    states = collections.Counter(row["state"] for row in kills.ledger)
    print(f"decisions: {dict(states)}; {kills.trouble.counts}")
    for text, number in errors[:5]:
        print(f"  log, {number} times: {text}")
