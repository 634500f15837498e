"""The load and the checks of scripts/many-servers, which starts PostgreSQL and PgBouncer and sets the environment."""

import argparse
import collections
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

SIZES = ["small", "medium", "large"]
RETRIED = {"DATABASE_BUSY", "INTERNAL_SERVER_ERROR", "REQUEST_TIMEOUT", "DATABASE_READ_ONLY"}
GIVE_UP = 40  # seconds
SYNC_EVERY, SWEEP_EVERY = 4, 3
NAME = "drift_many_servers"
BINARY, PSQL, DIRECT, POOLED, SCRATCH = (os.environ.get(name, "") for name in
                                         ("BINARY", "PSQL", "DIRECT", "POOLED", "SCRATCH"))

counts = collections.Counter()
breaches = []
lock = threading.Lock()
stopped = threading.Event()


def count(what, by=1):
    with lock:
        counts[what] += by


def breach(text):
    with lock:
        breaches.append(text)


def sql(query):
    """Runs SQL directly on PostgreSQL and returns the rows as dictionaries."""
    text = f"SELECT coalesce(json_agg(t), '[]') FROM ({query}) t"
    done = subprocess.run([PSQL, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", f"{DIRECT}/{NAME}", "-c", text],
                          capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def command(*arguments, **more):
    return subprocess.run([BINARY, *arguments], env={**environment(), **more}, capture_output=True, text=True,
                          timeout=300, cwd=SCRATCH)


def environment(schedules=False):
    return {
        "DATABASE_URL": f"{POOLED}/{NAME}", "DRIFT_JWT_SECRET": "the secret of many servers on loopback",
        "DRIFT_INVENTORY_FILE": f"{SCRATCH}/inventory.json", "DRIFT_SOURCE": "many-servers", "RUST_LOG": "warn",
        "DRIFT_SYNC_CRON": f"*/{SYNC_EVERY} * * * * *" if schedules else "off",
        "DRIFT_DETECT_CRON": f"*/{SWEEP_EVERY} * * * * *" if schedules else "off",
    }


class Server:
    """A server process, which is killed and started again on the same port."""

    def __init__(self, number, schedules=True, **more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = f"{SCRATCH}/server-{number}.log"
        self.environment = {**environment(schedules), "DRIFT_LISTEN": f"127.0.0.1:{self.port}", **more}
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, "serve"], env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=SCRATCH)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"a server ended at once: {open(self.log).read()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("a server did not listen within 60 seconds")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            breach("a server did not stop within 30 seconds of SIGTERM")
            return None


def post(port, token, query, variables, timeout=35):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        body = json.dumps({"query": query, "variables": variables})
        connection.request("POST", "/graphql", body, {"authorization": f"Bearer {token}",
                                                      "content-type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class Client:
    """Sends each request to one server, and again to another one if it is not answered."""

    def __init__(self, servers, token):
        self.servers, self.token = servers, token

    def ask(self, query, variables, kind):
        """Returns the answer and whether an earlier attempt may have been executed."""
        end, repeated = time.monotonic() + GIVE_UP, False
        others = random.sample(self.servers, len(self.servers))
        error = ""
        for attempt in range(10_000):
            try:
                answer = post(others[attempt % len(others)].port, self.token, query, variables)
                codes = {e.get("extensions", {}).get("code") for e in answer.get("errors", [])}
                if not codes & RETRIED:
                    count(f"{kind}: answered")
                    return answer, repeated
                error = str(answer["errors"])
                count(f"{kind}: retried after {sorted(codes & RETRIED)[0]}")
            except (OSError, http.client.HTTPException, ValueError) as caught:
                error = repr(caught)
                count(f"{kind}: retried without an answer")
            repeated = True
            if time.monotonic() > end:
                break
            time.sleep(random.uniform(0.05, 0.3))
        breach(f"{kind}: not answered within {GIVE_UP} s: {error}")
        return None, repeated


PAGE = """query($filter: DriftFilter) { drifts(first: 40, filter: $filter) { totalCount nodes { id revision field actual
  resource { id name provisioned { specVersion } events(first: 3) { nodes { type } } } } } coverage { managed } }"""
ACCEPT = """mutation($input: AcceptDriftInput!) { acceptDrift(input: $input) { drift { id status resolutionNote } } }"""
DRIFT = "query($id: ID!) { node(id: $id) { ... on Drift { status resolutionNote } } }"
RECORD = "mutation($input: RecordSpecInput!) { recordSpec(input: $input) { provisioned { specVersion } } }"

accepted, recorded = {}, []


def codes_of(answer):
    return {e.get("extensions", {}).get("code") for e in answer.get("errors", [])}


def accept(client, drift):
    note = uuid.uuid4().hex
    given = {"driftId": drift["id"], "revision": drift["revision"], "note": note}
    answer, repeated = client.ask(ACCEPT, {"input": given}, "accepts")
    if answer is None:
        return
    codes = codes_of(answer)
    if not codes:
        with lock:
            accepted[drift["id"]] = note
        count("accepts: accepted")
    elif codes <= {"ALREADY_RESOLVED", "LIVE_VALUE_MOVED", "SPEC_MOVED", "NOT_FOUND"}:
        count(f"accepts: refused with {codes.pop()}" + (" after a retry" if repeated else ""))
    else:
        breach(f"accept: {answer['errors']}")


def record(client, resource):
    version = (resource["provisioned"] or {}).get("specVersion", 0)
    given = {"resourceId": resource["id"], "expectedSpecVersion": version,
             "spec": {"size_slug": random.choice(SIZES), "region": "nyc3", "written": uuid.uuid4().hex}}
    answer, repeated = client.ask(RECORD, {"input": given}, "records")
    if answer is None:
        return
    codes = codes_of(answer)
    if not codes:
        with lock:
            recorded.append((resource["id"], version + 1, given["spec"]["written"]))
        if answer["data"]["recordSpec"]["provisioned"]["specVersion"] != version + 1:
            breach(f"a record answered another version than {version + 1}: {answer}")
        count("records: recorded")
    elif codes <= {"SPEC_VERSION_CONFLICT"}:
        count("records: refused with SPEC_VERSION_CONFLICT" + (" after a retry" if repeated else ""))
    else:
        breach(f"record: {answer['errors']}")


def load(servers, token):
    client = Client(servers, token)
    while not stopped.is_set():
        answer, _ = client.ask(PAGE, {"filter": {"status": ["OPEN"]}}, "pages")
        if answer is None or answer.get("errors"):
            breach(f"page: {answer and answer['errors']}")
            continue
        drifts = answer["data"]["drifts"]["nodes"]
        random.shuffle(drifts)
        for drift in drifts[:4]:
            accept(client, drift)
        for drift in drifts[4:5]:
            record(client, drift["resource"])
        time.sleep(0.05)


def resource(number, size="small"):
    return {"kind": "droplet", "providerId": str(number), "name": f"web-{number}", "region": "nyc3", "sizeSlug": size,
            "attrs": {"image": "debian", "monitoring": True}}


def write_inventory(resources):
    path = f"{SCRATCH}/inventory.json"
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"provider": "digitalocean", "resources": resources}, file)
    os.replace(path + ".new", path)


def change_inventory(resources):
    while not stopped.wait(0.7):
        for _ in range(10):
            random.choice(resources)["sizeSlug"] = random.choice(SIZES)
        write_inventory(resources)
        count("changes of the inventory file")


def kill_servers(servers, every):
    while not stopped.wait(every):
        server = random.choice(servers)
        server.stop(signal.SIGKILL)
        count("servers killed")
        if stopped.wait(random.uniform(0.2, 2)):
            return
        server.start()


def kill_connections(every):
    """Ends one connection of PgBouncer to PostgreSQL now and then."""
    while not stopped.wait(every):
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1")
        count("connections of PgBouncer killed")


def check_ticks(job, every, first, last):
    """Each tick has one run, or another run of the job was active then."""
    runs = sql(f"""SELECT extract(epoch FROM scheduled_for) AS tick, extract(epoch FROM started_at) AS began,
                   extract(epoch FROM finished_at) AS ended, outcome FROM job_runs WHERE job = '{job}'""")
    ticks = collections.Counter(int(run["tick"]) for run in runs if run["tick"] is not None)
    due = [tick for tick in range(int(first) + 1, int(last)) if tick % every == 0]
    for tick in (tick for tick, n in ticks.items() if n > 1):
        breach(f"{job}: the tick {tick} ran {ticks[tick]} times")
    beside = 0
    for tick in due:
        if ticks[tick] == 0:
            active = any(r["began"] <= tick + 1.5 and (r["ended"] or last) >= tick - 0.5 for r in runs)
            beside += active
            if not active:
                breach(f"{job}: the tick {tick} did not run")
    outcomes = collections.Counter(run["outcome"] for run in runs)
    print(f"  {job}: {len(due)} ticks due, {sum(ticks[t] > 0 for t in due)} ran, {beside} fell into another run; "
          f"all {len(runs)} runs: {dict(outcomes)}")


def check_decisions():
    """Each answered accept and record is stored, and the versions of each spec have no gap."""
    drifts = {d["id"]: d for d in sql("SELECT id, status, resolution_note FROM cloud_drift")}
    events = sql("SELECT resource_id, type, data FROM cloud_resource_events WHERE type IN "
                 "('spec_recorded', 'drift_accepted')")
    of_drifts = collections.Counter(e["data"]["driftId"] for e in events if e["type"] == "drift_accepted")
    for drift, note in accepted.items():
        row = drifts.get(drift)
        if not row or row["status"] != "accepted" or row["resolution_note"] != note:
            breach(f"an answered accept is not stored: {drift} {row}")
        if of_drifts[drift] != 1:
            breach(f"an accepted drift has {of_drifts[drift]} events: {drift}")
    versions = collections.defaultdict(list)
    for event in events:
        if "specVersion" in event["data"]:
            versions[event["resource_id"]].append(event["data"]["specVersion"])
    specs = sql("SELECT resource_id, spec_version, spec FROM cloud_provisioned")
    for spec in specs:
        found = sorted(versions[spec["resource_id"]])
        if found != list(range(1, spec["spec_version"] + 1)):
            breach(f"the versions of a spec have a gap: {spec['resource_id']} is {spec['spec_version']}: {found}")
    newest = {spec["resource_id"]: spec for spec in specs}
    for resource_id, version, written in recorded:
        spec = newest[resource_id]
        if spec["spec_version"] < version:
            breach(f"an answered record is not stored: {resource_id} {version}")
        if spec["spec_version"] == version and spec["spec"]["written"] != written:
            breach(f"a record was overwritten in its version: {resource_id} {version}")
    print(f"  {len(accepted)} answered accepts, {len(recorded)} answered records, "
          f"{sum(len(v) for v in versions.values())} versions of {len(specs)} specs")


def check_inbox():
    """The open drifts are exactly the differences, one row for each."""
    double = sql("SELECT resource_id, field FROM cloud_drift WHERE status = 'open' GROUP BY 1, 2 HAVING count(*) > 1")
    for row in double:
        breach(f"two open rows: {row}")
    is_open = {(d["resource_id"], d["field"]) for d in
               sql("SELECT resource_id, field FROM cloud_drift WHERE status = 'open'")}
    rows = sql("""SELECT r.id, r.name, r.size_slug, r.region, r.tags, r.attrs, p.spec FROM cloud_resources r
                  JOIN cloud_provisioned p ON p.resource_id = r.id AND p.retired_at IS NULL""")
    differ = set()
    for row in rows:
        live = {**row["attrs"], **{column: row[column] for column in ("name", "size_slug", "region", "tags")}}
        differ |= {(row["id"], field) for field, value in row["spec"].items() if live.get(field) != value}
    if differ != is_open:
        breach(f"{len(differ - is_open)} differences are not open, {len(is_open - differ)} open drifts are none: "
               f"{list(differ ^ is_open)[:3]}")
    print(f"  {len(is_open)} open drifts, {len(differ)} differences")


def check_totals(token):
    """The totals of the API equal the counts of the rows."""
    server = Server("final", schedules=False)
    server.start()
    try:
        for status in ("OPEN", "ACCEPTED", "STALE", "REVERTED"):
            query = "query($s: [DriftStatus!]) { drifts(first: 0, filter: { status: $s }) { totalCount } }"
            answer = post(server.port, token, query, {"s": [status]})
            total = answer["data"]["drifts"]["totalCount"]
            rows = sql(f"SELECT count(*) AS n FROM cloud_drift WHERE status = '{status.lower()}'")[0]["n"]
            if total != rows:
                breach(f"the total of {status} is {total}, and there are {rows} rows")
            print(f"  {status}: total {total}, rows {rows}")
        answer = post(server.port, token, "{ coverage { managed } }", {})
        managed = sum(kind["managed"] for kind in answer["data"]["coverage"])
        rows = sql("SELECT count(*) AS n FROM cloud_provisioned WHERE retired_at IS NULL")[0]["n"]
        if managed != rows:
            breach(f"coverage counts {managed} managed resources, and there are {rows} specs")
    finally:
        if server.stop() != 0:
            breach("a server did not end with 0 after SIGTERM")


def prepare(resources):
    subprocess.run([PSQL, "-XAtq", "-d", f"{DIRECT}/postgres", "-c", f"CREATE DATABASE {NAME}"], check=True, timeout=60)
    write_inventory(resources)
    for arguments in (["migrate"], ["sync"]):
        done = command(*arguments)
        if done.returncode != 0:
            sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
    return command("token", "--role", "platform_admin").stdout.strip()


def record_all(port, token):
    """Records the live values of all resources as their specs."""
    query = "mutation { recordBaseline(input: { filter: {} }) { more } }"
    while True:
        answer = post(port, token, query, {}, timeout=60)
        if answer.get("errors"):
            sys.exit(f"baseline: {answer['errors']}")
        if not answer["data"]["recordBaseline"]["more"]:
            return


def storm(options):
    resources = [resource(n) for n in range(options.resources)]
    token = prepare(resources)
    servers = [Server(n) for n in range(options.servers)]
    threads = []
    first = time.time()
    try:
        for server in servers:
            server.start()
        record_all(servers[0].port, token)
        first = time.time()
        jobs = [(change_inventory, (resources,)), (kill_servers, (servers, options.kill_every)),
                (kill_connections, (options.kill_every * 1.7,))]
        jobs += [(load, (servers, token))] * options.clients
        for job, arguments in jobs:
            threads.append(threading.Thread(target=run, args=(job, arguments), daemon=True))
            threads[-1].start()
        time.sleep(options.seconds)
    finally:
        last = time.time()
        stopped.set()
        for thread in threads:
            thread.join(GIVE_UP + 60)
        for server in servers:
            if server.process and server.process.poll() is None:
                server.stop()
    # Runs of killed servers are abandoned after 30 seconds.
    end = time.monotonic() + 60
    done = command("sync")
    while done.returncode == 1 and "another run of this job" in done.stderr and time.monotonic() < end:
        time.sleep(2)
        done = command("sync")
    swept = command("detect")
    for ended in (done, swept):
        if ended.returncode != 0:
            breach(f"a command failed: {ended.stdout}{ended.stderr}")
    check_logs(servers)
    print("Checks:")
    check_ticks("sync_inventory", SYNC_EVERY, first, last)
    check_ticks("detect_drift", SWEEP_EVERY, first, last)
    check_decisions()
    check_inbox()
    check_totals(token)


def run(job, arguments):
    try:
        job(*arguments)
    except Exception as error:  # pylint: disable=broad-except
        breach(f"{job.__name__}: {error!r}")


def check_logs(servers):
    lines = collections.Counter()
    for server in servers:
        with open(server.log, encoding="utf-8", errors="replace") as log:
            for line in log:
                if "panicked" in line:
                    breach(f"a server panicked: {line.strip()}")
                if "prepared statement" in line:
                    breach(f"a statement depended on its session: {line.strip()}")
                if " ERROR " in line:
                    lines[line.split(" ERROR ", 1)[1].strip()[:110]] += 1
    for line, n in lines.most_common(8):
        print(f"  log, {n} times: {line}")


SPECS = """INSERT INTO cloud_provisioned
  (id, resource_id, spec, spec_version, source, recorded_by, recorded_at, created_at)
  SELECT gen_random_uuid(), id, jsonb_build_object('size_slug', size_slug, 'region', region), 1, 'api', 'load', now(),
  now() FROM cloud_resources"""


def delay(options):
    """Measures how long the changes of a sync need to reach the inbox and a subscriber."""
    resources = [resource(n) for n in range(options.delay)]
    token = prepare(resources)
    server = Server(0, DRIFT_SYNC_CRON="off", DRIFT_DETECT_CRON="0 0 0 1 1 *")
    server.start()
    try:
        subprocess.run([PSQL, "-XAtq", "-d", f"{DIRECT}/{NAME}", "-c", SPECS], check=True, timeout=300)
        done = command("detect")
        print(done.stdout.strip())
        for turn in range(options.turns):
            for changed in random.sample(resources, 100):
                changed["sizeSlug"] = f"size-{turn}-{uuid.uuid4().hex[:6]}"
            write_inventory(resources)
            measure(server.port, token, turn)
    finally:
        server.stop()


def measure(port, token, turn):
    times, subscribed = [], threading.Event()

    def subscribe():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        body = json.dumps({"query": "subscription { driftChanged { id actual } }"})
        connection.request("POST", "/graphql", body, {"authorization": f"Bearer {token}", "accept": "text/event-stream",
                                                      "content-type": "application/json"})
        response = connection.getresponse()
        subscribed.set()
        while len(times) < 100:
            line = response.readline()
            if not line:
                return
            if line.startswith(b"data:") and f"size-{turn}-".encode() in line:
                times.append(time.time())
        connection.close()

    listener = threading.Thread(target=subscribe, daemon=True)
    listener.start()
    subscribed.wait(30)
    time.sleep(0.5)
    began = time.time()
    answer = post(port, token, "mutation { syncInventory { run { id outcome } } }", {}, timeout=60)
    if answer.get("errors"):
        sys.exit(f"sync: {answer['errors']}")
    listener.join(120)
    # The subscriber may get the last drift before the sweep has ended.
    for _ in range(100):
        if not sql("SELECT id FROM job_runs WHERE finished_at IS NULL"):
            break
        time.sleep(0.2)
    newest = "(SELECT * FROM job_runs WHERE job = '{}' ORDER BY started_at DESC LIMIT 1)"
    ended = sql("SELECT extract(epoch FROM finished_at) AS at FROM " + newest.format("sync_inventory") + " r")[0]["at"]
    sweep = sql("SELECT extract(epoch FROM started_at) AS began, extract(epoch FROM finished_at) AS ended, counts FROM "
                + newest.format("detect_drift") + " r")[0]
    rows = sql("SELECT extract(epoch FROM max(occurred_at)) AS at, count(*) AS n FROM cloud_resource_events "
               "WHERE type IN ('drift_detected', 'drift_changed') AND extract(epoch FROM occurred_at) > "
               f"{ended - 1}")[0]
    if len(times) < 100:
        breach(f"only {len(times)} of 100 changes reached the subscriber")
        return
    print(f"  sync {ended - began:.2f} s; after it: {rows['n']} drifts in the inbox after "
          f"{sweep['ended'] - ended:.2f} s, "
          f"at the subscriber after {times[0] - ended:.2f} to {times[-1] - ended:.2f} s")


def main():
    parser = argparse.ArgumentParser(prog="scripts/many-servers", description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="length of the load, default 120")
    parser.add_argument("--servers", type=int, default=3, help="number of servers, default 3")
    parser.add_argument("--clients", type=int, default=4, help="number of concurrent clients, default 4")
    parser.add_argument("--resources", type=int, default=300, help="size of the account, default 300")
    parser.add_argument("--kill-every", type=float, default=6, help="seconds between two kills of a server, default 6")
    parser.add_argument("--delay", type=int, metavar="N", help="measure the delay of changes among N resources")
    parser.add_argument("--turns", type=int, default=3, help="measurements of --delay, default 3")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    delay(options) if options.delay else storm(options)
    print("Load:")
    for what in sorted(counts):
        print(f"  {what}: {counts[what]}")
    for text in breaches[:20]:
        print(f"BREACH: {text[:600]}")
    print(f"{len(breaches)} breaches")
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
