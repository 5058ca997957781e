"""
What each connector costs in calls: read, fetched by id and written, as a Markdown table.

Counted on the wire against the doubles of the vendors' servers, beside what capabilities
declare. The exit code is 1 where a system costs more than it declares.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tieout.models import Invoice, Payment, Settlement
from tieout.testing.conformance import measure

TESTS = Path(__file__).parent.parent / "tests"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Count the calls of each connector.")
    parser.add_argument("--count", type=int, default=1000, help="records of a kind")
    parser.add_argument("systems", nargs="*", help="some systems alone")
    given = parser.parse_args()
    sys.path[:0] = [str(TESTS), str(TESTS / "connectors")]
    from benches import BENCHES  # noqa: PLC0415 - it lies among the tests

    print(f"| System | {given.count:,} times | Calls | Declared (at most) |")
    print("| --- | --- | --- | --- |")
    dearer = False
    for name in given.systems or BENCHES:
        for each in measure(
            BENCHES[name], given.count, only=(Settlement, Invoice, Payment)
        ).costs:
            what = f"{each.what} {each.kind}"
            print(f"| {name} | {what} | {each.calls} | {each.declared} |", flush=True)
            dearer = dearer or each.calls > each.declared
    return int(dearer)


if __name__ == "__main__":
    sys.exit(main())
