"""The command line: ``python -m spectralkit tour``."""

import argparse
import sys


def main(arguments=None):
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m spectralkit", description="Recent numerical linear algebra as dependable tools."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    tour = commands.add_parser("tour", help="run every method on real data and draw what it does")
    tour.add_argument("families", nargs="*", metavar="family", help="families to visit (default: all)")
    tour.add_argument(
        "--out", default="spectralkit-tour", metavar="DIR", help="folder of the pictures (%(default)s)"
    )
    options = parser.parse_args(arguments)

    # Imported only now, so that --help answers at once.
    from spectralkit.tour import run

    return run(options.families, options.out)


if __name__ == "__main__":
    sys.exit(main())
