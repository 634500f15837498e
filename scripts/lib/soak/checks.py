"""Checks of the database: no decision is lost or stored twice, and nothing is half-written."""

import collections
import json
import re

# The decisions whose mark is the reason of a version of a spec.
VERSIONS = {"accept", "accept again", "accept members", "record", "undo"}
# Where a mark is written once by every other decision: in the data of an event of this type.
EVENTS = {"snooze": "drift_snoozed", "comment": "drift_commented", "assign": "drift_assigned",
          "mark reverting": "revert_marked"}
MARK = re.compile(r"m-[0-9a-f]{32}")


def found_marks(db, since=None):
    """Returns how often each mark is stored: as a reason, in an event, in a rule, as a comment."""
    late = f" AND {{}} >= {since}" if since else ""
    of_events = late.format(db.seconds("occurred_at"))
    marks = collections.Counter()
    for row in db.rows("SELECT reason FROM spec_reasons WHERE reason LIKE 'm-%'"
                       + late.format(db.seconds("recorded_at"))):
        marks["reason", row["reason"]] += 1
    for row in db.rows("SELECT type, data FROM cloud_resource_events WHERE type IN ('drift_snoozed', "
                       "'drift_commented', 'drift_assigned', 'revert_marked')" + of_events):
        # The undo of a bulk restores an earlier snooze or assignee. Here, only bulks give a reason for an assignee.
        if "undoneBulkId" in row["data"] or (row["type"] == "drift_assigned" and "reason" in row["data"]):
            continue
        for mark in set(MARK.findall(json.dumps(row["data"]))):
            marks[row["type"], mark] += 1
    for row in db.rows("SELECT name, end_reason FROM ignore_rules"):
        marks["rule", row["name"]] += 1
        marks["rule ended", row["end_reason"]] += 1
    for row in db.rows("SELECT body FROM drift_comments WHERE body LIKE 'm-%'" + late.format(db.seconds("created_at"))):
        marks["body", row["body"]] += 1
    return marks


def check_decisions(db, ledger, report, since=None):
    """A confirmed decision is stored once, one that was refused is not, and one without an answer at most once."""
    marks = found_marks(db, since and since - 5)
    breaches, stored = [], collections.Counter()
    for row in ledger:
        kind, mark, state = row["kind"], row["mark"], row["state"]
        if kind in VERSIONS:
            found = marks["reason", mark]
        elif kind in EVENTS:
            found = marks[EVENTS[kind], mark]
            if kind == "comment" and marks["body", mark] != found:
                breaches.append(f"a comment and its event differ: {mark}")
        elif kind == "ignore rule":
            found = marks["rule", mark]
        elif kind == "end rule":
            found = marks["rule ended", mark]
        else:
            continue
        stored[state] += found
        allowed = {"confirmed": (1,), "refused": (0,), "unknown": (0, 1)}[state]
        # A rule that has ended stays as it is.
        if kind == "end rule" and state == "confirmed":
            allowed = (0, 1)
        if found not in allowed:
            breaches.append(f"a decision that is {state} is stored {found} times: {json.dumps(row)[:500]}")
    count = collections.Counter(row["state"] for row in ledger)
    report.check("decisions stored once", f"{count['confirmed']} confirmed, {count['refused']} refused (stored: "
                 f"{stored['refused']}), {count['unknown']} without an answer (stored: {stored['unknown']})", breaches)


def check_accepts(db, ledger, report, since=None):
    """Each accepted drift has one event, one version and its note; a confirmed accept is in the inbox as accepted."""
    late = f" AND {db.seconds('d.resolved_at')} >= {since - 5}" if since else ""
    rows = db.rows(f"""SELECT d.id, d.status, d.resolution_note, d.spec_version, d.undone_at IS NOT NULL AS undone,
        (SELECT count(*) FROM cloud_resource_events e WHERE e.resource_id = d.resource_id AND e.type = 'drift_accepted'
          AND {db.same('d.id', "e.data->>'driftId'")}) AS accepts,
        (SELECT count(*) FROM cloud_resource_events e WHERE e.resource_id = d.resource_id AND e.type = 'accept_undone'
          AND {db.same('d.id', "e.data->>'driftId'")}) AS undos,
        (SELECT count(*) FROM spec_versions v WHERE v.resource_id = d.resource_id AND v.spec_version = d.spec_version)
        + (SELECT count(*) FROM cloud_provisioned p WHERE p.resource_id = d.resource_id
           AND p.spec_version = d.spec_version) AS versions
      FROM cloud_drift d WHERE d.status = 'accepted'{late}""")
    breaches = [f"half-written: {row}" for row in rows
                if row["accepts"] != 1 or row["undos"] != int(row["undone"])
                or (row["versions"] != 1 and row["spec_version"] is not None)]
    accepted = {row["id"]: row for row in rows}
    for row in ledger:
        if row["state"] != "confirmed":
            continue
        given = row.get("given", {})
        if row["kind"] == "accept" and accepted.get(given["driftId"], {}).get("resolution_note") != row["mark"]:
            breaches.append(f"a confirmed accept is not stored: {row} {accepted.get(given['driftId'])}")
        elif row["kind"] == "REST accept" and row["mark"] not in accepted:
            breaches.append(f"a confirmed accept is not stored: {row}")
        elif row["kind"] == "undo" and not accepted.get(given["driftId"], {"undone": since})["undone"]:
            breaches.append(f"a confirmed undo is not stored: {row}")
        elif row["kind"] == "bulk accept":
            breaches += [f"an accept of a bulk is not stored: {item}"
                         for item in row["answer"]["executeBulk"]["run"]["items"] if item["driftId"] not in accepted]
    report.check("accepts complete", f"{len(rows)} accepted drifts, {sum(bool(row['undone']) for row in rows)} undone",
                 breaches)


