"""
Checks of writing: what is sent is what was wanted, once, and every doubt is told as one.

Levels (the money of an invoice) are written in `keeping`; here are documents, and what
holds for every write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from attrs import evolve

from tieout.capabilities import Verb
from tieout.change import Action, Change, Outcome, State, change_name
from tieout.errors import Code, Fate, Fault
from tieout.evidence import READ_IN, believed, carries, shown
from tieout.models import (
    KINDS,
    Application,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    Record,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.testing.conformance.check import (
    Cases,
    Check,
    Failed,
    able_to,
    expect,
    listed,
    of,
    where,
    whose,
)
from tieout.testing.conformance.tap import Exchange
from tieout.testing.conformance.trial import (
    HOUR,
    Trial,
    answer_of,
    expect_staged,
    identity,
)
from tieout.testing.conformance.wanted import (
    OTHER_SIDE,
    any_write,
    create,
    existing,
    first_verb,
    same_but,
    standing,
    update,
    void,
)
from tieout.wire import Request, Response

BATCH = 5
"""Changes in one write where the system takes several."""

CERTAIN = (State.REJECTED, State.NOT_SENT)
UNCLEAR_STATUSES = (500, 502, 503, 504)
REFUSING_STATUSES = (400, 403, 404, 409, 422)
NAMES = (
    "O'Hara & Söhne <GmbH>",
    'The "Best" \\ Co.',
    "日本 株式会社 ]]>",
    "a; b, c = d?",
)
"""Names of customers that mean something in JSON, XML, addresses or queries."""

PAGE_FOR_PEOPLE = Response(
    200, {"Content-Type": "text/html"}, b"<html><body>Please sign in</body></html>"
)


# What came of it ------------------------------------------------------------------------


def applied(trial: Trial, change: Change, what: str = "") -> Outcome:
    """The outcome of a good change, which has to be carried out."""
    (outcome,) = trial.write(change)
    about = what or f"{change.action.name} of a good {change.kind.__name__}"
    told = f"{outcome.code.name}: {outcome.text}" if outcome.code else ""
    expect(outcome.state is State.APPLIED, f"{about} is {outcome.state.name}: {told}")
    return outcome


def _made(trial: Trial, outcome: Outcome, kind: RecordType) -> Any:
    """The document that a create made, read by the id that its outcome tells."""
    expect(outcome.ref is not None, "the outcome of a create does not tell the new ref")
    assert outcome.ref is not None
    found = trial.fetch(outcome.ref.id, kind=kind).records
    told = (
        f"the outcome tells {outcome.ref.id}; fetch of it brings {len(found)} records"
    )
    expect(len(found) == 1, told)
    return found[0]


def as_wanted(change: Change, record: Any) -> None:
    """A record shows what was wanted of it."""
    after = change.after
    names = ("name", "total", "amount", "currency", "on", "customer", "paid", "paid_on")
    differ = [
        f"{name} {_told(getattr(record, name))} instead of {_told(getattr(after, name))}"
        for name in names
        # What is left open is for the system to fill in.
        if getattr(after, name, None) not in (None, "")
        and getattr(record, name) != getattr(after, name)
    ]
    told = f"{change.kind.__name__} {record.ref.id} shows {'; '.join(differ)}"
    expect(not differ and shown(record) == shown(after), told)


def _told(value: Any) -> str:
    return str(value.id if isinstance(value, Ref) else value)


def settle(trial: Trial) -> None:
    """Wait until what is not found has certainly not been made."""
    trial.clock.advance(trial.capabilities.settle + HOUR)


# Creating -------------------------------------------------------------------------------


def what_is_made_is_there(trial: Trial) -> None:
    change = create(trial)
    record = _made(trial, applied(trial, change), trial.kind)
    as_wanted(change, record)
    number = getattr(change.after, "number", "")
    if number and trial.kind is not Customer:
        given = getattr(record, "number", "")
        expect(given, f"the number {number} was wanted, and the document has none")
        is_ours = trial.can.mark is not None and trial.can.mark.is_number
        told = f"the number is the mark: {number} was wanted, and it is {given}"
        expect(not is_ours or given == number, told)


def what_is_made_is_exact(trial: Trial) -> None:
    for text in ("0.01", "1234.57", "1234567.89"):
        change = create(trial, total=Decimal(text))
        as_wanted(change, _made(trial, applied(trial, change), trial.kind))


def what_is_written_arrives(trial: Trial) -> None:
    for name in NAMES:
        change = create(trial, name=f"{name} {trial.position()}")
        as_wanted(change, _made(trial, applied(trial, change), trial.kind))


def a_number_that_does_not_fit(trial: Trial) -> None:
    length = trial.can.number_length
    assert length is not None
    change = create(trial, number="9" * (length + 1))
    (outcome,) = trial.write(change)
    if outcome.state is State.APPLIED:
        number = _made(trial, outcome, trial.kind).number
        told = f"a number of {length + 1} digits became one of {len(number)}"
        expect(number == change.number, told)
        return
    told = f"a number that is too long is {outcome.state.name} ({code_of(outcome)})"
    expect(outcome.state in CERTAIN, told)


def the_answer_shows_it(trial: Trial) -> None:
    change = create(trial)
    outcome = applied(trial, change)
    expect(
        outcome.echo is not None,
        "the outcome has no echo: the document as the answer shows it, by which a total "
        "that was computed otherwise is noticed",
    )
    assert outcome.echo is not None
    own = not change.mark or carries(outcome.echo, change.mark)
    expect(
        own, f"the answer's document does not show the mark {change.mark}: {_read()}"
    )
    held = believed(change, outcome)
    expect(held.state is State.APPLIED, f"the answer is not believed: {held.text}")


def _read() -> str:
    """Where a mark is read, for an author whose record does not show it."""
    fields_of = " and ".join(READ_IN)
    return f"it is read in the record's {fields_of}, and in the texts of its custom"


def it_is_found_by_its_mark(trial: Trial) -> None:
    change, other = create(trial), create(trial)
    outcome = applied(trial, change)
    settle(trial)
    ours, mark = found(trial, change), change.mark
    told = f"the mark {mark} is on {len(ours)} of the documents found; {_read()}"
    expect(len(ours) == 1, told)
    assert outcome.ref is not None
    told = f"by its mark {ours[0].ref.id} is found; {outcome.ref.id} was made"
    expect(ours[0].ref.id == outcome.ref.id, told)
    expect(
        shown(ours[0]) == shown(change.after), "found by its mark, it shows otherwise"
    )
    strangers = found(trial, other)
    expect(not strangers, "a document that was never made is found by its mark")
    applied(trial, other)
    settle(trial)
    records = trial.find(change, other).records
    for each in (change, other):
        together = any(carries(record, each.mark) for record in records)
        expect(together, f"two are looked for at once, and {each.mark} is not found")


def found(trial: Trial, change: Change) -> list[Any]:
    """The documents that carry the mark of a change, among what find brings."""
    records = trial.find(change).records
    by_id = {identity(each): each for each in records if carries(each, change.mark)}
    return list(by_id.values())


def without_a_mark_nothing_is_looked_for(trial: Trial) -> None:
    change = create(trial)
    flow = trial.connector.find([change])
    fault = trial.fault(flow, "a create without a searchable mark can be looked for")
    told = f"it is refused with {fault.code.name}; it has to be NOT_ALLOWED"
    expect(fault.code is Code.NOT_ALLOWED, told)


def a_lost_answer_to_a_create(trial: Trial) -> None:
    change = create(trial)
    trial.warm()
    trial.tap.lose()
    (outcome,) = trial.write(change)
    expect(
        outcome.state is State.UNKNOWN,
        f"its answer was lost, and the outcome is {outcome.state.name}",
    )
    sent = trial.tap.effects()
    told = f"its answer was lost, and {len(sent)} requests with an effect left"
    expect(len(sent) == 1, told)
    settle(trial)
    ours = found(trial, change)
    told = f"its answer was lost; by its mark {len(ours)} documents are found"
    expect(len(ours) == 1, told)


def a_lost_answer_to_a_batch(trial: Trial) -> None:
    changes = [create(trial) for _ in range(min(BATCH, trial.can.batch_size))]
    trial.warm()
    trial.tap.lose()
    outcomes = trial.write(*changes)
    states = {each.state for each in outcomes}
    told = f"the answer to {len(changes)} was lost, and they are "
    told += listed(each.name for each in states)
    expect(State.UNKNOWN in states and states <= {State.UNKNOWN, *CERTAIN}, told)
    settle(trial)
    for change, outcome in zip(changes, outcomes, strict=True):
        count = len(found(trial, change))
        unsure = outcome.state is State.UNKNOWN
        told = f"its answer was lost; {change.mark} is found {count} times"
        expect(count == 1 if unsure else count == 0, told)


def a_number_that_is_taken(trial: Trial) -> None:
    first = create(trial)
    applied(trial, first)
    second = create(trial, number=first.number)
    (outcome,) = trial.write(second)
    told = f"a number that is taken is {outcome.state.name} ({code_of(outcome)})"
    expect(outcome.code is Code.DUPLICATE_NUMBER, told)
    expect(outcome.state in CERTAIN, told)
    records = trial.fetch(numbers=[first.number]).records
    expect(
        len(records) == 1, f"{len(records)} documents have the number {first.number}"
    )


def code_of(outcome: Outcome) -> str:
    """Why a change was not carried out."""
    return f"{outcome.code.name}: {outcome.text}" if outcome.code else "no code"


def one_key_one_document(trial: Trial) -> None:
    change = create(trial)
    applied(trial, change)
    trial.connect()  # another process, which remembers nothing
    (again,) = trial.write(change)
    told = f"sent again with the same key, the outcome is {again.state.name}"
    expect(again.state is not State.UNKNOWN, told)
    settle(trial)
    ours = found(trial, change)
    told = f"sent twice with one idempotency key, it is there {len(ours)} times"
    expect(len(ours) == 1, told)


# Batches --------------------------------------------------------------------------------


def _several(trial: Trial, verb: Verb) -> list[Change]:
    return [any_write(trial, verb) for _ in range(min(BATCH, trial.can.batch_size))]


def a_batch_is_told_by_name(trial: Trial) -> None:
    verb = first_verb(trial)
    changes = _several(trial, verb)
    outcomes = trial.write(*changes)
    for change, outcome in zip(changes, outcomes, strict=True):
        told = f"in a batch of {len(changes)}, one is {outcome.state.name}"
        expect(outcome.state is State.APPLIED, f"{told}: {code_of(outcome)}")
        _is_its_own(trial, change, outcome)


def _is_its_own(trial: Trial, change: Change, outcome: Outcome) -> None:
    """An outcome is of the change whose name it has."""
    assert outcome.ref is not None
    if change.target is not None:
        told = f"the outcome of {change.target.id} tells of {outcome.ref.id}"
        expect(outcome.ref.id == change.target.id, told)
        return
    record = _made(trial, outcome, change.kind)
    told = f"the outcome of {change.number or change.mark} tells of another document"
    own = not change.mark or carries(record, change.mark)
    expect(own, f"{told}: outcomes go by name, never by position")


def a_batch_costs_what_is_declared(trial: Trial) -> None:
    changes = _several(trial, first_verb(trial))
    trial.warm()
    before = trial.tap.calls
    trial.write(*changes)
    calls = trial.tap.calls - before
    declared = trial.capabilities.write_calls(trial.kind, len(changes))
    told = f"a write of {len(changes)} costs {calls} calls; {declared} are declared"
    expect(calls <= declared, told)


def one_bad_among_good(trial: Trial) -> None:
    verb = first_verb(trial)
    good, bad = _several(trial, verb), _bad(trial, verb)
    changes = [*good[:1], bad, *good[1 : min(BATCH, trial.can.batch_size) - 1]]
    outcomes = dict(zip((c.name for c in changes), trial.write(*changes), strict=True))
    outcome = outcomes[bad.name]
    told = f"the bad one of a batch is {outcome.state.name} ({code_of(outcome)})"
    expect(outcome.state in CERTAIN, told)
    expect(outcome.code is not None, told)
    for change in changes:
        if change is not bad:
            came = outcomes[change.name]
            told = f"beside a bad one, a good one is {came.state.name}: {code_of(came)}"
            expect(came.state is State.APPLIED, told)
            _is_its_own(trial, change, came)


def _bad(trial: Trial, verb: Verb) -> Change:
    """A change that the server refuses: something in it does not exist."""
    if verb is not Verb.CREATE:
        return vanished(trial, any_write(trial, verb))
    expect_staged(trial.kind is not Customer, "no customer is bad in itself")
    if trial.kind in (Payment, Application):
        strange = trial.bench.unknown_id(Invoice, trial.make(Invoice).id)
        return create(trial, target=strange)
    return create(trial, customer=trial.bench.unknown_id(Customer, trial.customer()))


def vanished(trial: Trial, change: Change) -> Change:
    """The same change of a record that does not exist."""
    assert change.target is not None
    strange = trial.bench.unknown_id(change.kind, change.target.id)
    target = evolve(change.target, id=strange)
    before = evolve(change.before, ref=target) if change.before else None
    after = evolve(change.after, ref=target) if change.after else None
    return evolve(change, target=target, before=before, after=after)


# Changing -------------------------------------------------------------------------------


def an_update_changes_only_that(trial: Trial) -> None:
    before = existing(trial)
    change, name = update(trial, before)
    trial.clock.advance(HOUR)
    applied(trial, change)
    after = trial.fetch(before.ref.id).records[0]
    wanted, got = getattr(change.after, name), getattr(after, name)
    expect(got == wanted, f"{name} was set to {wanted!r}, and is {got!r}")
    others = same_but(before, after, but=name)
    expect(
        not others, f"only {name} was to be changed, and {listed(others)} changed too"
    )


def a_stale_version(trial: Trial) -> None:
    before = existing(trial)
    change, _ = update(trial, before)
    trial.clock.advance(HOUR)
    trial.bench.edit(trial.kind, before.ref.id)
    (outcome,) = trial.write(change)
    told = f"somebody was faster, and the update is {outcome.state.name}"
    expect(outcome.code is Code.STALE_VERSION, f"{told} ({code_of(outcome)})")
    expect(outcome.state in CERTAIN, told)


def what_vanished(trial: Trial) -> None:
    for verb in (Verb.UPDATE, Verb.VOID):
        if not trial.can.can(verb):
            continue
        (outcome,) = trial.write(vanished(trial, any_write(trial, verb)))
        told = f"{verb.name} of what is not there is {outcome.state.name}"
        expect(outcome.code is Code.VANISHED, f"{told} ({code_of(outcome)})")
        expect(outcome.state in CERTAIN, told)


def void_is_void(trial: Trial) -> None:
    before = standing(trial)
    trial.clock.advance(HOUR)
    applied(trial, void(trial, before))
    _is_void(trial, before)


def _is_void(trial: Trial, before: Record) -> None:
    """A record that was taken back says so, or is not there any more."""
    for record in trial.fetch(before.ref.id).records:
        match record:
            case Customer():
                expect(not record.active, "a customer that was voided is active")
            case Application():
                expect(not record.live, "an application that was voided is live")
            case Posting():
                told = "an invoice that is no longer handed over says since when it is"
                expect(record.on is None, told)
            case _:
                told = f"voided, its status is {record.status.name}"
                expect(record.status is Status.VOID, told)


def void_twice(trial: Trial) -> None:
    before = standing(trial)
    applied(trial, void(trial, before))
    (outcome,) = trial.write(void(trial, before))
    told = f"voided again, the outcome is {outcome.state.name} ({code_of(outcome)})"
    expect(outcome.state is not State.UNKNOWN, told)
    _is_void(trial, before)


def an_archived_customer(trial: Trial) -> None:
    made = trial.make()
    owner = trial.fetch(trial.customer(), kind=Customer).records[0]
    applied(trial, void(trial, owner))
    trial.one(made)
    if trial.listed:
        ids = trial.read().ids
        expect(made.id in ids, "the invoice of an archived customer is not in the list")


# Whatever goes wrong --------------------------------------------------------------------


def unclear_answers(trial: Trial) -> None:
    answers = [answer_of(each, b"<html>oops</html>") for each in UNCLEAR_STATUSES]
    for answer in (*answers, PAGE_FOR_PEOPLE, answer_of(200, b'{"cut off": [1, ')):
        for carried_out in (True, False):
            _unclear(trial, answer, carried_out=carried_out)


def _unclear(trial: Trial, answer: Response, *, carried_out: bool) -> None:
    """A write whose answer says nothing is unknown, unless it was looked at again."""
    change = any_write(trial, first_verb(trial))
    trial.warm()
    before = trial.tap.calls
    if carried_out:
        trial.tap.answer_after(answer)
    else:
        trial.tap.answer(answer, effects=True)
    (outcome,) = trial.write(change)
    what = f"{answer.status} with {answer.body[:20]!r}"
    sent = trial.tap.effects(before)
    told = f"answered {what}, {len(sent)} requests with an effect left"
    expect(len(sent) == 1, told)
    did = "carried out" if carried_out else "not carried out"
    looked = trial.tap.exchanges[-1] is not sent[0]
    if outcome.state is State.APPLIED and carried_out and looked:
        return  # it was read again, and is there
    told = f"{did} and answered {what}, it is {outcome.state.name}"
    expect(outcome.state is State.UNKNOWN, f"{told} ({code_of(outcome)})")


def refused_for_certain(trial: Trial) -> None:
    for status in REFUSING_STATUSES:
        change = any_write(trial, first_verb(trial))
        trial.warm()
        before = trial.tap.calls
        trial.tap.answer(answer_of(status, b"{}"), times=9, effects=True)
        (outcome,) = trial.write(change)
        trial.tap.tricks.clear()
        told = f"answered {status}, it is {outcome.state.name} ({code_of(outcome)})"
        expect(outcome.state in CERTAIN, told)
        expect(outcome.code is not None, told)
        _not_insisted(trial.tap.effects(before), status)


def _not_insisted(sent: Sequence[Exchange], status: int) -> None:
    """What was refused is not sent again; once more behind a new sign-in at most."""
    told = f"answered {status}, it was sent {len(sent)} times"
    expect(len(sent) <= 2, told)  # noqa: PLR2004 - once, and behind a sign-in


def a_busy_server(trial: Trial) -> None:
    change = any_write(trial, first_verb(trial))
    trial.warm()
    before = trial.clock.monotonic()
    trial.tap.answer(answer_of(429, b"", Retry_After="7"), effects=True)
    applied(trial, change, "a write that was first answered 429")
    waited = trial.clock.monotonic() - before
    told = f"asked to wait 7 seconds, it waited {waited:.0f}"
    expect(waited >= 7, told)  # noqa: PLR2004 - as asked for


def nobody_there(trial: Trial) -> None:
    change = any_write(trial, first_verb(trial))
    trial.warm()
    trial.tap.break_off(Code.NOT_REACHED, Fate.NOT_SENT, times=99)
    (outcome,) = trial.write(change)
    told = f"nothing left, and it is {outcome.state.name} ({code_of(outcome)})"
    expect(outcome.state is State.NOT_SENT, told)


def denied_verbs(trial: Trial) -> None:
    for kind in KINDS.values():
        for action in (Action.CREATE, Action.UPDATE, Action.VOID):
            if not trial.capabilities.kind(kind).can(Verb[action.name]):
                _denied(trial, kind, action)


def _denied(trial: Trial, kind: RecordType, action: Action) -> None:
    """What is not declared is refused, for certain and without a request."""
    change = _blank_change(trial, kind, action)
    before = _requests(trial)
    what = f"{action.name} of {kind.__name__}"
    try:
        (outcome,) = trial.write(change)
    except Fault as fault:
        told = f"{what} is not declared, and raises {fault.code.name}"
        raise Failed(f"{told}; every change has an outcome") from fault
    told = (
        f"{what} is not declared, and it is {outcome.state.name} ({code_of(outcome)})"
    )
    expect(outcome.code is Code.NOT_ALLOWED and outcome.state in CERTAIN, told)
    sent = _requests(trial) != before
    expect(not sent, f"{what} is not declared, and a request is sent")


def _requests(trial: Trial) -> int:
    """How often the other side was asked; calls into the host's own code are free."""
    return sum(isinstance(each, Request) for each in trial.asked)


