"""
A real browser without a window: Debian's Chromium, started anew for each question.

It loads one file from this computer and tells what became of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

NAMES = ("chromium", "chromium-browser", "google-chrome")

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    "--force-device-scale-factor=1",
)
"""Nothing is asked of anybody, and a pixel is a pixel. The sandbox needs rights that a
container does not give; the only page that is opened is our own."""

WAIT_MAX = 120
"""Seconds; it takes two or three, many more on a machine that is busy."""

LIGHT, DARK = "preferredColorScheme=1", "preferredColorScheme=0"


def program() -> str:
    """The browser's program. Raises `FileNotFoundError` where there is none."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise FileNotFoundError(f"none of {', '.join(NAMES)} is installed")


def _run(page: Path, width: int, height: int, *more: str) -> bytes:
    with TemporaryDirectory() as profile:
        told = subprocess.run(
            [
                program(),
                *OPTIONS,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                *more,
                page.as_uri(),
            ],
            capture_output=True,
            check=False,
            timeout=WAIT_MAX,
            env={**os.environ, "HOME": profile},
        )
    assert told.returncode == 0, told.stderr.decode(errors="replace")[-2000:]
    return told.stdout


def dom(page: Path, *, width: int = 1280, scheme: str = LIGHT) -> str:
    """The page's elements as they are once all that runs on it has run."""
    told = _run(
        page,
        width,
        900,
        "--dump-dom",
        "--virtual-time-budget=3000",
        f"--blink-settings={scheme}",
    )
    return told.decode()


def picture(page: Path, to: Path, *, width: int, height: int, scheme: str) -> bytes:
    """A picture of the page's beginning, as PNG."""
    _run(page, width, height, f"--screenshot={to}", f"--blink-settings={scheme}")
    return to.read_bytes()