def check_specs(db, report):
    """The versions of each spec are 1, 2, 3 and so on, each once, and each has the events that made it."""
    rows = db.rows("""SELECT resource_id, count(*) AS n, min(spec_version) AS low, max(spec_version) AS high,
        count(DISTINCT spec_version) AS different FROM (SELECT resource_id, spec_version FROM spec_versions
        UNION ALL SELECT resource_id, spec_version FROM cloud_provisioned) v GROUP BY resource_id""")
    report.check("versions gap-free", f"{sum(row['n'] for row in rows)} versions of {len(rows)} specs",
                 [f"{row}" for row in rows if not row["low"] == 1 == row["n"] - row["high"] + 1
                  or row["different"] != row["n"]])


def check_history(db, report):
    """Each version was made by one decision, and no event names a version that does not exist."""
    made = collections.defaultdict(collections.Counter)
    for event in db.rows("SELECT resource_id, type, data FROM cloud_resource_events WHERE type IN ('spec_recorded', "
                         "'spec_retired', 'drift_accepted', 'accept_undone')"):
        if "specVersion" in event["data"]:
            made[event["resource_id"], event["data"]["specVersion"]][event["type"]] += 1
    versions = {(row["resource_id"], row["spec_version"]) for row in db.rows(
        "SELECT resource_id, spec_version FROM spec_versions UNION SELECT resource_id, spec_version FROM "
        "cloud_provisioned")}
    breaches = [f"no event made {version}" for version in versions - made.keys()]
    breaches += [f"an event names a version that does not exist: {version}" for version in made.keys() - versions]
    # The accept of a missing resource retires its spec, and the undo of this accept records the spec again.
    together = ({"drift_accepted", "spec_retired"}, {"accept_undone", "spec_recorded"})
    for version, types in made.items():
        if len(types) > 1 and set(types) not in together:
            breaches.append(f"{version} was made in several ways: {dict(types)}")
        if types["spec_recorded"] > 1 or types["spec_retired"] > 1:
            breaches.append(f"{version} has two events: {dict(types)}")
    report.check("versions and events agree", f"{len(versions)} versions", breaches)


def check_open(db, report):
    """At most one open row for a field of a resource."""
    rows = db.rows("SELECT resource_id, field, count(*) AS n FROM cloud_drift WHERE status = 'open' "
                   "GROUP BY resource_id, field")
    report.check("one open row for a field", f"{len(rows)} open drifts", [f"{row}" for row in rows if row["n"] > 1])


def check_events(db, report):
    """The events of each drift are in order, and say the same as its row."""
    events = collections.defaultdict(list)
    number = 0
    for event in db.rows("SELECT type, data, occurred_at FROM cloud_resource_events WHERE type LIKE 'drift\\_%' "
                         "ESCAPE '\\' OR type IN ('accept_undone', 'snooze_ended') ORDER BY occurred_at, id"):
        if "driftId" in event["data"]:
            events[event["data"]["driftId"]].append(event["type"])
            number += 1
    breaches = []
    drifts = db.rows("SELECT id, status, revision, snoozed, undone_at, split_from FROM cloud_drift")
    for drift in drifts:
        types = collections.Counter(events.pop(drift["id"], []))
        closed = {kind: types[f"drift_{kind}"] for kind in ("accepted", "stale", "reverted")}
        wanted = {kind: int(drift["status"] == kind) for kind in closed}
        split = drift["split_from"] is not None
        if (types["drift_detected"] != (0 if split else 1) or closed != wanted
                or (not split and types["drift_changed"] != drift["revision"] - 1)
                or types["accept_undone"] != int(drift["undone_at"] is not None)
                or (drift["snoozed"] and types["drift_snoozed"] <= types["snooze_ended"])):
            breaches.append(f"{drift}: {dict(types)}")
    breaches += [f"events of a drift that does not exist: {drift}" for drift in events]
    report.check("events and drifts agree", f"{number} events of {len(drifts)} drifts", breaches)


