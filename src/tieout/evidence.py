"""
What a look at the other side proves of a write whose answer was lost.

Pure: it is given what was found and says which step of the intent follows. It neither
looks nor writes anything down.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from attrs import evolve, frozen

from tieout.change import MARK_LENGTH, Action, Change, Outcome, State
from tieout.effects import money_of
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    Record,
    Ref,
    Settlement,
    Status,
    clean_number,
)
from tieout.money import ZERO, Money
from tieout.planners.likeness import respelled
from tieout.store import Doubt, Intent, Stage

ATTEMPTS_MAX = 5
"""How often a change is sent before a person is asked."""


@frozen
class Proof:
    """
    What was proven of an intent: the step ``by`` which it goes on, the record that showed
    it, or the ``doubt`` that only a person can end, with the records in question.
    """

    by: str
    record: Record | None = None
    doubt: Doubt | None = None
    candidates: tuple[Record, ...] = ()


def shown(record: Record | None) -> str:
    """A short hash of what a record shows of a wanted state: to find it again by."""
    match record:
        case None:
            return ""
        case Settlement():
            last = None if record.paid_on else record.last_on
            told = f"{record.paid.normalize():f}|{record.paid_on}|{last}"
        case Invoice() | CreditNote():
            told = f"{record.total.normalize():f}|{record.currency}|{record.on}"
        case Payment():
            told = f"{record.amount.normalize():f}|{record.currency}|{record.on}"
        case Application():
            ends = f"{record.source.id}|{record.target.id}"
            told = f"{record.amount.normalize():f}|{record.currency}|{ends}"
        case Customer():
            # Systems trim, cut off and respell names; the mark says whose it is.
            told = str(record.active)
        case Posting():
            # By which batch it went is the system's to say, and not what is wanted.
            told = str(record.on is not None)
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def awaited(change: Change) -> str:
    """
    What a record has to show for a change to have been carried out; "" where nothing does.

    An update of what `shown` does not tell, such as a due date, looks the same before and
    after: nothing that is found proves it, and it is sent again, which changes nothing.
    """
    wanted = shown(change.after)
    updates = change.action is Action.UPDATE and change.kind is not Settlement
    return "" if updates and shown(change.before) == wanted else wanted


READ_IN = ("number", "reference")
"""The fields of a record in which a mark is read, besides the texts of its ``custom``: that
alone is left for a kind that has neither, or whose number is the other system's to give."""

_MARK = re.compile(rf"TO-[A-Z2-7]{{{MARK_LENGTH}}}")
"""What `tieout.change.mark_of` makes."""


def carries(record: Record, mark: str) -> bool:
    """Whether a document carries a mark: as its number, in its reference, or in ``custom``."""
    if not mark:
        return False
    # A number is read without outer white space and in NFC, however it was sent.
    names = {mark, clean_number(mark)}
    return any(text in names or mark in text.split() for text in _texts(record))


def marks_in(record: Record) -> set[str]:
    """The marks of ours that a document carries, wherever `carries` looks for one."""
    words = {word for text in _texts(record) for word in text.split()}
    return {word for word in words if _MARK.fullmatch(word)}


def _texts(record: Record) -> list[str]:
    """The texts in which a mark is read."""
    told = [getattr(record, name, "") for name in READ_IN]
    return [e for e in (*told, *record.custom.values()) if isinstance(e, str)]


def believed(change: Change, outcome: Outcome) -> Outcome:
    """
    The outcome, unless the answer shows another document than the one that was sent.

    Then nothing is certain: neither that ours was made, nor that the other was touched.
    """
    if outcome.code is Code.VANISHED and (change.kind, change.action) == _UNAPPLYING:
        return Outcome.applied(change)  # a level: what is not applied is taken back
    if outcome.state is not State.APPLIED:
        return outcome
    if change.action is Action.CREATE and outcome.ref is None:
        return _doubtful(change, "nothing says which document was made.")
    echo = outcome.echo
    if echo is None or change.after is None:
        return outcome
    ours = change.action is not Action.CREATE or (
        not change.mark or carries(echo, change.mark)
    )
    ours = ours and _is_of(echo, change.target)
    ours = ours and not _of_another(owner_of(change.after), echo)
    if ours and shown(echo) == shown(change.after):
        return outcome
    known = change.mark or change.action is Action.UPDATE
    if ours and known and _computed_otherwise(change.after, echo):
        return _noted(outcome, change.after, echo)
    doubtful = _doubtful(change, f"the answer shows another document ({echo.ref.id}).")
    if not ours and shown(echo) == shown(change.after):
        # Ours in all but the mark, which the other side may have left out or altered.
        return evolve(doubtful, ref=echo.ref)
    return doubtful


_UNAPPLYING = (Application, Action.VOID)


def unmarked(change: Change) -> Application | None:
    """
    What a change applies to what, where no mark will show that it did.

    It is known again where it is applied: that so much of a credit is put to an invoice is
    a level, whoever put it there.
    """
    put = change.after
    made = change.action is Action.CREATE and not change.mark
    if not made or not isinstance(put, Application):
        return None
    return evolve(put, custom={}, carry=None)


