"""Prints the licences of the libraries in the program, which must be distributed with it. Equal texts appear once.

    python3 scripts/lib/third_party.py TARGET
"""

import json
import pathlib
import re
import subprocess
import sys

NAMES = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)


def packages(target):
    """Returns the packages that are compiled into the program, without those of the repository."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    by_id = {package["id"]: package for package in found["packages"]}
    start = next(id for id, package in by_id.items() if package["name"] == "drift-inbox")
    seen, waiting = set(), [start]
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    used = [by_id[id] for id in seen if by_id[id]["source"] is not None]
    return sorted(used, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """Returns the texts of the licence files of a package, also of the C code in it."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and NAMES.match(file.name)]
    files += [file for file in sorted(folder.glob("*/LICENSE*")) if file.is_file()]
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in files]


def main():
    by_text, without = {}, []
    for package in packages(sys.argv[1]):
        title = f"{package['name']} {package['version']} ({package['license'] or 'see the text'})"
        found = texts(package)
        if not found:
            without.append(title)
        for text in found:
            by_text.setdefault(text, []).append(title)
    print("Drift Inbox contains these libraries. Each text below applies to those named above it.")
    for text, titles in sorted(by_text.items(), key=lambda one: one[1]):
        print("\n" + "=" * 80 + "\n" + "\n".join(dict.fromkeys(titles)) + "\n" + "=" * 80 + "\n\n" + text)
    if without:
        print("\n" + "=" * 80 + "\nThese are published without a text of their licence:\n\n" + "\n".join(without))


main()
