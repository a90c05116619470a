"""Measure a family's bars: ``python -m benchmarks [family ...] [--only TEXT] [--check]``."""

import argparse
import pathlib
import pkgutil
import sys

from benchmarks import _harness


def main(arguments=None):
    folder = pathlib.Path(__file__).parent
    known = sorted(
        module.name
        for module in pkgutil.iter_modules([str(folder)])
        if not module.ispkg and not module.name.startswith("_")
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("families", nargs="*", metavar="family", help=f"{', '.join(known)} (default: all)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only bars whose name contains TEXT")
    parser.add_argument(
        "--check",
        action="store_true",
        help="fewer repeats, a third of each speed ratio suffices, times get three attempts, "
        "nothing is written, fails if a bar does",
    )
    options = parser.parse_args(arguments)
    unknown = set(options.families) - set(known)
    if unknown:
        parser.error(f"no family named {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    missed = []
    for family in options.families or known:
        missed += _harness.measure(family, only=options.only, check=options.check)
    for line in missed:
        print(f"MISSED {line}")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