def check_bulks(db, report):
    """Each drift that a bulk has accepted has the event of this bulk."""
    rows = db.rows(f"""SELECT i.bulk_id, i.drift_id, d.status, d.spec_version AS version, i.spec_version,
        (SELECT count(*) FROM cloud_resource_events e WHERE e.resource_id = i.resource_id AND e.type = 'drift_accepted'
          AND {db.same('i.drift_id', "e.data->>'driftId'")} AND {db.same('i.bulk_id', "e.data->>'bulkId'")}) AS events
      FROM bulk_items i JOIN bulks b ON b.id = i.bulk_id JOIN cloud_drift d ON d.id = i.drift_id
      WHERE b.action = 'accept' AND i.outcome = 'done'""")
    half = db.rows("SELECT b.id FROM bulks b WHERE b.finished_at IS NOT NULL AND EXISTS (SELECT 1 FROM bulk_items i "
                   "WHERE i.bulk_id = b.id AND i.outcome IS NULL)")
    # The item has no version if the resource is missing and its spec was retired.
    breaches = [f"{row}" for row in rows if row["events"] != 1 or row["status"] != "accepted"
                or row["spec_version"] not in (None, row["version"])]
    report.check("bulks complete", f"{len(rows)} drifts accepted by bulks",
                 breaches + [f"a finished bulk has drifts that wait: {row}" for row in half])


def check_states(db, ledger, report):
    """The newest confirmed import of a Terraform state is stored, unless one without an answer is newer."""
    serials = {state: [int(row["mark"]) for row in ledger if row["kind"] == "state" and row["state"] == state]
               for state in ("confirmed", "unknown")}
    stored = [row["serial"] for row in db.rows("SELECT serial FROM terraform_states")]
    newest = max(serials["confirmed"], default=0)
    allowed = {newest, *(serial for serial in serials["unknown"] if serial > newest)}
    breaches = [f"the newest confirmed serial is {newest}, and {stored} is stored"] if newest and not (
        allowed & set(stored)) else []
    report.check("the newest state is stored", f"{len(serials['confirmed'])} imports, serial {stored}", breaches)


def same(expected, live):
    """Whether two values are equal for the comparison, as far as the soak uses it: lists are sets, empty is unset."""
    expected, live = ((tuple(sorted(set(value))) or None) if isinstance(value, list) else value
                      for value in (expected, live))
    return expected == live


def check_inbox(db, report):
    """The open drifts and the ignored differences are exactly the differences."""
    shown = {(row["resource_id"], row["field"]) for row in
             db.rows("SELECT resource_id, field FROM cloud_drift WHERE status = 'open'")}
    ignored = {(row["resource_id"], row["field"]) for row in
               db.rows("SELECT resource_id, field FROM ignored_differences")}
    rows = db.rows("""SELECT r.id, r.name, r.size_slug, r.region, r.tags, r.attrs, p.spec, r.gone_at
                      FROM cloud_resources r JOIN cloud_provisioned p ON p.resource_id = r.id AND p.retired_at IS NULL
                      WHERE r.kind IN ('droplet', 'server')""")
    differ, compared = set(), {row["id"] for row in rows}
    for row in rows:
        live = {**row["attrs"], **{column: row[column] for column in ("name", "size_slug", "region", "tags")}}
        if row["gone_at"]:
            differ.add((row["id"], "*"))
        else:
            differ |= {(row["id"], field) for field, value in row["spec"].items() if not same(value, live.get(field))}
    both = {key for key in shown | ignored if key[0] in compared}
    breaches = [f"a difference is not shown: {key}" for key in differ - both]
    breaches += [f"shown, but equal: {key}" for key in both - differ]
    breaches += [f"shown and ignored: {key}" for key in shown & ignored]
    report.check("the inbox is the differences", f"{len(differ)} differences, {len(shown)} open drifts, "
                 f"{len(ignored)} ignored", breaches)


def check_totals(db, client, server, report):
    """The totals of the API equal the counts of the rows."""
    breaches, found = [], []
    for status in ("OPEN", "ACCEPTED", "STALE", "REVERTED"):
        answer = client.graphql("total", "query($s: [DriftStatus!]) { drifts(first: 0, filter: { status: $s }) { "
                                "totalCount } }", {"s": [status]}, server)
        total = answer.body["drifts"]["totalCount"]
        rows = db.rows(f"SELECT count(*) AS n FROM cloud_drift WHERE status = '{status.lower()}'")[0]["n"]
        found.append(f"{status} {total}")
        if total != rows:
            breaches.append(f"the total of {status} is {total}, and there are {rows} rows")
    managed = sum(kind["managed"] for kind in client.graphql("total", "{ coverage { managed } }", {}, server)
                  .body["coverage"])
    rows = db.rows("SELECT count(*) AS n FROM cloud_provisioned WHERE retired_at IS NULL")[0]["n"]
    if managed != rows:
        breaches.append(f"coverage counts {managed} managed resources, and there are {rows} specs")
    report.check("totals are the counts", ", ".join(found), breaches)
