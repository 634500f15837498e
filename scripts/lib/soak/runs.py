"""Checks of what the servers did: ticks, requests, streams, health and memory."""

import collections
import re

from .client import EXPECTED
from .setting import LAG, RETURN


def check_ticks(db, job, every, first, last, outages, report):
    """Each tick has one run, or another run of the job was active then, or the database was down."""
    runs = db.rows(f"""SELECT {db.seconds('scheduled_for')} AS tick, {db.seconds('started_at')} AS began,
        {db.seconds('finished_at')} AS ended, outcome FROM job_runs WHERE job = '{job}'
        AND (source IS NULL OR source = 'cloud')""")
    ticks = collections.Counter(round(run["tick"]) for run in runs if run["tick"] is not None)
    breaches = [f"the tick {tick} ran {number} times" for tick, number in ticks.items() if number > 1]
    due = [tick for tick in range(int(first) + 1, int(last)) if tick % every == 0]
    beside = down = 0
    for tick in due:
        if ticks[tick]:
            continue
        if any(span["from"] - 2 <= tick <= (span["to"] or last) + 2 * RETURN for span in outages.of_database()):
            down += 1
        elif any(run["began"] <= tick + 1.5 and (run["ended"] or last) >= tick - 0.5 for run in runs):
            beside += 1
        else:
            breaches.append(f"the tick {tick} did not run")
    outcomes = collections.Counter(run["outcome"] for run in runs)
    found = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items(), key=str))
    report.check(f"ticks of {job}", f"{len(due)} due, {sum(ticks[tick] > 0 for tick in due)} ran, {beside} during "
                 f"another run, {down} while the database was down; all runs: {found}", breaches)


def documented(folder):
    """The codes of docs/api.md: the first cells of its tables; those of REST are written in lower case."""
    codes = set()
    for name in ("api.md", "sources.md", "terraform-plans.md"):
        with open(f"{folder}/docs/{name}", encoding="utf-8") as file:
            text = file.read()
        for cell in re.findall(r"^\| (`[A-Z_`, ]+`) \|", text, re.MULTILINE):
            codes.update(re.findall(r"[A-Z_]+", cell))
        codes.update(word.upper() for word in re.findall(r'`([a-z]+(?:_[a-z]+)+)`|"error": "([a-z_]+)"', text)
                     for word in word if word)
    return codes


def check_requests(seen, outages, folder, report):
    """Errors only while the database or the asked server is down, and every code is documented."""
    codes, breaches, unknown = documented(folder), [], []
    table = collections.Counter()
    for one in seen:
        if one.code == "OK":
            continue
        if not one.code.startswith("no answer") and one.code not in codes:
            unknown.append(f"{one.kind}: {one.code} {one.text}")
        if one.code in EXPECTED or (one.kind == "accept members" and one.code == "BAD_USER_INPUT"):
            table[one.code, "decided by somebody else"] += 1
            continue
        window = outages.around(one.begun, one.ended, one.server)
        if window == "server killed" and not one.code.startswith("no answer"):
            window = outages.around(one.begun, one.ended, "no server")
        table[one.code, window or "NOTHING WAS DOWN"] += 1
        if not window:
            breaches.append(f"{one.kind} at {one.begun:.1f} for {one.ended - one.begun:.1f} s: {one.code} {one.text}")
    report.check("errors only in outages", f"{len(seen)} requests, {sum(table.values())} without success; an error "
                 f"would have been allowed in {outages.allowed():.0f} s", breaches)
    report.check("every code is documented", f"{len({code for code, _ in table})} codes", unknown)
    return table


def check_load(seen, seconds, report):
    """In a run of some minutes, every kind of request succeeded at least once."""
    good = collections.Counter(one.kind for one in seen if one.code == "OK")
    missing = {one.kind for one in seen} - good.keys() - {"accept again"} if seconds >= 300 else set()
    report.check("the load reaches everything", f"{len(good)} kinds of requests",
                 [f"no {kind} succeeded" for kind in missing])


def latencies(seen):
    """Lines with the number and the 50th and 99th percentile of each kind of request that succeeded."""
    times = collections.defaultdict(list)
    for one in seen:
        if one.code == "OK":
            times[one.kind].append(one.ended - one.begun)
            times["all"].append(one.ended - one.begun)
    lines = []
    for kind, found in sorted(times.items()):
        found.sort()
        lines.append(f"  {kind:16} {len(found):7}  p50 {found[len(found) // 2] * 1000:6.0f} ms  "
                     f"p99 {found[min(len(found) - 1, len(found) * 99 // 100)] * 1000:7.0f} ms  "
                     f"longest {found[-1]:5.1f} s")
    return lines


def check_health(watch, outages, report, busy=False):
    """A running server always answers /healthz with 200, and /readyz soon again once the database is there."""
    seen = collections.Counter()
    live, ready, said, since = [], [], collections.Counter(), {}
    for path, server, begun, ended, status, body in watch.seen:
        down = [span for span in outages.spans if span["server"] == server
                and begun <= (span["to"] or ended) + 0.5 and ended >= span["from"] - 0.1]
        if down:
            continue
        seen[path] += 1
        if path == "/healthz" and status != 200:
            live.append(f"server {server} at {begun:.1f}: {status} {body[:200]} after {ended - begun:.1f} s")
        if path == "/readyz" and status == 200:
            since.pop(server, None)
        elif path == "/readyz":
            said[body[:100]] += 1
            # On a busy machine, one answer may need more than the 2 s after which it is 503.
            if outages.around(begun, ended, "no server"):
                since.pop(server, None)
            elif ended - since.setdefault(server, begun) > 10:
                ready.append(f"server {server} at {begun:.1f}: {status} {body[:200]}")
    report.check("/healthz is 200", f"{seen['/healthz']} requests to running servers", live)
    report.check("/readyz is 200 with a database", f"{seen['/readyz']} requests, {sum(said.values())} times 503: "
                 f"{dict(said)}", [] if busy else ready)


