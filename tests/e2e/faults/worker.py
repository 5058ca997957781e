"""
A process that syncs one pair on one SQLite file, and the launcher that forks such ones.

Run with ``-m`` it is the launcher: it takes one command a line on its standard input and
answers each by one line. A worker is forked from it, ready at once, and is signalled and
waited for by it alone, so that no signal can reach a stranger. When its input ends, it
kills what it has started.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from attrs import evolve

import tieout
from tieout.connectors.connectwise import ConnectWise
from tieout.connectors.invoiced import Invoiced
from tieout.connectors.xero import Xero
from tieout.errors import Code, ConfigError, Fault, StoreError
from tieout.footing import Begin
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    Payment,
    RecordType,
    Settlement,
)
from tieout.settings import Direction, Fees, Settings
from tieout.store import Store, key_of
from tieout.transport import HTTPTransport
from tieout.windows import Since
from tieout.wire import Request, Response

from .timing import BEGIN, SharedClock

WORKER = "X-Worker"
"""The header that tells a served fake which process asks."""

TENANT = "6ad21e9c-8a35-4c57-9f0e-1f4b5a2c7d10"
PAIR = key_of("connectwise:acme@na.myconnectwise.net", f"xero:{TENANT}")
"""The pair's key in every store."""

NOBODY = 65534

POLL_SECONDS = 0.01
"""Real seconds between two runs, and between two tries to get the pair."""


@dataclass(frozen=True)
class Job:
    """
    What a worker does: ``runs`` runs (0: until it is killed) that were carried out.

    A run counts once it had the pair. ``timeout`` in real seconds for one request;
    ``file_size_max`` in bytes for every file, 0 for none. With ``fresh`` billing is
    compared as it is now. ``begin`` is when to begin, on the machine's monotonic clock.
    ``plain``: what an ordinary user may not open, it may not open either.
    ``refresh_token`` is what a person configured. ``documents``: it carries documents from
    Invoiced to Xero, each kind in its turn, and not what was paid.
    """

    name: str
    store: str
    clock: str
    ledger_url: str
    billing_url: str
    notes: str
    runs: int = 0
    timeout: float = 10.0
    file_size_max: int = 0
    fresh: bool = False
    begin: float = 0.0
    plain: bool = False
    refresh_token: str = "refresh-0"
    documents: bool = False


class Signed:
    """HTTP that says which process it is, and waits no longer than it is told to."""

    def __init__(self, timeout: float) -> None:
        self._http = HTTPTransport()
        self._timeout = timeout
        self._own = (WORKER, str(os.getpid()))

    def send(self, request: Request, timeout: float) -> Response:
        named = evolve(request, headers=(*request.headers, self._own))
        return self._http.send(named, min(timeout, self._timeout))

    def close(self) -> None:
        self._http.close()


def engine(job: Job, store: Store, clock: SharedClock, http: Signed) -> tieout.Engine:
    """The engine of a job."""
    ledger = Xero(
        tenant_id=TENANT,
        client_id="client",
        client_secret="secret",
        refresh_token=job.refresh_token,
        base_url=f"{job.ledger_url}/api.xro/2.0",
        identity_url=f"{job.ledger_url}/connect/token",
        per_minute=1_000_000,
        per_day=1_000_000,
        account="200",
        deposit_account="090",
    )
    if job.documents:
        invoiced = Invoiced(
            company="acme",
            api_key="key",
            base_url=job.billing_url,
            currency="USD",
            limits=(),
        )
        return tieout.Engine(
            billing=invoiced,
            ledger=ledger,
            store=store,
            clock=clock,
            transport=http,
            settings=Settings(directions=OUTWARD, fees=Fees(account="200")),
        )
    billing = ConnectWise(
        company="acme",
        public_key="public",
        private_key="private",
        client_id="00000000-0000-4000-8000-000000000001",
        base_url=f"{job.billing_url}/v2025_1/apis/3.0",
    )
    return tieout.Engine(
        billing=billing, ledger=ledger, store=store, clock=clock, transport=http
    )


OUTWARD: Mapping[RecordType, Direction] = {
    Settlement: Direction.OFF,
    **dict.fromkeys((Customer, Invoice, CreditNote, Payment), Direction.TO_LEDGER),
}
"""Which ways documents go."""


