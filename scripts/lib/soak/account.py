"""The invented clouds of the soak: an inventory file, JSON lines of a script, a Terraform state and plans."""

import datetime
import json
import random
import threading

from .setting import SCRATCH, stopped
from .servers import write

SIZES, TAGS, IMAGES = ["small", "medium", "large"], ["web", "db", "blue", "green", "old"], ["debian", "ubuntu"]
SOURCES = """[[source]]
name = "cloud"
kind = "file"
path = "inventory.json"

[[source]]
name = "lab"
kind = "lines"
every = "1h"

[[source]]
name = "net"
kind = "terraform-plan"
every = "1h"
"""
DECLARED = 40  # droplets that the Terraform state declares
LOGS = 30  # log groups in the plan


def resource(number):
    return {"kind": "droplet", "providerId": str(number), "name": f"web-{number}",
            "region": random.choice(["nyc3", "fra1"]), "sizeSlug": "small", "tags": ["web"],
            "attrs": {"image": "debian", "monitoring": True}}


class Account:
    """The resources of the inventory file. A few of them come and go."""

    def __init__(self, size):
        self.resources, self.hidden = [resource(number) for number in range(size)], {}
        self.lock, self.serial = threading.Lock(), 0
        write(f"{SCRATCH}/sources.toml", SOURCES)
        self.store()

    def store(self):
        write(f"{SCRATCH}/inventory.json", {"provider": "digitalocean",
                                            "resources": [r for r in self.resources if r["name"] not in self.hidden]})

    def change(self, number):
        """Changes this many resources, and stores the file."""
        for found in random.sample(self.resources, min(number, len(self.resources))):
            what = random.random()
            if what < 0.5:
                found["sizeSlug"] = random.choice(SIZES)
            elif what < 0.8:
                found["tags"] = random.sample(TAGS, random.randint(1, 3))
            else:
                found["attrs"] = {"image": random.choice(IMAGES), "monitoring": random.random() < 0.8}
        for name in list(self.hidden):
            if random.random() < 0.2:
                del self.hidden[name]
        if random.random() < 0.15 and len(self.hidden) < 4:
            self.hidden[random.choice(self.resources)["name"]] = True
        self.store()

    def keep_changing(self, trouble):
        while not stopped.wait(0.7):
            self.change(10)
            trouble.count("changes of the inventory file")

    def show_all(self):
        self.hidden.clear()
        self.store()

    def state(self):
        """A Terraform state with a new serial, which declares the first droplets."""
        with self.lock:
            self.serial += 1
            serial = self.serial
        declared = [{
            "mode": "managed", "type": "digitalocean_droplet", "name": f"web_{number}",
            "provider": 'provider["registry.terraform.io/digitalocean/digitalocean"]',
            "instances": [{"schema_version": 1, "attributes": {
                "id": str(number), "name": f"web-{number}", "region": "nyc3", "size": random.choice(SIZES)}}],
        } for number in range(min(DECLARED, len(self.resources)))]
        return serial, {"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "soak",
                        "outputs": {}, "resources": declared}


def lines():
    """JSON lines of another cloud."""
    rows = [{"provider": "hetzner", "account": "soak", "kinds": ["server"]}]
    rows += [{"kind": "server", "providerId": str(number), "name": f"lab-{number}", "region": "fsn1",
              "sizeSlug": random.choice(SIZES)} for number in range(60)]
    return "\n".join(json.dumps(row) for row in [*rows, {"complete": "server"}]) + "\n"


def plan():
    """A refresh-only plan, in which some log groups differ from what was applied."""
    live = {number: random.choice([7, 7, 14, 30]) for number in range(LOGS)}
    shared = {"mode": "managed", "type": "aws_cloudwatch_log_group"}
    provider = "registry.terraform.io/hashicorp/aws"

    def named(number):
        return {"address": f"aws_cloudwatch_log_group.g{number}", "name": f"g{number}", **shared}

    def values(number, days):
        return {"id": f"/soak/{number}", "name": f"/soak/{number}", "retention_in_days": days, "skip_destroy": False}

    return {
        "format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {"root_module": {}},
        "resource_drift": [{**named(n), "provider_name": provider, "change": {
            "actions": ["update"], "before": values(n, 7), "after": values(n, days), "after_unknown": {},
            "before_sensitive": {}, "after_sensitive": {}}} for n, days in live.items() if days != 7],
        "prior_state": {"format_version": "1.0", "terraform_version": "1.11.4", "values": {"root_module": {
            "resources": [{**named(n), "provider_name": provider, "schema_version": 0, "values": values(n, days),
                           "sensitive_values": {}} for n, days in live.items()]}}},
        "configuration": {"provider_config": {"aws": {"name": "aws", "full_name": provider}}, "root_module": {
            "resources": [{**named(n), "provider_config_key": "aws", "schema_version": 0, "expressions": {
                "name": {"constant_value": f"/soak/{n}"}, "retention_in_days": {"constant_value": 7}}}
                for n in live]}},
        "timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "applyable": True, "complete": True, "errored": False,
    }
