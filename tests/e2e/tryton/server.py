"""
A real Tryton server on loopback, over SQLite.

Making a database takes half a minute, so it is done once a process, kept as a
template and copied for each server. Nothing outlives the process: databases
lie in temporary directories, servers are children that `__exit__` ends.
"""

import contextlib
import functools
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

DATABASE = "ledger"
HOUR = 3600
SEED = Path(__file__).with_name("seed.py")
CONF = """\
[database]
uri = sqlite://
path = {directory}
list = True
[web]
listen = 127.0.0.1:{port}
[session]
timeout = {session_timeout}
max_age = {session_age}
[request]
max_size = 20971520
[queue]
worker = {worker}
"""


class TrytonError(RuntimeError):
    """Tryton did not do what it was started for; the end of its log is told."""

    def __init__(self, what: str, log: Path) -> None:
        tail = log.read_text(errors="replace").splitlines()[-40:]
        super().__init__("\n".join((what, *tail)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_conf(
    directory: Path,
    port: int = 0,
    *,
    worker: bool = False,
    session_timeout: int = HOUR,
    session_age: int = HOUR,
) -> Path:
    conf = directory / "trytond.conf"
    conf.write_text(
        CONF.format(
            directory=directory,
            port=port,
            worker=worker,
            session_timeout=session_timeout,
            session_age=session_age,
        )
    )
    return conf


def _python(program: str, *arguments: str) -> tuple[str, ...]:
    """A Python command line that takes no modules from the directory it is in."""
    return (sys.executable, "-P", "-c", program, *arguments)


ADMIN = "from trytond.cli.admin import main; main()"
SERVE = "from trytond.cli import main; main()"
PROTEUS = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"


def _run(what: str, log: Path, command: tuple[str, ...]) -> None:
    environment = {**os.environ, "TRYTONPASSFILE": str(log.with_name("passfile"))}
    with log.open("ab") as out:
        done = subprocess.run(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
            timeout=600,
        )
    if done.returncode:
        raise TrytonError(f"{what} ended with {done.returncode}", log)


def make_template(directory: Path) -> Path:
    """A seeded database and its `facts.json` in that directory."""
    log = directory / "setup.log"
    log.touch()
    (directory / "passfile").write_text("a-long-admin-password")
    # Tryton creates tables, but not the file.
    (directory / f"{DATABASE}.sqlite").touch()
    conf = str(_write_conf(directory))
    base = (ADMIN, "-c", conf, "-d", DATABASE)
    facts = str(directory / "facts.json")
    _run("initialising", log, _python(*base, "--all", "--email", "admin@example.com"))
    modules = ("account_invoice", "--activate-dependencies")
    _run("activating", log, _python(*base, "-u", *modules))
    _run("seeding", log, _python(PROTEUS, str(SEED), conf, DATABASE, facts))
    return directory


# A TemporaryDirectory removes its directory when it is collected: at exit.
_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def temporary_directory() -> Path:
    """A directory that lasts as long as the process."""
    keeper = tempfile.TemporaryDirectory(prefix="tryton-template-")
    _KEPT.append(keeper)
    return Path(keeper.name)


@functools.cache
def template() -> Path:
    """The template of this process, made at the first call."""
    return make_template(temporary_directory())


def copy_books(source: Path, target: Path) -> None:
    """
    Copy a database that may be in use, and its facts, between directories.

    Copying the file would miss what still lies in the write-ahead log.
    """
    name = f"{DATABASE}.sqlite"
    with (
        contextlib.closing(sqlite3.connect(source / name)) as live,
        contextlib.closing(sqlite3.connect(target / name)) as copy,
    ):
        live.backup(copy)
    shutil.copy(source / "facts.json", target)


class TrytonServer:
    """
    One trytond process over its own copy of a seeded database.

    `worker=True` configures a queue worker that nobody runs, as when the
    worker of a real site has stopped: queued work, such as the step from
    `posted` to `paid`, waits until somebody does it.

    A session ends `session_age` seconds after it began. One that was idle for
    `session_timeout` seconds still reads and writes, but may no longer begin
    the wizard that pays an invoice.
    """

    def __init__(
        self,
        *,
        worker: bool = False,
        source: Path | None = None,
        session_timeout: int = HOUR,
        session_age: int = HOUR,
    ) -> None:
        self.worker = worker
        self.session_timeout = session_timeout
        self.session_age = session_age
        self.port = _free_port()
        self._source = source
        self._process: subprocess.Popen[bytes] | None = None

    # Where it is.

    @property
    def url(self) -> str:
        """The root: version and list of databases answer here, at `/rpc/`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def rpc_url(self) -> str:
        """Where the models of the one database answer."""
        return f"{self.url}/{DATABASE}/rpc/"

    @property
    def database(self) -> Path:
        """The SQLite file; read it read-only."""
        return self.directory / f"{DATABASE}.sqlite"

    @property
    def log(self) -> Path:
        return self.directory / "trytond.log"

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """The ids that seeding wrote down."""
        found: dict[str, Any] = json.loads((self.directory / "facts.json").read_text())
        return found

    # Its life.

    def __enter__(self) -> Self:
        source = self._source or template()
        self._keeper = tempfile.TemporaryDirectory(prefix="tryton-")
        self.directory = Path(self._keeper.name)
        try:
            copy_books(source, self.directory)
            self.start()
        except BaseException:
            self._keeper.cleanup()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        self._keeper.cleanup()

    def copy(self, *, worker: bool = False) -> "TrytonServer":
        """Another server, to be entered, over what this one's books hold then."""
        return TrytonServer(
            worker=worker,
            source=self.directory,
            session_timeout=self.session_timeout,
            session_age=self.session_age,
        )

    def start(self) -> None:
        """Start, on the same port after a `stop`; returns when it answers."""
        conf = _write_conf(
            self.directory,
            self.port,
            worker=self.worker,
            session_timeout=self.session_timeout,
            session_age=self.session_age,
        )
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                _python(SERVE, "-c", str(conf), "-d", DATABASE),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def stop(self) -> None:
        """End the process; harmless where it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def version(self) -> str:
        """What `common.server.version` says: the test that it answers."""
        question = {"id": 1, "method": "common.server.version", "params": []}
        request = urllib.request.Request(
            f"{self.url}/rpc/",
            data=json.dumps(question).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return str(json.load(answer)["result"])

    def _wait(self, seconds: float = 60.0) -> None:
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise TrytonError(
                    f"trytond ended: {self._process.returncode}", self.log
                )
            try:
                self.version()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise TrytonError(f"trytond did not answer within {seconds} s", self.log)
