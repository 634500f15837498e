"""One made-up cloud, one Terraform folder, and the truth about what was changed behind Terraform's back.

A scenario does five things with a World:

1. `write` the configuration,
2. `apply` it (and mostly `settle`: one `apply -refresh-only`, which takes in the noise of the first apply),
3. `change` things in the cloud with boto3, stating in the same call which rows have to come of it,
4. `save` the plan with the truth beside it,
5. `stop`.

The truth is only what the scenario stated. Nothing in this file reads a plan to write an oracle.
`check.py` compares the two afterwards.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import moto

PORT = int(os.environ.get("CORPUS_PORT", "5055"))
CLOUD = f"http://127.0.0.1:{PORT}"
REGION = "eu-west-1"
ACCOUNT = "123456789012"
HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
# The folder that holds registry.terraform.io/hashicorp/aws/...: the provider is taken from there and nowhere else,
# so that a run never asks a registry.
MIRROR = os.environ.get("TF_PLUGIN_MIRROR") or sys.exit("set TF_PLUGIN_MIRROR to a folder with the AWS provider")
GZIP_ABOVE = 32_000

PROVIDER = """
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
"""

PLAIN_PROVIDER = PROVIDER + """
provider "aws" {
  region            = "eu-west-1"
  s3_use_path_style = true
}
"""


# ---------------------------------------------------------------- the rows of the truth

def drift(address, field, before, after, path=None, **more):
    """A row that has to be reported."""
    return _row("drift", address, field, before, after, path, with_normal="drift", **more)


def gone(address, **more):
    """An instance deleted in the cloud: has to be reported."""
    return {"address": address, "gone": True, "field": "*", "class": "drift", "with_normal": "drift", **more}


def default(address, field, before, after, why="undeclared default", path=None, **more):
    """Not to be seen as declared in the refresh-only plan, but a normal plan would undo it: neither right nor wrong."""
    more.setdefault("normal_plan_would_undo", True)
    return _row("default", address, field, before, after, path, why=why, with_normal="drift", **more)


def ignored(address, field, before, after, path=None, **more):
    """Declared, and under ignore_changes. The refresh-only plan cannot tell (neither right nor wrong);
    with the normal plan beside it nothing may be reported."""
    return _row("default", address, field, before, after, path, why="ignore_changes", with_normal="not_reported",
                normal_plan_would_undo=False, **more)


def quiet(address, field, why, before=None, after=None, path=None, **more):
    """Something happened here, and it must not be reported."""
    return _row("not_reported", address, field, before, after, path, why=why, with_normal="not_reported", **more)


def secret_row(address, field, path=None, **more):
    """A row that has to be reported as "changed", and whose values must not be shown."""
    hidden = {"$secret": "not comparable"}
    return _row("drift", address, field, hidden, hidden, path, with_normal="drift", **more)


def _row(kind, address, field, before, after, path, **more):
    row = {"address": address, "field": field, "before": before, "after": after, "class": kind}
    if path:
        row["path"] = path
    row.update(more)
    return row


# ---------------------------------------------------------------- what the configuration declares

META = {"count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "connection"}


def declared_in(folder):
    """What each resource block of a folder's .tf files says, read from the text (which `terraform fmt` has laid out):
    {"type.name": {"declared": [...], "dynamic": [...], "ignored": [...]}} and the folder's modules {name: source}."""
    blocks, modules = {}, {}
    for file in sorted(folder.glob("*.tf")):
        current = None
        heredoc = None
        for line in file.read_text().splitlines():
            if heredoc:
                if line.strip() == heredoc:
                    heredoc = None
                continue
            begin = re.search(r"<<-?([A-Z]+)$", line)
            if begin:
                heredoc = begin.group(1)
            head = re.match(r'resource "([^"]+)" "([^"]+)" \{', line)
            if head:
                current = {"declared": [], "dynamic": [], "ignored": []}
                blocks[f"{head[1]}.{head[2]}"] = current
                continue
            head = re.match(r'module "([^"]+)" \{', line)
            if head:
                current = None
                module = head[1]
                continue
            source = re.match(r'  source\s+= "(\.\.?/[^"]+)"', line)
            if source:
                modules[module] = source[1]
            if line == "}":
                current = None
            if current is None:
                continue
            dynamic = re.match(r'  dynamic "([^"]+)" \{', line)
            if dynamic:
                current["dynamic"].append(dynamic[1])
                continue
            key = re.match(r"  (\w+)( +=|.* \{|)", line)
            if key and not line.startswith("   ") and key[1] not in META:
                if not re.search(r"= null$", line) and key[1] not in current["declared"]:
                    current["declared"].append(key[1])
            ignore = re.match(r"    ignore_changes\s+= (?:\[(.*)\]|(all))$", line)
            if ignore:
                current["ignored"] = [ignore[2]] if ignore[2] else ignore[1].split(", ")
    return blocks, modules


