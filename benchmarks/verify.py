"""
What a verification costs: CPU time and memory, by the number of invoices on each side.

``python benchmarks/verify.py`` plants 1,000 differences of ten kinds among 10,000, 30,000
and 100,000 invoices a side, verifies each in a process of its own, and has the certificate
checked by a script that shares no code with tieout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import fresh, peak, table, timed

TESTS = Path(__file__).parent.parent / "tests"
sys.path.append(str(TESTS))

SIZES = (10_000, 30_000, 100_000)
OF_EACH_KIND = 100

MEMORY_MAX = 1.10
"""The aim: at most so many times the memory for ten times the invoices."""

TIME_MAX = 1.25
"""The aim: at most so many times the CPU time for each of ten times the invoices."""


def verified(folder: Path) -> dict[str, Any]:
    """One verification in this process; its certificate is left in the folder."""
    from planted import Planted  # noqa: PLC0415 - in the process that is measured

    with Planted(folder).engine() as engine:
        before = peak()
        certificate, seconds = timed(engine.verify)
        certificate.save(folder / "certificate.jsonl")
    return {"seconds": seconds, "before": before, "peak": peak()}


def measured(size: int) -> dict[str, Any]:
    """Plant, verify, and have it checked: fails where anything else was found."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [__file__, "--plant", folder, "--size", str(size)]
        subprocess.run([sys.executable, *arguments], check=True)
        run = fresh(__file__, "--verify", folder)
        oracle = [str(TESTS / "verify_oracle.py"), folder]
        certificate = f"{folder}/certificate.jsonl"
        told = subprocess.run(
            [sys.executable, *oracle, certificate],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return {**run, "size": size, "oracle": told.stdout.strip()}


def word(value: float, most: float) -> str:
    """A ratio, its aim, and whether it is reached."""
    return f"{value:.2f} (aim {most:.2f}): {'reached' if value <= most else 'MISSED'}"


def compared(sizes: list[int]) -> None:
    """Each size in turn, and what ten times the invoices cost more."""
    runs = [measured(size) for size in sizes]
    first, last = runs[0], runs[-1]
    each = [run["seconds"] / run["size"] for run in runs]
    head = (
        *("invoices a side", "peak MiB", "peak MiB before", "CPU of an invoice"),
        "the oracle",
    )
    rows = [
        [
            f"{run['size']:,}",
            f"{run['peak']:.1f}",
            f"{run['before']:.1f}",
            f"{seconds / each[0]:.2f}",
            run["oracle"],
        ]
        for run, seconds in zip(runs, each, strict=True)
    ]
    print("CPU of an invoice: of the first row = 1.\n")
    print(table(head, rows))
    times = last["size"] // first["size"]
    print(f"\n{times} times the invoices, memory: ", end="")
    print(word(last["peak"] / first["peak"], MEMORY_MAX))
    print(f"{times} times the invoices, CPU of each: ", end="")
    print(word(each[-1] / each[0], TIME_MAX))


def main() -> None:
    """Measure, or do one step of it in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--plant", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--verify", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plant:
        from planted import plant  # noqa: PLC0415

        plant(given.plant, given.size, OF_EACH_KIND)
    elif given.verify:
        print(json.dumps(verified(given.verify)))
    else:
        compared(given.sizes)


if __name__ == "__main__":
    main()