def longest_life(watch):
    """The times and sizes of the server process that lived longest."""
    lives = collections.defaultdict(list)
    for server, life, at, size in watch.memory:
        lives[server, life].append((at, size))
    return max(lives.values(), key=lambda samples: samples[-1][0] - samples[0][0])


def curve(watch):
    """The largest size in each minute of that process, as texts."""
    minutes = collections.defaultdict(float)
    samples = longest_life(watch)
    for at, size in samples:
        minute = int((at - samples[0][0]) // 60)
        minutes[minute] = max(minutes[minute], size)
    return [f"{size:.0f}" for size in minutes.values()]


def check_memory(watch, report):
    """A server that lives long does not grow, and later lives are not larger than earlier ones."""
    longest = longest_life(watch)
    breaches = []
    third = len(longest) // 3
    early = [size for _, size in longest[third:2 * third]] or [longest[0][1]]
    late = [size for _, size in longest[2 * third:]]
    if sum(late) / len(late) > 1.15 * sum(early) / len(early) + 8:
        breaches.append(f"a server grew from {sum(early) / len(early):.0f} to {sum(late) / len(late):.0f} MiB")
    times = sorted(at for _, _, at, _ in watch.memory)
    bounds = times[len(times) // 3], times[2 * len(times) // 3]
    first = max(size for _, _, at, size in watch.memory if at <= bounds[0])
    last = max(size for _, _, at, size in watch.memory if at >= bounds[1])
    if last > 1.3 * first + 16:
        breaches.append(f"the largest server had {first:.0f} MiB in the first third, {last:.0f} MiB in the last")
    report.check("memory is flat", f"longest life {longest[-1][0] - longest[0][0]:.0f} s: mean "
                 f"{sum(early) / len(early):.0f} MiB in its second third, {sum(late) / len(late):.0f} MiB in its last; "
                 f"at most {first:.0f} MiB in the first third of the run, {last:.0f} MiB in the last", breaches)


RANK = {"drift_detected": 0, "drift_changed": 0, "drift_accepted": 1, "drift_stale": 1, "drift_reverted": 1}


def check_streams(db, subscribers, outages, report):
    """Each change in the time of a connection reached it, and its open drifts were those of the database."""
    by_drift = collections.defaultdict(list)
    # The time of the commit: a transaction that waits for a lock is committed long after the time of its events.
    for event in db.rows("""SELECT type, data, extract(epoch FROM pg_xact_commit_timestamp(xmin)) AS at
        FROM cloud_resource_events
        WHERE type IN ('drift_detected', 'drift_changed', 'drift_accepted', 'drift_stale', 'drift_reverted')
        ORDER BY at, occurred_at, id"""):
        by_drift[event["data"]["driftId"]].append((event["at"], event["type"]))
    breaches, changes, compared = [], 0, 0
    streams = [stream for subscriber in subscribers for stream in subscriber.streams]
    for stream in streams:
        for drift, events in by_drift.items():
            wrong, counted = of_stream(stream, drift, events)
            changes += counted
            breaches += wrong
        if stream.complete and stream.ended - stream.ready > LAG:
            compared += 1
        for span in outages.of_database():
            long = span["what"].startswith("database") and span["to"] and span["to"] - span["from"] >= 20
            if long and stream.ready < span["from"] and stream.ended > span["to"]:
                breaches.append(f"a stream of server {stream.server} stayed silent through an outage of 20 s")
    kinds = collections.Counter(stream.kind for stream in streams)
    report.check("no change is missed", f"{len(streams)} connections ({dict(kinds)}), {changes} changes that had to "
                 f"arrive, {compared} lists compared at their end", breaches)


def of_stream(stream, drift, events):
    """Returns breaches of one drift in one connection, and the number of its changes that had to arrive."""
    until = stream.ended - LAG
    within = [(at, kind) for at, kind in events if stream.ready <= at <= until]
    breaches = []
    if within:
        at, kind = within[-1]
        arrived = [message for message in stream.messages.get(drift, []) if message[0] >= at - 0.01
                   and (message[2] != "OPEN") >= RANK[kind]]
        if not arrived:
            breaches.append(f"{kind} of {drift} at {at:.1f} did not reach a {stream.kind} connection to server "
                            f"{stream.server} from {stream.ready:.1f} to {stream.ended:.1f}")
    quiet = not any(until < at <= stream.ended for at, _ in events)
    before = [kind for at, kind in events if at <= until]
    if stream.complete and until > stream.ready and quiet and before and before[0] == "drift_detected":
        known = stream.model().get(drift)
        revision = 1 + sum(kind == "drift_changed" for kind in before)
        wanted = None if RANK[before[-1]] else revision
        if known != wanted:
            breaches.append(f"{drift} had the revision {wanted}, and a {stream.kind} connection to server "
                            f"{stream.server} knew {known} at {stream.ended:.1f} (from {stream.ready:.1f}; "
                            f"{events[-3:]})")
    return breaches, len(within)
