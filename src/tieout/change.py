"""
One change: the value that goes all the way from planner to wire, and what came of it.

Nothing here decides or sends.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from enum import Enum
from typing import Any

from attrs import evolve, field, frozen

from tieout.errors import Code, Fate, Fault, Retry, Severity
from tieout.models import Posting, Record, RecordType, Ref, instant
from tieout.remedies import CATALOGUE, Remedies, Remedy, looked_up


class Action(Enum):
    """
    What is to happen; its value is how a plan prints it.

    ======  ============  ===========
    action  ``before``    ``after``
    ======  ============  ===========
    KEEP    as it is      the same
    CREATE  None          as wanted
    UPDATE  as it is      as wanted
    VOID    as it is      None
    ======  ============  ===========
    """

    KEEP = "="
    CREATE = "+"
    UPDATE = "~"
    VOID = "-"


def change_name(
    connection: str,
    kind: str,
    source: Ref,
    generation: int,
    action: Action,
    version: int,
    role: str = "",
) -> str:
    """
    The deterministic name of a change: of what it is about, never of its content.

    An edit while the first write is unknown must not open a second intent, hence no
    content; a legitimate 50, 100, 50 must not be swallowed, hence the link's version.
    """
    about = (connection, kind, source.connection, source.id, role)
    joined = "\x1f".join((*about, str(generation), action.name, str(version)))
    return hashlib.sha256(joined.encode()).hexdigest()[:26]


def mark_of(
    connection: str, kind: str, source: Ref, generation: int = 0, role: str = ""
) -> str:
    """
    The mark of a document that is made for a record: ``TO-`` and 13 characters of base32.

    The same for the same record for ever, so that a document can be found again by
    whoever lost the answer; a new ``generation`` is a new document.
    """
    about = (connection, kind, source.connection, source.id, role)
    joined = "\x1f".join((*about, str(generation)))
    digest = hashlib.sha256(joined.encode()).digest()
    return f"TO-{base64.b32encode(digest).decode()[:MARK_LENGTH]}"


MARK_LENGTH = 13
"""Characters behind ``TO-``: 65 bits, so that among a million documents two meet by
chance once in seventy million; short enough for the references of all ledgers."""


@frozen
class Change:
    """
    What should happen to one record of one system.

    ``source`` is the record on the other side that asks for it, ``target`` the one that
    changes (None for a create). ``closes``: nothing is owed on the source any more;
    ``releases``: it was voided. ``agreed`` is the fingerprint of the source that will be
    agreed once this is applied. ``mark`` is what the document will be found again by,
    ``key`` the idempotency key that the journal gives it for systems that take one.
    ``owned`` are payment records that we made; some may be gone: what is there counts.
    ``also`` are other numbers by which people will look for it: those of the invoices that
    a payment is for. ``depends_on`` are names of changes that have to be applied first.
    ``within`` is the record that the source is read with, where it is a part of one.
    ``reason``, and what its customer is called (``customer``), are for people and are never
    read by what applies the change.
    """

    name: str
    action: Action
    kind: RecordType
    connection: str
    source: Ref
    target: Ref | None = None
    before: Record | None = None
    after: Record | None = None
    role: str = ""
    generation: int = 0
    link_version: int = 0
    number: str = ""
    agreed: str = ""
    mark: str = ""
    key: str = ""
    owned: tuple[str, ...] = ()
    take_over: bool = False
    closes: bool = False
    releases: bool = False
    depends_on: tuple[str, ...] = ()
    within: Ref | None = None
    evidence: str = ""
    reason: str = ""
    also: tuple[str, ...] = ()
    customer: str = ""

    @property
    def numbers(self) -> tuple[str, ...]:
        """All numbers by which people will look for it."""
        return tuple(dict.fromkeys(filter(None, (*self.also, self.number))))


class State(Enum):
    """What is known of a change that was tried."""

    APPLIED = "applied"
    REJECTED = "rejected"
    """Refused: certainly without effect; pointless to repeat unchanged."""
    NOT_SENT = "not sent"
    """Certainly without effect; may be tried again."""
    UNKNOWN = "unknown"
    """It may have had its effect. Never the same as failed."""


STATES = {
    Fate.NOT_SENT: State.NOT_SENT,
    Fate.REFUSED: State.REJECTED,
    Fate.UNCLEAR: State.UNKNOWN,
}


@frozen
class Outcome:
    """
    What came of one change, by its name.

    ``echo`` is the document as the answer showed it, where it showed one: the journal
    believes an answer only if it is about the document that was sent.
    """

    name: str
    state: State
    ref: Ref | None = None
    version: str = ""
    owned: tuple[str, ...] = ()
    code: Code | None = None
    text: str = ""
    remedy: str = ""
    notes: tuple[Code, ...] = ()
    echo: Record | None = None

    @classmethod
    def applied(
        cls,
        change: Change,
        *,
        ref: Ref | None = None,
        version: str = "",
        owned: tuple[str, ...] = (),
        notes: tuple[Code, ...] = (),
        echo: Record | None = None,
    ) -> Outcome:
        """The change was carried out; ``ref`` is the document it made or changed."""
        return cls(
            change.name,
            State.APPLIED,
            ref=ref or change.target,
            version=version,
            owned=owned,
            notes=notes,
            echo=echo,
        )

    @classmethod
    def failed(
        cls, change: Change, fault: Fault, *, effect_sent: bool = False
    ) -> Outcome:
        """
        What a fault means for a change.

        Once an effect has gone out and was not definitely refused, any later failure
        leaves the outcome unknown, whatever was raised.
        """
        state = State.UNKNOWN if effect_sent else STATES[fault.fate]
        if state is State.REJECTED and fault.code.retryable:
            state = State.NOT_SENT
        return cls(
            change.name, state, code=fault.code, text=fault.text, remedy=fault.remedy
        )


def _name() -> Any:
    """A field for the name that a store gives; no part of the value."""
    return field(default="", eq=False)


@frozen
class Issue:
    """
    A record that could not be carried over, or a thing worth knowing about one that was.

    ``blocking`` tells the two apart. ``numbers`` are the invoice numbers by which a person
    will look for it; ``field`` names the field at fault. ``remedy`` is what to do in the words
    of whoever met it; ``advice`` is the whole `Remedy` that a table makes of code and words.
    """

    code: Code
    source: Ref | None = None
    numbers: tuple[str, ...] = ()
    field: str = ""
    text: str = ""
    remedy: str = ""
    blocking: bool = True
    basis: str = ""
    """The fingerprint of the source that led to it; empty where it could not be read."""
    within: Ref | None = None
    """The record that the source is read with, where it is a part of one."""
    at: datetime | None = instant()
    connection: str = ""
    """Where it went wrong, where a system said so; empty for what we found ourselves."""
    _advice: Remedy | None = looked_up()
    """What the engine's table of remedies says of it; looked up when it is read."""
    id: str = _name()
    """The name that `Engine.retry` and `Engine.ignore` take; empty where it is not on record,
    as in a plan, or is no more than a word about a record that was carried."""

    @property
    def severity(self) -> Severity:
        """Its light: red, yellow, green."""
        return self.code.severity

    @property
    def system(self) -> str:
        """The system where it went wrong, or else that of the record, such as ``xero``."""
        source = self.source.connection if self.source else ""
        return (self.connection or source).partition(":")[0]

    @property
    def advice(self) -> Remedy:
        """What it means, who can put it right, by which steps, and when it is tried again."""
        told = self._advice or CATALOGUE.of(self.code, self.text, self.remedy)
        mark = self.source is not None and self.source.kind == Posting.__name__
        by_itself = self.code in (Code.OUTCOME_UNKNOWN, Code.PARKED)
        # A mark that was not set is no run's to set: a person chose the invoice.
        return evolve(told, retry=Retry.BY_HAND) if mark and not by_itself else told

    def by(self, remedies: Remedies) -> Issue:
        """The same, as a table of remedies reads it."""
        told = remedies.of(self.code, self.text, self.remedy, self.system)
        return evolve(self, advice=told)

    @property
    def headline(self) -> str:
        """Of what it is and what is wrong, without what to do about it."""
        who = ", ".join(self.numbers) or (self.source.id if self.source else "?")
        what = self.text or self.advice.meaning
        what += "" if what.endswith((".", "!", "?")) else "."  # a remedy follows
        at = f" [{self.field}]" if self.field else ""
        return f"{who}{at}: {what}"

    def __str__(self) -> str:
        return " ".join((self.headline, *self.advice.steps))
