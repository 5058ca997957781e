"""
Checks of reading: nothing is lost, nothing invented, and each selection means what it says.

What an invoice's money comes to is checked in `levels`.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tieout.capabilities import (
    Changed,
    Dated,
    Everything,
    Feed,
    Open,
    Select,
    Unposted,
    Verb,
)
from tieout.errors import Code, ConfigError, Fault
from tieout.models import (
    KINDS,
    CreditNote,
    Customer,
    Invoice,
    Payment,
    Posting,
    Settlement,
    Status,
)
from tieout.testing.conformance.bench import stages
from tieout.testing.conformance.check import (
    Check,
    Failed,
    expect,
    listable,
    listed,
    of,
    readable,
    selecting,
    where,
    whole,
    whose,
)
from tieout.testing.conformance.trial import (
    DAY,
    HOUR,
    MINUTE,
    Made,
    Trial,
    by_hand,
    identity,
    lost,
    repeated,
)

SIZE = 3
"""Records in a page where the connector takes a size: small, so that few make many."""

# Is it there at all ---------------------------------------------------------------------


def every_kind_is_staged(trial: Trial) -> None:
    made = trial.make()
    record = trial.one(made)
    ref = record.ref
    where_ = trial.connector.connection
    name = "Invoice" if trial.kind is Settlement else trial.kind.__name__
    expect(
        (ref.connection, ref.kind) == (where_, name),
        f"the record's ref is {ref!r}; it has to be of {where_!r} and a {name!r}",
    )


def what_stands_there_is_read(trial: Trial) -> None:
    made = trial.make(total=Decimal("1234.56"))
    record = trial.one(made)
    for name, value in _staged(made).items():
        found = getattr(record, name)
        found = found.id if name == "customer" and found else found
        expect(
            found == value,
            f"{trial.kind.__name__}.{name} is {found!r}; {value!r} was staged",
        )


def _staged(made: Made) -> dict[str, Any]:
    """What a record has to say, by its fields."""
    if made.kind is Customer:
        return {"number": made.number} if made.number else {}
    if made.kind is Posting:
        return {}
    money = "amount" if made.kind not in (Invoice, CreditNote, Settlement) else "total"
    told = {money: made.total, "currency": made.currency, "on": made.on}
    if money == "total":
        told |= {"number": made.number, "customer": made.customer}
    return told


def exact_amounts(trial: Trial) -> None:
    for text in ("0.01", "0.10", "19.99", "1234567.89", "100"):
        made = trial.make(total=Decimal(text))
        found = trial.one(made).total
        expect(found == Decimal(text), f"a total of {text} is read as {found}")
        expect(isinstance(found, Decimal), f"a total is a {type(found).__name__}")


def a_currency_without_decimals(trial: Trial) -> None:
    currency = trial.bench.zero_decimal
    made = trial.make(total=Decimal(12345), currency=currency)
    record = trial.one(made)
    told = f"{record.total} {record.currency}"
    expect(
        (record.total, record.currency) == (Decimal(12345), currency),
        f"12345 {currency} is read as {told}",
    )


# Pages ----------------------------------------------------------------------------------


def reads_to_the_end(trial: Trial) -> None:
    size = trial.pages_of(SIZE)
    before = {
        *trial.read().ids
    }  # some systems begin with a record of the company's own
    made = trial.make_many(2 * size + 1)
    for select in _whole(trial):
        reading = trial.read(select)
        name = type(select).__name__
        missing = lost(made, reading.told)
        expect(not missing, f"by {name}, pages of {size} lost {missing}")
        for number, page in enumerate(reading.pages, 1):
            twice = repeated([identity(record) for record in page.records])
            expect(not twice, f"by {name}, page {number} names {twice} twice")
        extra = {*reading.ids} - before - {each.id for each in made}
        expect(not extra, f"by {name} came what was never made: {listed(extra)}")


def _whole(trial: Trial) -> list[Select]:
    """The selections by which everything can be read."""
    every: list[Select] = [Everything(), trial.since_ever()]
    return [each for each in every if type(each) in trial.can.selects]


def pages_of_one(trial: Trial) -> None:
    trial.connect(page_size=1)
    made = trial.make_many(4)
    for select in _whole(trial):
        missing = lost(made, trial.read(select).told)
        expect(not missing, f"by {type(select).__name__}, pages of one lost {missing}")


def ties_at_a_page_boundary(trial: Trial) -> None:
    size = trial.pages_of(2)
    made = trial.make_many(2 * size + 1, gap=timedelta(0))
    for select in _whole(trial):
        missing = lost(made, trial.read(select).told)
        expect(
            not missing,
            f"of {len(made)} records changed at one instant, pages of {size} by "
            f"{type(select).__name__} lost {missing}",
        )


def an_edit_between_pages(trial: Trial) -> None:
    size = trial.pages_of(2)
    made = trial.make_many(2 * size + 2)

    def edit(position: int) -> None:
        trial.clock.advance(MINUTE)
        if position == 1:
            trial.bench.edit(_document(trial), made[0].id)

    for select in _whole(trial):
        missing = lost(made, trial.read(select, between=edit).told)
        expect(
            not missing,
            f"{made[0].number or made[0].id} was edited after the first page was read, "
            f"and the pages behind it lost {missing}",
        )


def a_deletion_between_pages(trial: Trial) -> None:
    size = trial.pages_of(2)
    made = trial.make_many(2 * size + 2)

    def delete(position: int) -> None:
        if position == 1:
            trial.bench.delete(_document(trial), made[0].id)

    select = _whole(trial)[0]
    missing = lost(made[1:], trial.read(select, between=delete).told)
    expect(
        not missing,
        f"{made[0].number or made[0].id} was deleted after the first page was read, and "
        f"the pages behind it lost {missing}",
    )


def _document(trial: Trial) -> Any:
    """The kind of the record itself: the money of an invoice is the invoice's."""
    return Invoice if trial.kind is Settlement else trial.kind