def owner_of(record: Record | None) -> str:
    """
    The id of the customer that a document is of; "" where none is told.

    A contact of a customer (``C100/contact``) is told by some systems as the customer.
    """
    ref = getattr(record, "customer", None)
    return ref.id.partition("/")[0] if isinstance(ref, Ref) else ""


def _of_another(owner: str, record: Record) -> bool:
    """Whether a document is certainly of another customer."""
    told = owner_of(record)
    return bool(owner and told and owner != told)


def _computed_otherwise(wanted: Record, echo: Record) -> bool:
    """Whether an answer shows the very document, but for a total that it made itself."""
    if isinstance(wanted, Invoice | CreditNote) and isinstance(
        echo, Invoice | CreditNote
    ):
        return (wanted.currency, wanted.on) == (echo.currency, echo.on)
    return False


def _noted(outcome: Outcome, wanted: Record, echo: Record) -> Outcome:
    """A document that is there, with a total that is not the one that was sent."""
    assert isinstance(wanted, Invoice | CreditNote)
    assert isinstance(echo, Invoice | CreditNote)
    sent, made = Money(wanted.total, wanted.currency), Money(echo.total, echo.currency)
    text = f"{sent} was sent, {made} is there."
    return evolve(outcome, notes=(*outcome.notes, Code.TOTAL_DIFFERS), text=text)


def _is_of(echo: Record, target: Ref | None) -> bool:
    """Whether an answer can be of the record that was to be changed."""
    if target is None or echo.ref.kind != target.kind:
        return True
    names = {each.casefold() for each in (target.id, *target.aliases)}
    return not names.isdisjoint(x.casefold() for x in (echo.ref.id, *echo.ref.aliases))


def _doubtful(change: Change, text: str) -> Outcome:
    fault = Fault(Code.OUTCOME_UNKNOWN, text, fate=Fate.UNCLEAR)
    return Outcome.failed(change, fault, effect_sent=True)


def judged(
    intent: Intent, found: Iterable[Record], now: datetime, *, can_look: bool = True
) -> Proof | None:
    """
    What a look proves of an intent, or None where nothing is proven yet.

    What is found is proof at once. What is not found proves something only after
    ``not_before``: until then a request may still be carried out, or a document not yet
    be found by search.
    """
    ripe = intent.not_before is None or now >= intent.not_before
    if not can_look:
        return Proof("in doubt", doubt=Doubt.CANNOT_LOOK) if ripe else None
    if intent.put is not None:
        return _put(intent, intent.put, found) if ripe else None
    if intent.action is Action.CREATE:
        return _created(intent, found, ripe=ripe)
    return _changed(intent, found, ripe=ripe)


def _created(intent: Intent, found: Iterable[Record], *, ripe: bool) -> Proof | None:
    if not intent.mark:
        return Proof("in doubt", doubt=Doubt.CANNOT_LOOK) if ripe else None
    ours = _marked(intent, found)
    if len(ours) > 1:
        return Proof("in doubt", doubt=Doubt.DUPLICATE, candidates=ours)
    if not ours:
        return _absent(intent) if ripe else None
    if shown(ours[0]) != intent.wanted or _of_another(intent.owner, ours[0]):
        return Proof("in doubt", doubt=Doubt.CONFLICT, candidates=ours)
    return Proof("found", record=ours[0])


def _put(intent: Intent, put: Application, found: Iterable[Record]) -> Proof | None:
    """
    What a credit note proves of its application to an invoice: so much of it, or nothing.

    Neither does where it does not tell of all that it was applied to, or where something
    else is applied between the two.
    """
    notes = [each for each in found if isinstance(each, CreditNote)]
    note = next((each for each in notes if each.ref == put.source), None)
    if note is None or not _tells_all(note):
        return Proof("in doubt", doubt=Doubt.CANNOT_LOOK)
    there = [
        each for each in note.applications if each.live and each.target == put.target
    ]
    if not there:
        return _absent(intent)
    if len(there) > 1 or shown(there[0]) != intent.wanted:
        doubt = Doubt.DUPLICATE if len(there) > 1 else Doubt.CONFLICT
        return Proof("in doubt", doubt=doubt, candidates=tuple(there))
    return Proof("found", record=there[0])


def _tells_all(note: CreditNote) -> bool:
    """Whether what a credit note was applied to makes up what is not left of it."""
    applied = sum((each.amount for each in note.applications if each.live), ZERO)
    return note.remaining is not None and applied == note.total - note.remaining


