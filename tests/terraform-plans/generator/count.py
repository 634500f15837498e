"""Counts what the fixtures hold, and looks for what must not be in them: `python count.py WORD...` (host name, folders)."""

import collections
import gzip
import json
import sys
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def text(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def main():
    types, classes, changed = set(), collections.Counter(), set()
    changes, size = 0, 0
    seen_changes = set()
    for path in sorted(FIXTURES.iterdir()):
        size += path.stat().st_size
        for word in sys.argv[1:]:
            if word in text(path):
                print(f"{path.name}: has {word!r}")
        if not path.name.endswith(".oracle.json"):
            continue
        oracle = json.loads(text(path))
        types |= {instance["type"] for instance in oracle["instances"].values()}
        first = oracle["scenario"].split(".")[0]
        for change in oracle["changes"]:
            seen_changes.add((first if "." in oracle["scenario"] else oracle["scenario"], change["change"]))
        if oracle["verdict"] == "import":
            classes.update(row["class"] for row in oracle["rows"])
            changed |= {row["type"] for row in oracle["rows"] if "type" in row}
    secrets = {secret["value"] for path in FIXTURES.glob("*.secrets.json") for secret in json.loads(text(path))}
    print(f"files {len(list(FIXTURES.iterdir()))}, {size} bytes, plans {len(list(FIXTURES.glob('*.plan.json*')))}")
    print(f"types {len(types)} ({len(changed)} of them with a row), rows by class {dict(classes)}")
    print(f"changes {len(seen_changes)} (one told twice counts once per plan name), secrets {len(secrets)}")


main()