def a_page_is_a_resume_point(trial: Trial) -> None:
    size = trial.pages_of(2)
    made = trial.make_many(2 * size + 1)
    select = trial.any_select()
    first = trial.page(select)
    expect(first.next is not None, f"{len(made)} records are one page of {size}")
    second = trial.page(select, first.next)
    trial.clock.advance(HOUR)
    trial.pages_of(2)  # another process, with a session of its own
    again = trial.page(select, first.next)
    before, after = ([identity(r) for r in p.records] for p in (second, again))
    expect(
        before == after,
        f"the second page was {listed(before)}; resumed with the same cursor it is "
        f"{listed(after)}",
    )


# Selections -----------------------------------------------------------------------------


def since_is_inclusive(trial: Trial) -> None:
    made = trial.make()
    at = trial.clock.now()
    trial.clock.advance(DAY)
    trial.make()
    told = trial.read(Changed(at)).told
    expect(
        made.id in told,
        f"{made.number or made.id}, changed at {at:%H:%M:%S}, is not among what changed "
        f"since {at:%H:%M:%S}: the bound is inclusive",
    )


def nothing_older_is_read(trial: Trial) -> None:
    old = trial.make()
    step = max(DAY, 2 * trial.capabilities.clock_resolution)
    trial.clock.advance(step)
    since = trial.clock.now()
    trial.clock.advance(step)
    new = trial.make()
    reading = trial.read(Changed(since))
    expect(new.id in reading.told, f"{new.number or new.id} is new, and not read")
    expect(
        old.id not in reading.ids,
        f"{old.number or old.id} changed {step} before since, and was read again",
    )


def an_edit_is_seen(trial: Trial) -> None:
    made = trial.make_many(2)
    trial.clock.advance(DAY)
    since = trial.clock.now()
    trial.clock.advance(MINUTE)
    trial.bench.edit(_document(trial), made[0].id)
    told = trial.read(Changed(since)).told
    expect(made[0].id in told, "a record that was edited is not among what changed")


def the_token_goes_on(trial: Trial) -> None:
    old = trial.make_many(2)
    first = trial.read(trial.since_ever())
    token = first.pages[-1].token
    expect(token, "a change token is declared, and the last page gives none")
    trial.clock.advance(HOUR)
    new = trial.make()
    reading = trial.read(Changed(trial.since_ever().since, token))
    expect(new.id in reading.told, f"behind the token, {new.number} is not read")
    again = [each for each in old if each.id in reading.ids]
    expect(not again, f"behind the token, {listed(e.number for e in again)} came again")


def dated_bounds_are_inclusive(trial: Trial) -> None:
    days = [trial.day(position) for position in (4, 5, 7, 8)]
    before, first, last, after = [trial.make(on=day) for day in days]
    ids = {*trial.read(Dated(days[1], days[2])).ids}
    for made in (first, last):
        expect(
            made.id in ids,
            f"a document of {made.on} is not among those of {days[1]} to {days[2]}",
        )
    for made in (before, after):
        expect(
            made.id not in ids,
            f"a document of {made.on} is among those of {days[1]} to {days[2]}",
        )


