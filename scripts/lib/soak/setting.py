"""What the parts of the soak share: the environment, the counts, the outages and the decisions."""

import collections
import os
import threading
import time
import uuid

BINARY, SCRATCH = os.environ.get("BINARY", ""), os.environ.get("SCRATCH", "")
# Seconds after the database accepts connections again in which requests may still fail.
RETURN = 5
# Seconds that a change may need to reach a subscriber.
LAG = 20

stopped = threading.Event()
lock = threading.Lock()


class Report:
    """The results of the checks. A breach is a fact that a check forbids."""

    def __init__(self):
        self.rows, self.breaches = [], []

    def check(self, name, found, breaches):
        """Adds the result of a check: what it looked at, and the texts of its breaches."""
        self.rows.append((name, found, len(breaches)))
        for text in breaches[:5]:
            self.breaches.append(f"{name}: {text}"[:900])
        if len(breaches) > 5:
            self.breaches.append(f"{name}: and {len(breaches) - 5} more")

    def print(self):
        wide = max(len(name) for name, _, _ in self.rows)
        print("Checks:")
        for name, found, breaches in self.rows:
            print(f"  {'ok    ' if not breaches else 'BREACH'}  {name:{wide}}  {found}")
        for text in self.breaches:
            print(f"BREACH: {text}")


class Outages:
    """When something was down: the database, or one server."""

    def __init__(self):
        self.spans = []

    def begin(self, what, server=None, grace=RETURN):
        """Notes that something is down now. Its effects may last for `grace` seconds after its end."""
        span = {"what": what, "server": server, "from": time.time(), "to": None, "grace": grace}
        with lock:
            self.spans.append(span)
        return span

    @staticmethod
    def end(span):
        span["to"] = time.time()

    def of_database(self):
        return [span for span in self.spans if span["server"] is None]

    def allowed(self):
        """The seconds in which an error of any request would be allowed, up to now."""
        return sum((span["to"] or time.time()) + span["grace"] - span["from"] for span in self.of_database())

    def around(self, begun, ended, server):
        """Returns what was down at some moment between these times, as far as a request to the server noticed it."""
        for span in self.spans:
            if span["server"] is not None and span["server"] != server:
                continue
            last = span["to"] + span["grace"] if span["to"] else float("inf")
            if begun <= last and ended >= span["from"] - 0.1:
                return span["what"]
        return None


class Ledger:
    """Each decision with its own mark, by which the database is searched later."""

    def __init__(self):
        self.rows = []

    @staticmethod
    def mark():
        return "m-" + uuid.uuid4().hex

    def add(self, kind, mark, state, **more):
        """The state is `confirmed`, `refused` or `unknown`: the answer was lost, or says so of the commit."""
        with lock:
            self.rows.append({"kind": kind, "mark": mark, "state": state, "at": time.time(), **more})

    def counts(self):
        return collections.Counter((row["kind"], row["state"]) for row in self.rows)


class Trouble:
    """Breaches that are noticed while the load runs, and counts of everything else."""

    def __init__(self):
        self.breaches, self.counts = [], collections.Counter()

    def breach(self, text):
        with lock:
            self.breaches.append(text)

    def count(self, what, by=1):
        with lock:
            self.counts[what] += by


def thread(job, *arguments, trouble):
    """Runs a function in a thread. An error of it is a breach."""

    def run():
        try:
            job(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            trouble.breach(f"{job.__name__} ended with {error!r}")

    started = threading.Thread(target=run, daemon=True)
    started.start()
    return started