def quoted(key):
    """An instance key as Terraform writes it in an address."""
    if isinstance(key, int):
        return f"[{key}]"
    text = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("${", "$${").replace("%{", "%%{")
    return f'["{text}"]'


# ---------------------------------------------------------------- the world

class World:
    def __init__(self, name, about, state="after one apply -refresh-only"):
        self.name, self.about, self.state = name, about, state
        self.rows, self.changes, self.notes = [], [], []
        self.secrets = []
        self.variables = []
        self.folder = Path(os.environ.get("CORPUS_WORK", HERE.parent / "work")) / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "terraform.rc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{ path = "{MIRROR}" }}\n}}\ndisable_checkpoint = true\n')
        self.env = {
            **os.environ,
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"),
            "TF_IN_AUTOMATION": "1",
            "AWS_ENDPOINT_URL": CLOUD,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "3",
        }
        self.cloud = subprocess.Popen(
            [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{PORT}'])"],
            stdout=subprocess.DEVNULL, stderr=open(self.folder / "moto.log", "w"))
        for _ in range(100):
            time.sleep(0.2)
            if self.cloud.poll() is not None:
                raise SystemExit(f"the cloud did not start: is port {PORT} taken?")
            try:
                urllib.request.urlopen(f"{CLOUD}/moto-api/data.json").read()
                break
            except OSError:
                pass
        self.post("/moto-api/seed?a=42")
        self.initialised = False
        print(f"== {name}: {about}", flush=True)

    def post(self, path):
        urllib.request.urlopen(urllib.request.Request(CLOUD + path, method="POST")).read()

    def stop(self):
        self.cloud.terminate()
        self.cloud.wait()

    # ---- Terraform

    def write(self, text, file="main.tf", provider=PLAIN_PROVIDER):
        """Writes one file of the configuration; the root's main.tf gets the provider in front."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((provider if file == "main.tf" else "") + text)
        self.terraform("fmt", str(path))
        if file == "main.tf":
            self.initialised = False

    def terraform(self, *args, ok=(0,), env=None):
        done = subprocess.run(["terraform", *args], cwd=self.folder, env={**self.env, **(env or {})},
                              capture_output=True, text=True, timeout=300)
        with open(self.folder / "terraform.log", "a") as log:
            log.write(f"\n$ terraform {' '.join(args)}\n{done.stdout[-6000:] if args[0] != 'show' else ''}{done.stderr}\n")
        if done.returncode not in ok:
            raise RuntimeError(f"terraform {args[0]} ended with {done.returncode}:\n{done.stdout[-500:]}{done.stderr}")
        return done.stdout

    def init(self):
        if not self.initialised:
            self.terraform("init", "-input=false", "-no-color")
            self.initialised = True

    def apply(self, *args, ok=(0,)):
        self.init()
        self.terraform("apply", "-auto-approve", "-input=false", "-no-color", *self.variables, *args, ok=ok)

    def settle(self):
        """Somebody runs `apply -refresh-only`: the state takes in what the cloud has."""
        self.apply("-refresh-only")

    # ---- the cloud

    def aws(self, service, region=REGION):
        return boto3.client(service, region_name=region, endpoint_url=CLOUD,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def value(self, address, attribute):
        """One attribute as the state has it (an id, an ARN): what the scenario needs to make its change."""
        found = self.instances_in_state()[address]["attributes"]
        return found[attribute]

    def change(self, text, action, *rows):
        """Makes one change in the cloud and states the rows that have to come of it."""
        action()
        self.changes.append({"change": text, "classes": sorted({row["class"] for row in rows})})
        for row in rows:
            self.rows.append({**row, "change": text})

    def secret(self, number, where, marked, encoded=None):
        """Notes one planted secret; `encoded`: the only form in which the plan has it."""
        entry = {"value": f"planted-secret-{number:03}", "where": where, "marked": marked}
        self.secrets.append({**entry, "encoded": encoded} if encoded else entry)
        self.secrets.sort(key=lambda secret: secret["value"])

    # ---- the files

    def instances_in_state(self):
        state = json.loads(self.terraform("state", "pull") or "{}")
        found = {}
        for resource in state.get("resources", []):
            if resource["mode"] != "managed":
                continue
            prefix = resource["module"] + "." if "module" in resource else ""
            for instance in resource["instances"]:
                if "deposed" in instance:
                    continue
                key = quoted(instance["index_key"]) if "index_key" in instance else ""
                found[f"{prefix}{resource['type']}.{resource['name']}{key}"] = {
                    "type": resource["type"], "attributes": instance["attributes"],
                    "block": f"{resource['type']}.{resource['name']}", "module": resource.get("module", ""),
                    "tainted": instance.get("status") == "tainted",
                }
        return found

    def instances(self, rows):
        """Each instance of the state with what the text of the configuration declares for it."""
        out = {}
        for address, instance in sorted(self.instances_in_state().items()):
            folder = self.folder
            blocks, modules = declared_in(folder)
            without_keys = re.sub(r'\[("(\\.|[^"\\])*"|\d+)\]', "", instance["module"])
            for name in re.findall(r"module\.([\w-]+)", without_keys):
                if folder and name in modules:
                    folder = folder / modules[name]
                    blocks, modules = declared_in(folder)
                else:
                    folder, blocks, modules = None, {}, {}
            block = blocks.get(instance["block"])
            entry = {"id": instance["attributes"].get("id"), "type": instance["type"],
                     "declared": sorted(block["declared"]) if block else [],
                     "changed": sorted({row["field"] for row in rows
                                        if row["address"] == address and row["class"] == "drift"})}
            if block is None:
                entry["configured"] = False
            for extra in ("dynamic", "ignored"):
                if block and block[extra]:
                    entry[extra] = block[extra]
            if instance["tainted"]:
                entry["tainted"] = True
            out[address] = entry
        return out

    def plan(self, *args, kind=("-refresh-only",), ok=(0,), env=None):
        """The plan as JSON text. The plan file is written also where Terraform ends with 1."""
        self.init()
        file = self.folder / "p"
        file.unlink(missing_ok=True)
        self.terraform("plan", *kind, "-lock=false", "-input=false", "-no-color", "-out=p", *self.variables, *args,
                       ok=ok, env=env)
        return self.terraform("show", "-json", "p")

    def save(self, part=None, verdict="import", normal=False, text=None, rows=None, about=None, name=None, **more):
        """Writes NAME[.part].plan.json and its oracle; with `normal`, also NAME.normal.json of the same moment.
        A normal plan is always made (into the work folder), for check.py."""
        name = name or (f"{self.name}.{part}" if part else self.name)
        rows = list(self.rows if rows is None else rows)
        instances = self.instances(rows)
        if text is None:
            text = self.plan()
        put(FIXTURES, name + ".plan.json", text)
        if verdict == "import":
            beside = self.plan(kind=())
            put(self.folder, name + ".normal.json", beside, packed=False)
            if normal:
                put(FIXTURES, name + ".normal.json", beside)
        for row in rows:
            instance = instances.get(row["address"]) or instances.get(row.get("previous_address"))
            if instance:
                row["type"], row["providerId"] = instance["type"], instance["id"]
        rows.sort(key=lambda row: (row["address"], row["field"], row["class"]))
        oracle = {
            "scenario": name, "about": about or self.about, "verdict": verdict, "state": self.state,
            "made_with": f"Terraform 1.11.4, hashicorp/aws 5.100.0, moto {moto.__version__}",
            "planted": len(self.changes), "changes": list(self.changes),
            "rows": rows if verdict == "import" else [],
            "notes": list(self.notes), "normal": normal, "instances": instances, **more,
        }
        if verdict != "import":
            oracle["would_be_wrong_if_trusted"] = [
                {"address": row["address"], "field": row["field"]} for row in rows if row["class"] == "drift"]
        if self.secrets:
            oracle["secrets"] = {
                "marked": [s["value"] for s in self.secrets if s["marked"]],
                "unmarked": [s["value"] for s in self.secrets if not s["marked"]]}
            put(FIXTURES, name + ".secrets.json", dump(self.secrets), packed=False)
        else:
            oracle["secrets"] = {"marked": [], "unmarked": []}
        put(FIXTURES, name + ".oracle.json", dump(oracle), packed=False)


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def put(folder, name, text, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for old in (folder / name, folder / (name + ".gz")):
        old.unlink(missing_ok=True)
    data = text.strip().encode() + b"\n"
    if packed and len(data) > GZIP_ABOVE:
        (folder / (name + ".gz")).write_bytes(gzip.compress(data, 9, mtime=0))
    else:
        (folder / name).write_bytes(data)
