"""
The two connections of an engine: how they are, ending one, and taking it up again.

What was synced is never touched by it: ties, logs, markers and both systems' records stay
as they are. How a grant is held stands in `tieout.grants`.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from attrs import evolve, frozen

from tieout.errors import Code, ConfigError, Fault
from tieout.footing import contact_of
from tieout.inquiry import Inquiry
from tieout.models import KINDS
from tieout.protocol import OUT_OF_REACH, Health
from tieout.session import Session
from tieout.settings import Direction, Side
from tieout.store import Contact, Identity, Renewal


class ConnectionState(Enum):
    """How far a connection has come; nothing is synced before the last of them."""

    NOT_CONNECTED = "not connected"
    """Nobody was let in, or a person has ended it."""
    CONNECTED = "connected"
    """Somebody was let in, and something is lacking that has to be set first."""
    CONFIGURED = "configured"
    """Nothing is lacking, and no flow is switched on."""
    ENABLED = "enabled"
    """At least one flow is switched on."""


@frozen
class Connection:
    """
    How one connection stood when it was last looked at.

    ``at`` is when that was, None for never. ``missing`` are permissions and settings that
    are lacking; ``code`` and ``text`` say why it is not connected.
    """

    name: str
    side: Side
    state: ConnectionState
    at: datetime | None = None
    missing: tuple[str, ...] = ()
    code: Code | None = None
    text: str = ""

    def __str__(self) -> str:
        why = f" (missing: {', '.join(self.missing)})" if self.missing else ""
        why = f" ({self.text})" if self.text else why
        return f"{self.side} {self.name}: {self.state.value}{why}"


class Connections(Inquiry):
    """What an engine does about its connections."""

    def check(self, connection: str = "") -> dict[str, Health]:
        """
        Each connection: reachable, signed in, permitted, and whose books they are.

        Both, or the one that is named. A connection that was paused because its sign-in was
        refused is tried again; one that a person has ended is not asked. An account mapping
        that is needed and left blank is among what the ledger lacks.
        """
        found: dict[str, Health] = {}
        for name in [connection] if connection else self._sessions:
            session = self._one(name)
            try:
                self._refuse_ended(name)
                found[name] = session.check()
            except Fault as fault:
                found[name] = _refused(fault)
            self._remember(contact_of(name, found[name], self._clock.now()))
        ledger, blank = (
            self._ledger.connector.connection,
            self.settings.blank_accounts(),
        )
        if blank and ledger in found:
            health = found[ledger]
            notes = (*health.notes, Code.NO_ACCOUNT.meaning)
            missing = (*health.missing, *blank)
            found[ledger] = evolve(health, missing=missing, notes=notes)
        return found

    def connections(self) -> tuple[Connection, ...]:
        """
        How both connections stood when they were last looked at; nobody is asked.

        `check` looks at them now.
        """
        return tuple(self._standing_of(name) for name in self._sessions)

    def disconnect(self, connection: str, *, by: str = "") -> None:
        """
        End a connection: forget its grant, and ask nothing of it any more.

        Nothing that was synced is deleted. A run under way ends at its next step. ``by`` is
        who says so. Raises `ConfigError` for a connection that is not of this pair.
        """
        session = self._one(connection)
        ended = Contact(
            connection, self._clock.now(), ended=True, by=by or self._profile
        )
        self._store.commit(ended)
        session.forget()

    def reconnect(self, connection: str) -> Health:
        """
        Take up a connection again that was ended, with the connector's present credentials.

        It goes on from where it was, without duplicates; where nobody is let in, it stays
        ended. Raises `Fault` WRONG_COMPANY where it leads to another company by now, and
        `ConfigError` for a connection that is not of this pair.
        """
        session = self._one(connection)
        try:
            health = session.check()
        except Fault as fault:
            return _refused(fault)
        held = self._store.get(Identity, [connection]).get(connection)
        books = health.books
        if held is not None and books is not None and books.identity != held.identity:
            session.forget()
            text = f"{connection} is {books.name or books.identity} now, it was {held.name}"
            raise Fault(Code.WRONG_COMPANY, text)
        if health.reachable and health.signed_in:
            self._store.commit(contact_of(connection, health, self._clock.now()))
        return health

    # How it is done -----------------------------------------------------------------------

    def _one(self, connection: str) -> Session:
        found = self._sessions.get(connection)
        if found is None:
            known = " and ".join(self._sessions)
            raise ConfigError(
                f"{connection!r} is no connection of this pair: it has {known}"
            )
        return found

    def _standing_of(self, name: str) -> Connection:
        ours = name == self._billing.connector.connection
        side: Side = "billing" if ours else "ledger"
        contact = self._store.get(Contact, [name]).get(name)
        seen = self._store.get(Identity, [name]).get(name)
        if contact is None and seen is None:
            text = "it was never looked at"
            return Connection(name, side, ConnectionState.NOT_CONNECTED, text=text)
        at = max(
            each for each in (contact and contact.at, seen and seen.seen_at) if each
        )
        trouble = self._shut(name, contact)
        if trouble is not None:
            code, text = trouble
            state = ConnectionState.NOT_CONNECTED
            return Connection(name, side, state, at, code=code, text=text)
        missing = contact.missing if contact else ()
        if not ours:
            missing = (*missing, *self.settings.blank_accounts())
        return Connection(name, side, self._state(missing), at, missing)

    def _shut(self, name: str, contact: Contact | None) -> tuple[Code, str] | None:
        """Why nobody is let in, as far as it is known; None where somebody was."""
        if contact is not None and contact.ended:
            return Code.DISCONNECTED, f"disconnected by {contact.by}"
        renewal = self._store.get(Renewal, [name]).get(name)
        if renewal is not None and renewal.code is not None:
            return renewal.code, renewal.text
        if contact is not None and contact.code is not None:
            return contact.code, contact.text
        return None

    def _state(self, missing: tuple[str, ...]) -> ConnectionState:
        """The state of a connection that somebody was let in to."""
        if missing:
            return ConnectionState.CONNECTED
        on = [self.settings.direction(kind) for kind in KINDS.values()]
        idle = all(each is Direction.OFF for each in on)
        return ConnectionState.CONFIGURED if idle else ConnectionState.ENABLED


def _refused(fault: Fault) -> Health:
    """How a connection is whose check ended with a fault."""
    return Health(
        reachable=fault.code not in OUT_OF_REACH,
        signed_in=False,
        notes=(f"{fault.text} {fault.remedy}".strip(),),
        code=fault.code,
    )