def _blank_change(trial: Trial, kind: RecordType, action: Action) -> Change:
    connection = trial.connector.connection
    record = _blank(connection, kind, trial)
    source = Ref(OTHER_SIDE, kind.__name__, "1")
    creates = action is Action.CREATE
    return Change(
        change_name(connection, kind.__name__, source, 0, action, trial.position()),
        action,
        kind,
        connection,
        source,
        target=None if creates else record.ref,
        before=None if creates else record,
        after=None if action is Action.VOID else record,
        mark="TO-ABCDEFGHIJKLM",
    )


def _blank(connection: str, kind: RecordType, trial: Trial) -> Any:
    """A record of any kind, of nothing that exists."""
    name = "Invoice" if kind is Settlement else kind.__name__
    ref, day = Ref(connection, name, "1"), trial.day(1)
    currency, one = trial.bench.currency, trial.money(1)
    if kind is Customer:
        return Customer(ref, "Nobody")
    if kind is Posting:
        return Posting(ref)
    if kind is Payment:
        return Payment(ref, None, currency, day, one, Status.SETTLED)
    if kind is Application:
        target = Ref(connection, "Invoice", "1")
        return Application(ref, ref, target, one, currency, day)
    if kind is Settlement:
        return Settlement(ref, "1", currency, one, one, Status.OPEN)
    document = Invoice if kind is Invoice else CreditNote
    return document(ref, "1", None, currency, day, one, Status.OPEN)


