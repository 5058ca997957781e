"""
What a verification costs: CPU time and memory, by the number of invoices on each side.

``python benchmarks/verify.py`` plants 1,000 differences of ten kinds among 10,000 and
100,000 invoices a side, verifies each in a process of its own, and has the certificate
checked by a script that shares no code with tieout.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import measure

TESTS = Path(__file__).parent.parent / "tests"
sys.path.append(str(TESTS))

SIZES = (10_000, 100_000)
OF_EACH_KIND = 100


def verified(folder: Path, *, traced: bool) -> dict[str, Any]:
    """One verification in this process; its certificate is left in the folder."""
    from planted import Planted  # noqa: PLC0415 - in the process that is measured

    with Planted(folder).engine() as engine:
        before = measure.peak()
        if traced:
            tracemalloc.start()
        certificate, seconds = measure.timed(engine.verify)
        held = tracemalloc.get_traced_memory()[1] / 2**20 if traced else 0.0
        certificate.save(folder / "certificate.jsonl")
    return {
        "seconds": seconds,
        "before": before,
        "peak": measure.peak(),
        "held": held,
        "differences": sum(certificate.counts.values()),
    }


def main() -> None:
    """Plant, verify, have it checked, and print the figures."""
    rows: list[list[str]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            subprocess.run(
                [sys.executable, __file__, "plant", name, str(size)], check=True
            )
            run = measure.fresh(__file__, "verify", name)
            traced = measure.fresh(__file__, "trace", name)
            oracle = str(TESTS / "verify_oracle.py")
            told = subprocess.run(
                [sys.executable, oracle, name, f"{name}/certificate.jsonl"],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
        figures = (run["seconds"], run["before"], run["peak"], traced["held"])
        counts = f"{run['differences']:,}", told.stdout.strip()
        rows.append([f"{size:,}", *(f"{each:.1f}" for each in figures), *counts])
    head = (
        *("invoices a side", "CPU s", "MiB before", "MiB at the peak"),
        *("MiB of Python's at the peak", "found", "the oracle"),
    )
    print(measure.table(head, rows))


if __name__ == "__main__":
    what, *given = sys.argv[1:] or [""]
    if what == "plant":
        from planted import plant

        plant(Path(given[0]), int(given[1]), OF_EACH_KIND)
    elif what:
        print(json.dumps(verified(Path(given[0]), traced=what == "trace")))
    else:
        main()
