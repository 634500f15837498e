"""Compares a Grafana dashboard with Grafana's own types: properties that Grafana does not know, and values of a wrong type.

    python3 check_dashboard.py FILE

Needs the packages grafana-foundation-sdk, whose types are generated from Grafana's schemas, and typeguard. Exits with 1
if something is wrong, and prints each fault with its path.
"""

import enum
import json
import sys
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from typeguard import TypeCheckError, check_type


def lost(file, read, path="$"):
    """Yields the properties of the file that Grafana's types did not keep."""
    if isinstance(file, dict) and isinstance(read, dict):
        for name, value in file.items():
            if name in read:
                yield from lost(value, read[name], f"{path}.{name}")
            # The encoder leaves out null, which says nothing.
            elif value is not None:
                yield f"{path}.{name}: Grafana does not know this property"
    elif isinstance(file, list) and isinstance(read, list) and len(file) == len(read):
        for at, (one, other) in enumerate(zip(file, read)):
            yield from lost(one, other, f"{path}[{at}]")
    elif file != read:
        yield f"{path}: {file!r} is read as {read!r}"


def names(hint):
    """Returns the texts that a type with enumerations allows. Some readers of the package leave such texts as they are."""
    options = typing.get_args(hint) or (hint,)
    return {item.value for option in options if isinstance(option, enum.EnumMeta) for item in option}


def mistyped(value, path="$"):
    """Yields the values whose type is not the one that Grafana's types declare."""
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from mistyped(item, f"{path}[{at}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from mistyped(item, f"{path}.{name}")
    elif type(value).__module__.startswith("grafana_foundation_sdk.models"):
        for name, hint in typing.get_type_hints(type(value)).items():
            inner = getattr(value, name, None)
            try:
                check_type(inner, hint)
            except TypeCheckError as why:
                if not (isinstance(inner, str) and inner in names(hint)):
                    yield f"{path}.{name}: {why}"
            yield from mistyped(inner, f"{path}.{name}")


def main():
    with open(sys.argv[1], encoding="utf-8") as opened:
        file = json.load(opened)
    register_default_plugins()
    dashboard = Dashboard.from_json(file)
    read = json.loads(JSONEncoder(sort_keys=True).encode(dashboard))
    faults = [*lost(file, read), *mistyped(dashboard)]
    print("\n".join(faults))
    if not file.get("panels"):
        faults.append("no panels")
    sys.exit(1 if faults else 0)


main()
