"""Makes the fixtures: `python make.py` for all, `python make.py NAME...` for some (a part of the name is enough)."""

import importlib
import sys
import traceback

from world import World

MODULES = ["plain", "shapes", "life", "secret", "refuse"]


def main():
    wanted = sys.argv[1:]
    failed = []
    for module in MODULES:
        try:
            scenarios = importlib.import_module(f"scenarios_{module}").SCENARIOS
        except ModuleNotFoundError:
            continue
        for name, about, function in scenarios:
            if wanted and not any(part in name for part in wanted):
                continue
            world = World(name, about)
            try:
                function(world)
            except Exception:
                traceback.print_exc()
                failed.append(name)
            finally:
                world.stop()
    print("failed:", failed or "none")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