def effects_are_told(trial: Trial) -> None:
    for verb in (Verb.CREATE, Verb.UPDATE, Verb.VOID):
        if not trial.can.can(verb):
            continue
        change = any_write(trial, verb)
        trial.warm()
        before = trial.tap.calls
        applied(trial, change)
        exchanges = trial.tap.exchanges[before:]
        silent = [e.request for e in exchanges if e.writes and not e.request.effect]
        told = f"{verb.name} changed something by {[r.method for r in silent]}"
        expect(not silent, f"{told}, a request that says effect=False")
        moved = any(each.writes for each in exchanges)
        expect(moved, f"{verb.name} is called applied, and the server changed nothing")


# The table ------------------------------------------------------------------------------

_CREATE, _UPDATE, _VOID = Verb.CREATE, Verb.UPDATE, Verb.VOID
_CREATES = able_to(_CREATE)
_DOCUMENTS = (Invoice, CreditNote, Customer)
_BILLS = (Invoice, Settlement, CreditNote)


written = whose(lambda can: can.verbs - {Verb.READ}, able_to(Verb.READ))
"""The kinds with which anything can be done besides reading."""

searched = whose(
    lambda can: can.mark and (can.mark.searchable or can.mark.is_number), _CREATES
)
"""The kinds that are made, and found again by our mark."""