def open_is_what_is_owed(trial: Trial) -> None:
    owed = trial.make(on=trial.day(3))
    paid = trial.make(on=trial.day(3))
    if trial.kind is CreditNote:
        invoice = trial.make(Invoice, on=trial.day(3))
        trial.bench.apply_credit(paid.id, invoice.id, paid.total, trial.day(4))
    else:
        trial.bench.pay(paid.id, paid.total, trial.day(4))
    later = trial.make(on=trial.day(6))
    ids = trial.read(Open()).ids
    expect(paid.id not in ids, "a document on which nothing is owed is among the open")
    missing = lost([owed, later], ids)
    expect(not missing, f"of the open documents, {missing} is not read")
    bounded = trial.read(Open(trial.day(3))).ids
    expect(owed.id in bounded, "Open(through) leaves out a document of that very day")
    expect(later.id not in bounded, "Open(through) reads a document of a later day")


def everything_is_everything(trial: Trial) -> None:
    owed, paid = trial.make(), trial.make()
    trial.bench.pay(paid.id, paid.total, trial.day(30))
    missing = lost([owed, paid], trial.read(Everything()).ids)
    expect(not missing, f"Everything leaves out {missing}")


def unposted_is_what_was_not_handed_over(trial: Trial) -> None:
    waiting, done = (trial.make(Invoice, on=trial.day(3)) for _ in range(2))
    later = trial.make(Invoice, on=trial.day(6))
    trial.bench.post(done.id)
    ids = trial.read(Unposted(trial.day(3))).ids
    expect(waiting.id in ids, "an invoice that was not handed over is not read")
    expect(done.id not in ids, "an invoice that was handed over is read as unposted")
    expect(later.id not in ids, "Unposted(through) reads an invoice of a later day")


def an_empty_system(trial: Trial) -> None:
    for select in _each_select(trial):
        reading = trial.read(select)
        name = type(select).__name__
        expect(
            not reading.records and not reading.issues,
            f"an empty system gives {len(reading.records)} records and "
            f"{len(reading.issues)} issues by {name}",
        )


def _each_select(trial: Trial) -> list[Select]:
    """One of each selection that is declared."""
    first, last = trial.day(0), trial.day(39)
    every: tuple[Select, ...] = (
        trial.since_ever(),
        Dated(first, last),
        Open(),
        Unposted(last),
        Everything(),
    )
    return [each for each in every if type(each) in trial.can.selects]


def other_selections_are_refused(trial: Trial) -> None:
    day = trial.day(0)
    every: tuple[Select, ...] = (
        trial.since_ever(),
        Dated(day, day),
        Open(),
        Unposted(day),
        Everything(),
    )
    for select in every:
        if type(select) in trial.can.selects:
            continue
        flow = trial.connector.page(trial.kind, select)
        _refused(trial, flow, f"{trial.kind.__name__} by {type(select).__name__}")


def other_kinds_are_refused(trial: Trial) -> None:
    others = [k for k in KINDS.values() if k not in [*readable(trial.capabilities)]]
    for kind in others:
        name = kind.__name__
        page = trial.connector.page(kind, Everything())
        _refused(trial, page, f"a page of {name}")
        _refused(trial, trial.connector.fetch(kind, ids=("1",)), f"a {name} by id")


def _refused(trial: Trial, flow: Any, what: str) -> None:
    """What is not declared is refused at once, with NOT_ALLOWED and without a request."""
    try:
        asked = by_hand(flow)
    except Fault as fault:
        told = f"{what} is refused with {fault.code.name}; it has to be NOT_ALLOWED"
        expect(fault.code is Code.NOT_ALLOWED, told)
    else:
        expect(asked is None, f"{what} is not declared, and a request is sent for it")
        raise Failed(f"{what} is not declared, and not refused")


FOREIGN = ("a cursor of another system\x00", "[1, 2, 3, 4, 5]", "b:/9?page=x y")
"""Resume points that no system gave: a token of one, a place of another."""


def a_foreign_cursor_is_refused(trial: Trial) -> None:
    select = trial.any_select()
    for cursor in FOREIGN:
        try:
            asked = by_hand(trial.connector.page(trial.kind, select, cursor))
        except ConfigError:
            continue
        told = "was asked about" if asked is not None else "was taken"
        raise Failed(
            f"the cursor {cursor!r} is of another system, and {told}; ConfigError is "
            "due at once (set `cursors` to what this system's look like)"
        )