def _marked(intent: Intent, found: Iterable[Record]) -> tuple[Record, ...]:
    """The documents that carry an intent's mark, each once."""
    by_id = {
        record.ref.id: record
        for record in found
        if isinstance(record, intent.kind)
        and record.ref.connection == intent.connection
        and carries(record, intent.mark)
    }
    ours = [by_id[each] for each in sorted(by_id)]
    live = [each for each in ours if getattr(each, "status", None) is not Status.VOID]
    if intent.result is None and intent.mark == intent.number and not intent.attempt:
        # What was never sent made no document: one of its number that does not count,
        # void or a draft, is another's.
        return tuple(e for e in live if getattr(e, "status", None) is not Status.DRAFT)
    if intent.result is None:
        return tuple(live or ours)
    # A copy that a person voided is no rival of the document that is known to be ours.
    return tuple(each for each in ours if each in live or each.ref == intent.result)


def _changed(intent: Intent, found: Iterable[Record], *, ripe: bool) -> Proof | None:
    record = next((each for each in found if _is_target(intent, each)), None)
    if _as_wanted(intent, record) and (ripe or not _like_any_other(record)):
        return Proof("found", record=record)
    return _absent(intent) if ripe else None


def _is_target(intent: Intent, record: Record) -> bool:
    return intent.target is not None and (
        (record.ref.connection, record.ref.id)
        == (intent.target.connection, intent.target.id)
    )


def _as_wanted(intent: Intent, record: Record | None) -> bool:
    if intent.action is Action.VOID:
        return is_ended(record)
    return record is not None and shown(record) == intent.wanted


def is_ended(record: Record | None) -> bool:
    """Whether a record was taken back: not every kind of them has a status for it."""
    match record:
        case Customer():
            return not record.active
        case Posting():
            return record.on is None
        case Application():
            return not record.live
    return getattr(record, "status", None) is Status.VOID


def _like_any_other(record: Record | None) -> bool:
    """
    Whether what was found carries no mark of ours: a payment that anybody may have
    entered. It proves something only once ours can no longer land beside it.
    """
    return isinstance(record, Settlement) and bool(record.receipts)


def _absent(intent: Intent) -> Proof | None:
    """
    It was not carried out. A level that a person was asked about is compared anew.

    Where an answer showed a document that is ours in all but the mark, no search for the
    mark proves anything.
    """
    unmarked = intent.action is Action.CREATE and intent.candidates
    if unmarked and intent.stage is not Stage.PARKED:
        return Proof("in doubt", doubt=Doubt.CONFLICT)
    if intent.stage is not Stage.PARKED and intent.attempt >= ATTEMPTS_MAX:
        return Proof("in doubt", doubt=Doubt.TOO_OFTEN)
    if intent.stage is Stage.PARKED and intent.kind is not Settlement:
        return None  # a document is not made without a person's answer
    return Proof("proved absent")


def may_have_made(intent: Intent, record: Record) -> bool:
    """
    Whether a record may be the one that a create made whose outcome is not known.

    Where it is known which records come into question, no others do; that another one
    carries its mark does not say which it made.
    """
    about = (intent.action, intent.connection, intent.kind)
    if about != (Action.CREATE, record.ref.connection, type(record)):
        return False
    if record.ref in intent.candidates:
        return True
    if intent.candidates and intent.doubt is not Doubt.CONFLICT:
        return False
    return carries(record, intent.mark) or _looks_like_it(intent, record)


def shows_level_of(intent: Intent, level: Settlement) -> bool:
    """Whether a level may be that of an invoice that a create made: see `may_have_made`."""
    seen = Invoice(
        level.ref,
        level.number,
        level.customer,
        level.currency,
        level.on or date.min,  # then it is not known by its looks
        level.total,
        level.status,
        reference=level.reference,
        custom=level.custom,
    )
    return may_have_made(intent, seen)


def _looks_like_it(intent: Intent, record: Record) -> bool:
    """Whether a record shows what was sent, as far as systems leave that as it is."""
    if isinstance(record, Customer):
        number = clean_number(record.number)
        named = intent.called and not respelled(record.name, intent.called)
        return not named or bool(number and number == clean_number(intent.number))
    return shown(record) == intent.wanted and not _of_another(intent.owner, record)


def contradiction(intent: Intent, record: Record) -> str:
    """
    What speaks against a person's word that a write has made or changed this record; ""
    where nothing does.

    With our mark on it, its money may have been edited since: that is compared anew.
    """
    if intent.action is not Action.CREATE and not _is_target(intent, record):
        target = intent.target.id if intent.target else "another document"
        return f"the write was to change {target}"
    ended = is_ended(record) and not isinstance(record, Customer | Posting)
    if intent.action is Action.VOID:
        return "" if is_ended(record) else "it was not taken back"
    if ended:
        return "it is void" if not isinstance(record, Application) else "it is undone"
    if intent.action is not Action.CREATE or carries(record, intent.mark):
        return ""
    there, sent = money_of(record), intent.worth
    if there is not None and sent is not None and there != sent:
        return f"it is of {there}, and {sent} was sent"
    if _of_another(intent.owner, record):
        return f"it is of customer {owner_of(record)}, and not of {intent.owner}"
    return ""


def asks_again(intents: Sequence[Intent]) -> list[Intent]:
    """Those parked writes at which a run may look again without a person's answer."""
    return [each for each in intents if each.doubt in (None, Doubt.TOO_OFTEN)]