def carried(job: Job, engine: tieout.Engine, since: Begin) -> tieout.Report:
    """One run; of documents, one of each kind that others depend on, and the last one's."""
    if job.documents:
        engine.sync_invoices(since)
        engine.sync_credit_notes(since)
    return engine.sync_payments(since)


def sync(job: Job, engine: tieout.Engine) -> dict[str, Any]:
    """One run, and what came of it in plain words."""
    first = BEGIN.date().replace(day=1)
    try:
        report = carried(job, engine, first if job.fresh else Since.LAST_RUN)
    except ConfigError:  # no run has ended well yet
        return sync(replace(job, fresh=True), engine)
    except StoreError as error:
        return {"ending": "store", "text": str(error)}
    except Fault as fault:
        return {"ending": "refused", "code": fault.code.name}
    return {
        "ending": report.ending.value,
        "code": report.code.name if report.code else "",
        "text": report.text,
        "ok": report.ok,
        "counts": dict(report.counts),
        "writes": report.traffic["ledger" if job.documents else "billing"].writes,
        "issues": [str(each) for each in report.issues],
        "parked": len(engine.parked()),
    }


def work(job: Job) -> None:
    """All runs of a job; what came of each is a line of its notes."""
    with Path(job.notes).open("a", buffering=1, encoding="utf-8") as notes:

        def note(**told: Any) -> None:
            notes.write(
                json.dumps({"name": job.name, "pid": os.getpid(), **told}) + "\n"
            )

        try:
            _runs(job, note)
        except StoreError as error:
            note(ending="store", text=str(error))


def _runs(job: Job, note: Callable[..., None]) -> None:
    clock, http = SharedClock(Path(job.clock)), Signed(job.timeout)
    if job.plain and not os.geteuid():
        os.seteuid(NOBODY)
    time.sleep(max(0.0, job.begin - time.monotonic()))
    store = tieout.SQLiteStore(job.store)
    done = 0
    with engine(job, store, clock, http) as made:
        while not job.runs or done < job.runs:
            told = sync(job, made)
            waiting = told.get("code") == Code.RUN_IN_PROGRESS.name
            done += not waiting
            note(**told)
            time.sleep(POLL_SECONDS)
    store.close()


# The launcher -------------------------------------------------------------------------


def fork(job: Job) -> int:
    """A new worker; its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        for number, name in ((0, os.devnull), (1, os.devnull), (2, f"{job.notes}.err")):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            os.dup2(os.open(name, flags, 0o600), number)
        if job.file_size_max:
            # SIGXFSZ is ignored by Python: a write that is too long fails instead.
            most = (job.file_size_max, resource.RLIM_INFINITY)
            resource.setrlimit(resource.RLIMIT_FSIZE, most)
        work(job)
        status = 0
    except BaseException:  # noqa: BLE001 - told in the file; nothing is above us
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


class Launcher:
    """Answers commands: start, signal, ended."""

    def __init__(self) -> None:
        self._children: set[int] = set()

    def answer(self, command: str, told: dict[str, Any]) -> int | None:
        """The answer to one command; None stands for "no" or "not yet"."""
        if command == "start":
            child = fork(Job(**told))
            self._children.add(child)
            return child
        child = told["pid"]
        if child not in self._children:
            return 0 if command == "ended" else None
        if command == "signal":
            os.kill(child, told["number"])
            # After a kill it is dead for certain, and its sockets are closed.
            if told["number"] == signal.SIGKILL:
                self._reaped(child, 0)
            return 0
        return self._reaped(child, os.WNOHANG)

    def _reaped(self, child: int, how: int) -> int | None:
        if os.waitpid(child, how) == (0, 0):
            return None
        self._children.discard(child)
        return 0

    def close(self) -> None:
        """End all that is left."""
        for child in tuple(self._children):
            os.kill(child, signal.SIGKILL)
            self._reaped(child, 0)


def main() -> None:
    """Answer until the input ends."""
    launcher = Launcher()
    # What is logged is no complaint; the standard error is for what went wrong.
    logging.getLogger("tieout").addHandler(logging.NullHandler())
    try:
        for line in sys.stdin:
            command, told = json.loads(line)
            print(json.dumps(launcher.answer(command, told)), flush=True)  # noqa: T201 - the answer
    finally:
        launcher.close()


def as_command(job: Job) -> dict[str, Any]:
    """A job as a command's argument."""
    return asdict(job)


if __name__ == "__main__":
    main()