def the_clock_of_the_other_side_is_told(trial: Trial) -> None:
    trial.make()
    now = trial.clock.now()
    for select in _each_select(trial):
        page = trial.page(select)
        name = type(select).__name__
        expect(page.as_of is not None, f"by {name}, the page tells no as_of")
        assert page.as_of is not None
        told = f"by {name}, as_of is {page.as_of}; it was {now} there"
        expect(abs(page.as_of - now) < MINUTE, told)


# What goes away -------------------------------------------------------------------------


def a_void_document_says_so(trial: Trial) -> None:
    made = trial.make()
    trial.clock.advance(HOUR)
    trial.bench.void(_document(trial), made.id)
    page = trial.fetch(made.id)
    live = [r for r in page.records if getattr(r, "status", None) is not Status.VOID]
    expect(not live, f"a voided document is read as {[r.status for r in live]}")


def a_void_document_is_among_the_changes(trial: Trial) -> None:
    made = trial.make()
    trial.clock.advance(DAY)
    since = trial.clock.now()
    trial.clock.advance(HOUR)
    trial.bench.void(_document(trial), made.id)
    told = trial.read(Changed(since)).told
    expect(made.id in told, "a document that was voided is not among what changed")


def a_deletion_is_seen(trial: Trial) -> None:
    made = trial.make()
    trial.clock.advance(DAY)
    since = trial.clock.now()
    trial.clock.advance(HOUR)
    trial.bench.delete(_document(trial), made.id)
    reading = trial.read(Changed(since))
    expect(
        made.id in reading.told,
        "deletions are declared visible, and a deleted record is neither gone, void nor "
        "touched among what changed",
    )


def what_is_deleted_is_not_found(trial: Trial) -> None:
    kept, made = trial.make(), trial.make()
    trial.bench.delete(_document(trial), made.id)
    page = trial.fetch(kept.id, made.id)
    live = [
        identity(r)
        for r in page.records
        if getattr(r, "status", None) is not Status.VOID
    ]
    expect(live == [kept.id], f"of one kept and one deleted, {listed(live)} is found")


def a_draft_is_a_draft(trial: Trial) -> None:
    number = trial.bench.number(900)
    draft = trial.bench.draft(
        number,
        Decimal(100),
        customer=trial.customer(),
        on=trial.day(1),
        currency=trial.bench.currency,
    )
    record = trial.one(Made(trial.kind, draft, number))
    # What a billing system holds as paid does not depend on whether it is final there.
    can_be = {Status.DRAFT, *([Status.OPEN] if trial.can.can(Verb.UPDATE) else [])}
    expect(record.status in can_be, f"a draft is read as {record.status.name}")


def lists_and_single_reads_agree(trial: Trial) -> None:
    made = trial.make()
    if trial.kind in (Invoice, Settlement):
        _part_paid(trial, made)
    listed_ = trial.read().by_id().get(made.id)
    expect(listed_ is not None, f"{made.number} is not in the list")
    single = trial.one(made)
    differ = [
        name
        for name in ("number", "total", "balance", "status", "settled_by", "paid_on")
        if getattr(listed_, name, None) != getattr(single, name, None)
    ]
    expect(not differ, f"in the list and by id, {listed(differ)} are not the same")


def _part_paid(trial: Trial, made: Made) -> None:
    if stages(trial.bench, "pay") and trial.capabilities.payments.partial:
        trial.bench.pay(made.id, Decimal(30), trial.day(30))


def applied_credit_is_told(trial: Trial) -> None:
    credit, invoice = trial.make(), trial.make(Invoice)
    before = trial.one(credit)
    expect(before.total > 0, f"a credit note of 100 is read as {before.total}")
    trial.bench.apply_credit(credit.id, invoice.id, Decimal(40), trial.day(30))
    left = trial.one(credit).remaining
    expect(
        left in (None, Decimal(60)),
        f"40 of a credit note of 100 were applied, and {left} is called remaining",
    )


def a_payment_adds_up(trial: Trial) -> None:
    made = trial.make()
    record = trial.one(made)
    applied = sum(
        (each.source_amount or each.amount for each in record.applications), Decimal(0)
    )
    rest = record.unapplied or Decimal(0)
    told = f"{record.amount} is not {applied} applied + {rest} unapplied"
    expect(record.amount == applied + rest, told)
    targets = {each.target.id for each in record.applications}
    expect(
        targets == {made.invoice},
        f"it was for invoice {made.invoice}, and is put to {listed(targets)}",
    )


