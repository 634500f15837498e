"""Holds each oracle against its plan, and prints what does not fit. It never writes an oracle.

For each row of class drift: the plan must have the change. For each other row: is the change to be seen at all?
For each declared field that differs in the plan: is there a row? With the normal plan (from the work folder): does it
undo what the oracle says it undoes?
"""

import gzip
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
WORK = Path(os.environ.get("CORPUS_WORK", HERE.parent / "work"))


def load(path):
    if path.exists():
        return json.loads(path.read_text())
    packed = path.with_name(path.name + ".gz")
    return json.loads(gzip.decompress(packed.read_bytes())) if packed.exists() else None


def changed_fields(changes):
    out = {}
    for entry in changes or []:
        change = entry["change"]
        if entry.get("mode") == "data" or entry.get("deposed"):
            continue
        before, after = change.get("before") or {}, change.get("after")
        fields = out.setdefault(entry["address"], {})
        if "delete" in change["actions"]:
            fields["*"] = (before, after)
        elif "create" in change["actions"]:
            fields["*"] = (None, after)
        if after is not None:
            unknown = change.get("after_unknown") or {}
            for field in set(before) | set(after):
                if before.get(field) != after.get(field) and unknown.get(field) is not True:
                    fields[field] = (before.get(field), after.get(field))
    return out


def empty(value):
    return value in (None, "", [], {}, False)


def holds(value, told, path):
    """Whether a field of the plan has what a row with a path tells of it."""
    if isinstance(told, dict) and "$json" in told:
        return json.loads(value) == told["$json"]
    if told == {"$secret": "not comparable"} or told is None:
        return True
    if path == "length":
        return len(value) == told
    if isinstance(told, dict):
        return any(all(member.get(key) == part for key, part in told.items()) for member in members(value))
    return told in leaves(value)


def members(value):
    """Every map inside a value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from members(inner)


def leaves(value):
    if isinstance(value, (dict, list)):
        return [leaf for inner in (value.values() if isinstance(value, dict) else value) for leaf in leaves(inner)]
    return [value]


def check(oracle_path):
    name = oracle_path.name.removesuffix(".oracle.json")
    oracle = json.loads(oracle_path.read_text())
    if oracle["verdict"] != "import":
        return
    plan = load(FIXTURES / f"{name}.plan.json")
    say = lambda text: print(f"{name}: {text}")
    raw = json.dumps(plan, ensure_ascii=False)
    seen = changed_fields(plan.get("resource_drift"))
    scenario = name.split(".")[0]
    normal = load(WORK / scenario / f"{name}.normal.json")
    undone = changed_fields(normal.get("resource_changes")) if normal else None
    rows = {}
    for row in oracle["rows"]:
        rows.setdefault((row["address"], row["field"]), []).append(row)
        at = seen.get(row["address"], {})
        label = f"{row['class']} {row['address']} {row['field']}"
        if row["address"] not in oracle["instances"] and row.get("why") != "moved":
            say(f"{label}: no such instance in the state")
        if row["field"] not in at:
            if row["class"] != "not_reported":
                say(f"{label}: NOT IN THE PLAN")
            elif row.get("why") not in ("caught up", "swallowed", "pending", "reordered"):
                say(f"{label} ({row.get('why')}): leaves no trace")
        elif not row.get("gone") and not row.get("path") and "$secret" not in str(row["before"]):
            before, after = at[row["field"]]
            if row["class"] != "not_reported" and (before != row["before"] or after != row["after"]):
                say(f"{label}: says {row['before']!r} -> {row['after']!r}, plan {before!r} -> {after!r}")
        elif row["class"] != "not_reported" and row.get("path"):
            for side, value in zip(("before", "after"), at[row["field"]]):
                if not holds(value, row[side], row["path"]):
                    say(f"{label}: {side} says {row[side]!r}, the plan has {str(value)[:200]!r}")
        if undone is not None:
            fields = undone.get(row["address"], {})
            would = row["field"] in fields or "*" in fields
            if would != row.get("normal_plan_would_undo", row["with_normal"] == "drift"):
                say(f"{label}: with_normal {row['with_normal']}, the normal plan "
                    f"{'undoes it' if would else 'leaves it'}")
    for address, fields in seen.items():
        instance = oracle["instances"].get(address, {})
        for field, (before, after) in fields.items():
            if (address, field) in rows:
                continue
            if field == "*":
                say(f"unexplained: {address} gone")
            elif field in instance.get("declared", []):
                if not (empty(before) and empty(after)):
                    say(f"unexplained declared: {address} {field}: {str(before)[:300]} -> {str(after)[:300]}")
            elif undone and field in undone.get(address, {}) and field != "tags_all":
                say(f"unexplained undeclared that the normal plan undoes: {address} {field}: {before} -> {after}")
    for secret in load(FIXTURES / f"{name}.secrets.json") or []:
        if secret["value"] not in raw and secret.get("encoded", "?") not in raw:
            say(f"{secret['value']} is not in the plan")


for path in sorted(FIXTURES.glob("*.oracle.json")):
    if len(sys.argv) < 2 or any(part in path.name for part in sys.argv[1:]):
        check(path)
