"""
What a system must offer to be tied out: the `Connector` protocol, and what its verbs give.

How a connector is written is not said here: see `tieout.rest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from tieout.auth import Auth
from tieout.capabilities import Capabilities, Select
from tieout.change import Change, Issue, Outcome
from tieout.errors import Code, Fault
from tieout.models import R, Record, Ref
from tieout.remedies import RemedyRow
from tieout.wire import Flow, Response, Verdict

T = TypeVar("T")
R_co = TypeVar("R_co", bound=Record, covariant=True)


@frozen
class Books:
    """
    What a connection's `check` says of the company.

    ``identity`` is what stays the same for ever; ``zone`` an IANA name or None where it is
    not known; ``locked_through`` the last day of closed periods.
    """

    identity: str
    name: str = ""
    currency: str = ""
    zone: str | None = None
    locked_through: date | None = None
    features: tuple[str, ...] = ()


@frozen
class Health:
    """How a connection is: three checks apart, and the books behind it."""

    reachable: bool
    signed_in: bool
    missing: tuple[str, ...] = ()
    """Permissions and modules that are lacking, by the vendor's names."""
    books: Books | None = None
    notes: tuple[str, ...] = ()
    code: Code | None = None
    """Why it is not reachable or not signed in, or what is missing if it is no permission."""

    @property
    def ok(self) -> bool:
        """Whether a run can start."""
        return self.reachable and self.signed_in and not self.missing


OUT_OF_REACH = (
    Code.NOT_REACHED,
    Code.ANSWER_LOST,
    Code.SERVER_ERROR,
    Code.BAD_PAYLOAD,
)
"""What says that a system was not reached at all."""

_NOT_SIGNED_IN = (Code.SIGN_IN_REFUSED, Code.RECONNECT_NEEDED, Code.LOCKED_OUT)


def ailing(fault: Fault, missing: str = "") -> Health:
    """
    What a fault in `Connector.check` says of the connection.

    ``missing`` names the permission that was lacking. Raises the fault again where it says
    nothing of the connection.
    """
    lacks = fault.code is Code.PERMISSION_MISSING
    reachable = fault.code not in OUT_OF_REACH
    if reachable and not lacks and fault.code not in _NOT_SIGNED_IN:
        raise fault
    return Health(
        reachable=reachable,
        signed_in=lacks,
        missing=(missing or fault.text,) if lacks else (),
        notes=(f"{fault.text} {fault.remedy}".strip(),),
        code=fault.code,
    )


@frozen
class Page(Generic[R_co]):
    """
    One page of records, and a resume point.

    ``issues`` are records that could not be read. ``gone`` names deleted or merged records
    (the first alias of a merged customer is the one it went into), ``touched`` invoices whose money may have moved. ``next`` is the cursor of the
    page after this one, within one run; ``token`` outlives the run. ``as_of`` is the other
    side's clock when it answered.
    """

    records: tuple[R_co, ...] = ()
    issues: tuple[Issue, ...] = ()
    gone: tuple[Ref, ...] = ()
    touched: tuple[Ref, ...] = ()
    next: str | None = None
    token: str | None = None
    as_of: datetime | None = None


def known_rows(connector: Connector) -> Iterator[RemedyRow]:
    """What a connector's own tables say to people: of its rules, and of what it finds itself."""
    signing_in = getattr(connector, "sign_in_rules", ())
    auth = getattr(connector.auth, "rules", ())
    for rule in (*getattr(connector, "rules", ()), *signing_in, *auth):
        if rule.row is not None:
            yield rule.row
    yield from getattr(connector, "findings", ())


class Connector(Protocol):
    """One system as the engine asks it; no method does I/O: each verb is a flow."""

    @property
    def connection(self) -> str:
        """Which company in which system, such as ``xero:4f2c…``: part of every key."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do: a pure function of the connector's arguments."""
        ...

    @property
    def auth(self) -> Auth:
        """How its requests are signed."""
        ...

    def check(self) -> Flow[Health]:
        """Credentials, reachability, permissions and the books, each apart."""
        ...

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        """One page of what is selected; ``cursor`` is the page before's ``next``."""
        ...

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """The records of these ids and of these numbers, as far as they exist."""
        ...

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        """What these changes may have made: by mark, number, or parent, amount and date."""
        ...

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Carry out at most ``batch_size`` changes; an outcome for each, by its name."""
        ...

    def judge(self, response: Response) -> Verdict:
        """What an answer means: pure."""
        ...


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    some: list[T] = []
    for value in values:
        some.append(value)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
