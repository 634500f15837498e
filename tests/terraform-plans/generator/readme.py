"""Writes fixtures/README.md: readme_head.md and a table of the plans."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"

lines = ["| name | verdict | types | changes | drift | default | not reported | what |",
         "| --- | --- | --- | --- | --- | --- | --- | --- |"]
for path in sorted(FIXTURES.glob("*.oracle.json")):
    oracle = json.loads(path.read_text())
    count = lambda kind: sum(row["class"] == kind for row in oracle["rows"])
    also = " + normal" if oracle["normal"] else ""
    also += " + secrets" if (FIXTURES / f"{oracle['scenario']}.secrets.json").exists() else ""
    types = len({instance["type"] for instance in oracle["instances"].values()})
    lines.append(f"| {oracle['scenario']}{also} | {oracle['verdict']} | {types} | {oracle['planted']} | {count('drift')} | "
                 f"{count('default')} | {count('not_reported')} | {oracle['about']} |")
(FIXTURES / "README.md").write_text((HERE / "readme_head.md").read_text() + "\n".join(lines) + "\n")