_UNSEARCHED = whose(
    lambda can: not can.mark or not (can.mark.searchable or can.mark.is_number),
    _CREATES,
)
_BATCHED = whose(lambda can: can.batch_size > 1, written)
_UNIQUE = whose(lambda can: can.number_unique, _CREATES)
_CHANGED = whose(lambda can: can.verbs & {_UPDATE, _VOID}, written)


def _check(
    name: str,
    shows: str,
    run: Callable[[Trial], None],
    cases: Cases,
    *needs: str,
    wire: bool = False,
    staged: bool = True,
) -> Check:
    return Check(name, "writing", shows, run, cases, needs, staged=staged, wire=wire)


WRITING: tuple[Check, ...] = (
    _check(
        "what is made is there",
        "A new document shows what was wanted: customer, day, currency, total.",
        what_is_made_is_there,
        _CREATES,
    ),
    _check(
        "what is made is exact",
        "A cent and a million are written digit by digit.",
        what_is_made_is_exact,
        of(_CREATES, Invoice, CreditNote),
    ),
    _check(
        "what is written arrives",
        "A name with quotation marks, ampersands or another alphabet is kept as it is.",
        what_is_written_arrives,
        of(_CREATES, Customer),
    ),
    _check(
        "a number that does not fit",
        "It is refused, or kept whole: never cut off.",
        a_number_that_does_not_fit,
        of(whose(lambda can: can.number_length, _CREATES), Invoice, CreditNote),
    ),
    _check(
        "the answer shows it",
        "The outcome of a create has the document as the answer shows it.",
        the_answer_shows_it,
        of(_CREATES, Invoice, CreditNote, Payment, Customer),
    ),
    _check(
        "it is found by its mark",
        "A document that was made is found again by our mark, and no other is.",
        it_is_found_by_its_mark,
        searched,
    ),
    _check(
        "without a mark nothing is looked for",
        "Where a mark cannot be searched for, find refuses: not found would prove nothing.",
        without_a_mark_nothing_is_looked_for,
        _UNSEARCHED,
    ),
    _check(
        "a lost answer to a create",
        "It is unknown, never sent again, and then found exactly once.",
        a_lost_answer_to_a_create,
        searched,
        wire=True,
    ),
    _check(
        "a lost answer to a batch",
        "All that was in it is unknown, and each is then found exactly once.",
        a_lost_answer_to_a_batch,
        whose(lambda can: can.batch_size > 1, searched),
        wire=True,
    ),
    _check(
        "a number that is taken",
        "Where numbers are unique, it is refused as such, and there is one document.",
        a_number_that_is_taken,
        of(_UNIQUE, Invoice, CreditNote),
    ),
    _check(
        "one key, one document",
        "Sent again with the same idempotency key, there is still one document.",
        one_key_one_document,
        where(lambda c: c.idempotency_key, searched),
    ),
    _check(
        "a batch is told by name",
        "Several changes in one write have an outcome each, of the right document.",
        a_batch_is_told_by_name,
        _BATCHED,
    ),
    _check(
        "a batch costs what is declared",
        "A write takes no more calls than the capabilities say.",
        a_batch_costs_what_is_declared,
        written,
        wire=True,
    ),
    _check(
        "one bad among good",
        "One change that is refused spoils no other of its batch.",
        one_bad_among_good,
        of(_BATCHED, *(kind for kind in KINDS.values() if kind is not Customer)),
    ),
    _check(
        "an update changes only that",
        "One field is set; all others stay as they are.",
        an_update_changes_only_that,
        of(able_to(_UPDATE), *_DOCUMENTS),
    ),
    _check(
        "a stale version",
        "Where records have versions, an update of one that changed is refused.",
        a_stale_version,
        of(where(lambda c: c.version_token, able_to(_UPDATE)), *_DOCUMENTS),
        "edit",
    ),
    _check(
        "what vanished",
        "A change of a record that is not there says so.",
        what_vanished,
        _CHANGED,
    ),
    _check(
        "void is void",
        "A document that was taken back is read as void, or is not there.",
        void_is_void,
        able_to(_VOID),
    ),
    _check(
        "void twice",
        "Taking back what was taken back does no harm, and is no riddle.",
        void_twice,
        able_to(_VOID),
    ),
    _check(
        "an archived customer",
        "A customer that is taken back hides none of its documents.",
        an_archived_customer,
        of(where(lambda c: c.kind(Customer).can(_VOID), able_to(Verb.READ)), *_BILLS),
    ),
    _check(
        "unclear answers",
        "500, 502, 503, 504, a page of HTML, half an answer: it may have happened, and is "
        "never sent again.",
        unclear_answers,
        written,
        wire=True,
    ),
    _check(
        "refused for certain",
        "400, 403, 404, 409, 422: it certainly did not happen.",
        refused_for_certain,
        written,
        wire=True,
    ),
    _check(
        "a busy server",
        "429: it is sent again after the pause that was asked for, and happens once.",
        a_busy_server,
        written,
        wire=True,
    ),
    _check(
        "nobody there",
        "Where nothing left, it is not sent, and may be tried again.",
        nobody_there,
        written,
        wire=True,
    ),
    _check(
        "what is denied is refused",
        "A verb that is not declared is NOT_ALLOWED, without a request.",
        denied_verbs,
        lambda c: (None,),
        staged=False,
    ),
    _check(
        "effects are told",
        "Every request that changes something on the server says that it has an effect.",
        effects_are_told,
        written,
        "writes",
        wire=True,
    ),
)