def a_payment_taken_back_is_void(trial: Trial) -> None:
    made = trial.make()
    trial.bench.take_back(made.id)
    found = trial.fetch(made.id).records
    live = [each for each in found if getattr(each, "status", None) is not Status.VOID]
    expect(not live, f"a payment that was taken back is read as {live[:1]}")
    puts = [put for each in found for put in getattr(each, "applications", ())]
    live_puts = [put.target.id for put in puts if put.live]
    expect(
        not live_puts,
        f"it was taken back, and is still put to invoice {listed(live_puts)}",
    )


def applications_are_told_apart(trial: Trial) -> None:
    """Two payments, each put to an invoice."""
    records = [trial.one(trial.make()) for _ in range(2)]
    ids = [put.ref.id for record in records for put in record.applications]
    expect(
        len(ids) == len(set(ids)),
        f"two payments have applications of the same id: {listed(ids)}",
    )


# The table ------------------------------------------------------------------------------

_DOCUMENTS = (Invoice, CreditNote, Settlement)
_EDITED = (Customer, *_DOCUMENTS)
_CHANGED = selecting(Changed)

_GROUP = "reading"
READING: tuple[Check, ...] = (
    Check(
        "every kind that can be read is there",
        _GROUP,
        "The bench stages each kind that the connector reads, and its id finds it.",
        every_kind_is_staged,
        readable,
    ),
    Check(
        "what stands there is what is read",
        _GROUP,
        "Number, customer, currency, day and total are read as they were entered.",
        what_stands_there_is_read,
        readable,
        staged=True,
    ),
    Check(
        "amounts are exact",
        _GROUP,
        "Totals from a cent to a million are read digit by digit.",
        exact_amounts,
        of(readable, *_DOCUMENTS),
        staged=True,
    ),
    Check(
        "a currency without decimals is exact",
        _GROUP,
        "An amount in a currency without decimals is read as it is.",
        a_currency_without_decimals,
        of(readable, *_DOCUMENTS),
        needs=("zero_decimal",),
        staged=True,
    ),
    Check(
        "reads to the end",
        _GROUP,
        "All pages together lose nothing, invent nothing, and end.",
        reads_to_the_end,
        whole,
        staged=True,
    ),
    Check(
        "pages of one",
        _GROUP,
        "With one record in a page nothing is lost, and reading ends.",
        pages_of_one,
        whole,
        staged=True,
        sized=True,
    ),
    Check(
        "ties at a page boundary",
        _GROUP,
        "Records with one change time are all read, though they fill several pages.",
        ties_at_a_page_boundary,
        whole,
        staged=True,
    ),
    Check(
        "an edit between two pages",
        _GROUP,
        "A record that changes while pages are read hides none of its neighbours.",
        an_edit_between_pages,
        of(whole, *_EDITED),
        needs=("edit",),
        staged=True,
    ),
    Check(
        "a deletion between two pages",
        _GROUP,
        "A record that goes away while pages are read hides none of its neighbours.",
        a_deletion_between_pages,
        of(whole, Invoice, Settlement),
        needs=("delete",),
        staged=True,
    ),
    Check(
        "a page is a resume point",
        _GROUP,
        "Where the order is called stable, the same cursor brings the same page later.",
        a_page_is_a_resume_point,
        whose(lambda can: can.stable_order, whole),
        staged=True,
    ),
    Check(
        "changed since is inclusive",
        _GROUP,
        "What changed at the very instant is read.",
        since_is_inclusive,
        _CHANGED,
        staged=True,
    ),
    Check(
        "nothing older is read",
        _GROUP,
        "What did not change since is not read: going back is the engine's business.",
        nothing_older_is_read,
        _CHANGED,
        staged=True,
    ),
    Check(
        "an edit is seen",
        _GROUP,
        "A record that was edited is among what changed.",
        an_edit_is_seen,
        of(_CHANGED, *_EDITED),
        needs=("edit",),
        staged=True,
    ),
    Check(
        "a change token goes on",
        _GROUP,
        "With the token of the last reading only what came behind it is read.",
        the_token_goes_on,
        of(where(lambda c: Feed.TOKEN in c.payments.feeds, _CHANGED), Settlement),
        staged=True,
    ),
    Check(
        "both days of a range are in it",
        _GROUP,
        "Dated brings documents of its first and last day, and none outside.",
        dated_bounds_are_inclusive,
        selecting(Dated),
        staged=True,
    ),
    Check(
        "open is what is owed",
        _GROUP,
        "Open brings documents on which something is owed, through its day, and no other.",
        open_is_what_is_owed,
        of(selecting(Open), Invoice, Settlement),
        needs=("pay",),
        staged=True,
    ),
    Check(
        "open credits are those with a rest",
        _GROUP,
        "Open brings credit notes of which something is left, and no other.",
        open_is_what_is_owed,
        of(selecting(Open), CreditNote),
        needs=("invoice", "apply_credit"),
        staged=True,
    ),
    Check(
        "everything is everything",
        _GROUP,
        "Everything brings what is paid as well as what is open.",
        everything_is_everything,
        of(selecting(Everything), Invoice, Settlement),
        needs=("pay",),
        staged=True,
    ),
    Check(
        "unposted is what was not handed over",
        _GROUP,
        "Unposted brings invoices that were not handed over, through its day.",
        unposted_is_what_was_not_handed_over,
        of(selecting(Unposted), Invoice, Posting),
        needs=("post",),
        staged=True,
    ),
    Check(
        "an empty system",
        _GROUP,
        "Where there is nothing, every selection brings nothing, and no issue.",
        an_empty_system,
        of(listable, *(kind for kind in KINDS.values() if kind is not Customer)),
    ),
    Check(
        "other selections are refused",
        _GROUP,
        "A selection that is not declared is NOT_ALLOWED, without a request.",
        other_selections_are_refused,
        listable,
    ),
    Check(
        "other kinds are refused",
        _GROUP,
        "A kind that is not declared is NOT_ALLOWED, without a request.",
        other_kinds_are_refused,
    ),
    Check(
        "a foreign cursor is refused",
        _GROUP,
        "A resume point of another system is a ConfigError, without a request.",
        a_foreign_cursor_is_refused,
        whole,
    ),
    Check(
        "the other side's clock is told",
        _GROUP,
        "A page says what time it was there: the next run begins at that instant.",
        the_clock_of_the_other_side_is_told,
        listable,
        staged=True,
        wire=True,
    ),
    Check(
        "a void document says so",
        _GROUP,
        "A document that was taken back is void, or not there.",
        a_void_document_says_so,
        of(readable, *_DOCUMENTS),
        needs=("void",),
        staged=True,
    ),
    Check(
        "voiding is a change",
        _GROUP,
        "A document that was taken back is among what changed.",
        a_void_document_is_among_the_changes,
        of(_CHANGED, *_DOCUMENTS),
        needs=("void",),
        staged=True,
    ),
    Check(
        "a deletion is seen",
        _GROUP,
        "Where deletions are called visible, a deleted record is named.",
        a_deletion_is_seen,
        of(where(lambda c: c.deletions_visible, _CHANGED), Invoice, Settlement),
        needs=("delete",),
        staged=True,
    ),
    Check(
        "what is deleted is not found",
        _GROUP,
        "A deleted record is absent or void; its neighbour is found.",
        what_is_deleted_is_not_found,
        of(readable, Invoice, Settlement),
        needs=("delete",),
        staged=True,
    ),
    Check(
        "a draft is a draft",
        _GROUP,
        "An invoice without effect on the ledger is read as DRAFT.",
        a_draft_is_a_draft,
        of(readable, Invoice, Settlement),
        needs=("draft",),
        staged=True,
    ),
    Check(
        "lists and single reads agree",
        _GROUP,
        "A document in a list says the same as when it is read by its id.",
        lists_and_single_reads_agree,
        of(whole, *_DOCUMENTS),
        staged=True,
    ),
    Check(
        "a credit note is positive, less what was applied",
        _GROUP,
        "Its total is above zero, and what is left is told as it is.",
        applied_credit_is_told,
        of(readable, CreditNote),
        needs=("invoice", "apply_credit"),
        staged=True,
    ),
    Check(
        "a payment adds up",
        _GROUP,
        "A payment's amount is what was applied and what was not; its invoice is named.",
        a_payment_adds_up,
        of(readable, Payment),
        staged=True,
    ),
    Check(
        "applications are told apart",
        _GROUP,
        "No two payments have an application of the same id.",
        applications_are_told_apart,
        of(readable, Payment),
        staged=True,
    ),
    Check(
        "a payment that was taken back is void",
        _GROUP,
        "A payment that was undone is void, with all that it was put to, or not there.",
        a_payment_taken_back_is_void,
        of(readable, Payment),
        needs=("take_back",),
        staged=True,
    ),
)
