"""Measures how long the changes of a sync need to reach the inbox and a subscriber."""

import http.client
import json
import random
import threading
import time
import uuid

from .account import resource
from .client import Client, Requests
from .database import Postgres
from .servers import Server, Settings, write
from .setting import SCRATCH

CHANGES = 100
SPECS = """INSERT INTO cloud_provisioned
  (id, resource_id, spec, spec_version, source, recorded_by, recorded_at, created_at)
  SELECT gen_random_uuid(), id, jsonb_build_object('size_slug', size_slug, 'region', region), 1, 'api', 'load', now(),
  now() FROM cloud_resources"""
SOURCES = '[[source]]\nname = "cloud"\nkind = "file"\npath = "inventory.json"\n'


def measure(options):
    """Prints the delays. Returns the exit code."""
    resources = [resource(number) for number in range(options.delay)]
    write(f"{SCRATCH}/sources.toml", SOURCES)
    store(resources)
    db = Postgres(pooled=True)
    settings = Settings(db.url, f"{SCRATCH}/sources.toml")
    settings.must("migrate")
    settings.must("sync")
    server = Server("1", settings.server(schedules=False, DRIFT_DETECT_CRON="0 0 0 1 1 *"))
    server.start()
    try:
        db.text(SPECS)
        print(settings.command("detect").stdout.split("\n")[0])
        token = settings.token("delay@soak.example")
        return max(turn(db, Client([server], token, Requests()), server, resources, number)
                   for number in range(options.turns))
    finally:
        server.stop()


def store(resources):
    write(f"{SCRATCH}/inventory.json", {"provider": "digitalocean", "resources": resources})


def subscribe(server, token, word, times, subscribed):
    """Notes when each change of this turn arrives."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    body = json.dumps({"query": "subscription { driftChanged { id actual } }"})
    connection.request("POST", "/graphql", body, {"authorization": f"Bearer {token}", "accept": "text/event-stream",
                                                  "content-type": "application/json"})
    response = connection.getresponse()
    subscribed.set()
    while len(times) < CHANGES:
        line = response.readline()
        if not line:
            return
        if line.startswith(b"data:") and word.encode() in line:
            times.append(time.time())
    connection.close()


def turn(db, client, server, resources, number):
    """Changes some resources and follows them. Returns 0, or 1 if not all changes arrived."""
    for changed in random.sample(resources, min(CHANGES, len(resources))):
        changed["sizeSlug"] = f"size-{number}-{uuid.uuid4().hex[:6]}"
    store(resources)
    times, subscribed = [], threading.Event()
    listener = threading.Thread(target=subscribe, args=(server, client.token, f"size-{number}-", times, subscribed),
                                daemon=True)
    listener.start()
    subscribed.wait(30)
    time.sleep(0.5)
    began = time.time()
    answer = client.graphql("sync", "mutation { syncInventory { run { id outcome } } }")
    if answer.code != "OK":
        print(f"sync: {answer.body}")
        return 1
    listener.join(120)
    # The subscriber may get the last drift before the sweep has ended.
    for _ in range(100):
        if not db.rows("SELECT id FROM job_runs WHERE finished_at IS NULL"):
            break
        time.sleep(0.2)
    sync, sweep = (db.rows(f"SELECT {db.seconds('finished_at')} AS ended FROM job_runs WHERE job = '{job}' "
                           "ORDER BY started_at DESC LIMIT 1")[0]["ended"]
                   for job in ("sync_inventory", "detect_drift"))
    if len(times) < min(CHANGES, len(resources)):
        print(f"only {len(times)} changes reached the subscriber")
        return 1
    print(f"  sync {sync - began:.2f} s; after it: the drifts in the inbox after {sweep - sync:.2f} s, at the "
          f"subscriber after {times[0] - sync:.2f} to {times[-1] - sync:.2f} s")
    return 0
