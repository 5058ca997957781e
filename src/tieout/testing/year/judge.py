"""
What must be true of two systems that talk for a year, at each write and once all is quiet.

It looks at what both systems hold, at the ties and at the issues that are listed. It asks
no planner: what each record must come to on the other side is worked out here anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from attrs import define, field

from tieout.change import Action, Change
from tieout.errors import Code
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Link,
    Part,
    Payment,
    RecordType,
    Ref,
    Settlement,
    Status,
)
from tieout.money import ZERO
from tieout.settings import Direction, Settings
from tieout.store import Fact, Gone, Held, Intent, IssueRow
from tieout.store import Stage as At
from tieout.testing.simulator.disk import Disk
from tieout.testing.simulator.stage import Stage, Violation
from tieout.testing.year.books import Books

PASSING = frozenset(
    {
        Code.ANSWER_LOST,
        Code.IN_USE,
        Code.LEASE_LOST,
        Code.NOT_IN_TIME,
        Code.NOT_REACHED,
        Code.OUTCOME_UNKNOWN,
        Code.RESTORED,
        Code.RUN_IN_PROGRESS,
        Code.STALE_PLAN,
        Code.STALE_VERSION,
        Code.WAITS,
    }
)
"""What of these worlds passes by itself. It is listed here once more, so that a mistake in
what the engine tries again is seen."""

TWICE = "Y1"
CARRIED = "Y2"
AGREE = "Y3"
SILENT = "Y4"
ECHO = "Y5"
VOIDED = "Y6"
OWN = "Y7"
LIVE = "Y8"

INVARIANTS: Mapping[str, str] = {
    TWICE: "no document of ours is there twice",
    CARRIED: "every record is carried as it is, or an issue says why not",
    AGREE: "the books agree to the minor unit, but for listed issues",
    SILENT: "a quiet system makes no write",
    ECHO: "what came from one side is not sent back there",
    VOIDED: "a void is carried once",
    OWN: "nothing is written to a document that is not ours or tied by evidence",
    LIVE: "once nothing fails any more, all comes to rest",
}
"""The invariants, by their ids."""

ROLE_OF_FEE = "fee"


@define(eq=False)
class Judge:
    """Watches the writes of a world, and compares its two systems in the end."""

    stage: Stage
    books: Mapping[str, Books]
    disk: Disk
    settings: Settings
    levels: bool
    made: dict[Ref, Change] = field(factory=dict)
    """What the engine has made, each with the change that made it."""
    unheard: set[Ref] = field(factory=set)
    """What was made under its number for a mark, and is not tied yet: the number is all by
    which it can be found."""
    disturbed: bool = False
    """Whether somebody worked while the run that is under way had read already."""
    surprised: list[Change] = field(factory=list)
    """What was written since this list was begun anew."""
    _born: dict[tuple[Any, ...], Ref] = field(factory=dict)
    _ended: set[Ref] = field(factory=set)
    _tied: set[tuple[Ref, Ref, str]] = field(factory=set)
    _shown_on: set[frozenset[Ref | None]] = field(factory=set)

    # At each write ----------------------------------------------------------------------

    def landed(self, change: Change, made: Any) -> None:
        """A write was carried out. Raises `Violation`."""
        self.surprised.append(change)
        if change.kind is Settlement:
            # Evident when it was sent; a person may have changed either since.
            self._shown_on.add(frozenset((change.source, change.target)))
            return
        if change.action is Action.CREATE:
            self._created(change, made)
            return
        assert change.target is not None
        self._owned(change, change.target)
        if change.action is Action.VOID:
            if change.target in self._ended:
                raise Violation(VOIDED, f"{change.target} was taken back twice")
            self._ended.add(change.target)

    def _created(self, change: Change, made: Any) -> None:
        role = (change.connection, change.kind.__name__, change.source, change.role)
        once = (*role, change.generation)
        if once in self._born:
            text = f"{made.ref} is {self._born[once].id} once more: {change.source}"
            raise Violation(TWICE, f"{text} {change.role} {change.generation}")
        self._born[once] = made.ref
        for ref, other in self.made.items():
            before = (
                other.connection,
                other.kind.__name__,
                other.source,
                other.role,
            )
            if before == role and self._is_live(ref):
                raise Violation(TWICE, f"{made.ref} beside {ref.id} for {role}")
        if change.source in self.made:
            raise Violation(ECHO, f"{change.source} was ours, and is {made.ref} now")
        if self.status(change.source) is Status.DRAFT:
            raise Violation(CARRIED, f"{change.source} is a draft")
        self.made[made.ref] = change
        if change.mark and change.mark == getattr(made, "number", ""):
            self.unheard.add(made.ref)

    def _owned(self, change: Change, target: Ref) -> None:
        """A document is ours to change if we made it for this record, or tied it to it."""
        ours = self.made.get(target)
        if ours is not None and ours.source == change.source:
            return
        for link in self.disk.facts(Link):
            if {link.billing, link.ledger} == {change.source, target}:
                return
        raise Violation(OWN, f"{target} is not ours: {change.source}")

    def committed(self, facts: Iterable[Fact | Gone]) -> None:
        """Facts were written to the store: a new tie rests on evidence. Raises `Violation`."""
        for fact in facts:
            if isinstance(fact, Link) and not fact.released:
                self._new_tie(fact)
                self.unheard -= {fact.billing, fact.ledger}

    def _new_tie(self, link: Link) -> None:
        tie = (link.billing, link.ledger, link.role)
        if tie in self._tied:
            return
        self._tied.add(tie)
        ours = self.made.get(link.billing), self.made.get(link.ledger)
        if ours[0] is not None and ours[0].source == link.ledger:
            return
        if ours[1] is not None and ours[1].source == link.billing:
            return
        if frozenset((link.billing, link.ledger)) in self._shown_on:
            return
        if not self.disturbed and not self._evident(link):
            raise Violation(OWN, f"{link.billing} was tied to {link.ledger}")

    def _evident(self, link: Link) -> bool:
        """Whether two documents that nobody of us made are one by what they say."""
        here, there = self.record(link.billing), self.record(link.ledger)
        if here is None or there is None:
            return False
        numbers = here.number.strip() == there.number.strip() != ""
        if isinstance(here, Customer):
            return numbers or _name(here) == _name(there)
        alike = (here.currency, here.total) == (there.currency, there.total)
        return numbers and alike

    # Once all is quiet ------------------------------------------------------------------

    def listed(self, *, passing: bool = True) -> set[Ref]:
        """
        The records about which an issue is listed, or a write parked.

        ``passing``: also those whose trouble passes by itself.
        """
        rows = self.disk.facts(IssueRow)
        found = {
            ref
            for row in rows
            if passing or row.issue.code not in PASSING
            for ref in (row.issue.source, row.issue.within)
            if ref is not None
        }
        parked = [e for e in self.disk.facts(Intent) if e.stage is At.PARKED]
        return found | {each.source for each in parked}

    def verdict(self) -> dict[str, int]:
        """Compare both systems; how much was compared. Raises `Violation`."""
        return Verdict(self).given()

    def kinds(self, connection: str) -> Iterator[RecordType]:
        """The kinds of records that go from this side to the other one."""
        one_way = (
            Direction.TO_LEDGER
            if self._is_billing(connection)
            else Direction.TO_BILLING
        )
        for kind in (Customer, Invoice, CreditNote, Payment):
            if self.settings.direction(kind) in (one_way, Direction.BOTH):
                yield kind

    def _is_billing(self, connection: str) -> bool:
        return connection == next(iter(self.books))

    def record(self, ref: Ref) -> Any:
        """A record of either side, or None."""
        for kind, records in self.books[ref.connection].records.items():
            if kind.__name__ == ref.kind:
                return records.get(ref.id)
        return None

    def status(self, ref: Ref) -> Status | None:
        """The status of a document."""
        return getattr(self.record(ref), "status", None)

    def _is_live(self, ref: Ref) -> bool:
        record = self.record(ref)
        if isinstance(record, Application):
            return record.live
        return record is not None and self.status(ref) is not Status.VOID


def _name(customer: Customer) -> str:
    return " ".join(customer.name.casefold().split())


class Verdict:
    """One comparison of both systems, with what the store says of them."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._settings = judge.settings
        self._books = list(judge.books.values())
        self._links: dict[Ref, dict[str, Link]] = {}
        for link in judge.disk.facts(Link):
            for ref in (link.billing, link.ledger):
                if not link.released:
                    self._links.setdefault(ref, {})[link.role] = link
        self._listed = judge.listed()
        self._counts: dict[str, int] = {}

    def given(self) -> dict[str, int]:
        """How much was compared; raises `Violation` where something is wrong."""
        for books in self._books:
            for kind in self._judge.kinds(books.connection):
                for record in list(books.of(kind).values()):
                    if record.ref not in self._judge.made:
                        self._carried(kind, record)
        self._all_over()
        self._invoices_agree()
        self._customers_agree()
        if self._judge.levels:
            self._levels_agree()
        return self._counts

    def _all_over(self) -> None:
        """Nothing is left open that passes by itself, or waits for what is there."""
        intents = self._judge.disk.facts(Intent)
        parked = {e.kind.__name__ for e in intents if e.stage is At.PARKED}
        open_ = {}
        for row in self._judge.disk.facts(IssueRow):
            source, code = row.issue.source, row.issue.code
            if row.held is not Held.OPEN or source is None:
                continue
            open_[source] = row
            if code is Code.WAITS:
                # It may be, or may be made once more as, what that write has made.
                doubt = source.kind in parked
                if not doubt and not self._waits(source):
                    raise Violation(LIVE, f"{source} waits for nothing: {row.issue}")
            elif code in PASSING:
                raise Violation(LIVE, f"{source}: {row.issue}")
        for intent in intents:
            told = intent.source in open_ or intent.within in open_
            if intent.stage is At.PLANNED and not told:
                raise Violation(LIVE, f"{intent.source} is planned, and nobody is told")

    def _waits(self, ref: Ref) -> bool:
        """Whether something that a record names is not on the other side, or is listed."""
        record = self._judge.record(ref)
        needed = [getattr(record, "customer", None)]
        if isinstance(record, Application):
            needed = [record.source, record.target]
        elif isinstance(record, Payment):
            puts = self._shown(ref).applications
            needed += [put.target for put in puts if put.live and put.target != ref]
        named = [each for each in needed if each is not None]
        return any(self._over(e) is None or e in self._listed for e in named)

    # Who is who ---------------------------------------------------------------------------

    def _over(self, ref: Ref, role: str = "") -> Any:
        """The record that one is on the other side, or None."""
        link = self._links.get(ref, {}).get(role)
        if link is None:
            return None
        there = link.ledger if link.billing == ref else link.billing
        return self._judge.record(there)

    def _counterparts(self, ref: Ref) -> Iterator[Ref]:
        for link in self._links.get(ref, {}).values():
            yield link.ledger if link.billing == ref else link.billing

    def _is_listed(self, *refs: Ref | None) -> bool:
        """Whether something is listed about a record, or about what it is over there."""
        for ref in refs:
            if ref is None:
                continue
            if ref in self._listed:
                return True
            made = self._judge.made.get(ref)
            asked = (made.source, made.within) if made is not None else ()
            if any(each in self._listed for each in asked):
                return True
            if any(each in self._listed for each in self._counterparts(ref)):
                return True
        return False

    def _shown(self, ref: Ref) -> Any:
        record = self._judge.record(ref)
        return self._judge.books[ref.connection].shown(record)

    def _note(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1

    # Carried ------------------------------------------------------------------------------

    def _carried(self, kind: RecordType, record: Any) -> None:
        if self._passed_over(record):
            return
        self._note("records in scope")
        wrong = _CHECKS[kind](self, record)
        if not wrong:
            self._note("records carried")
        elif self._excused(record):
            self._note("records with an issue")
        else:
            raise Violation(CARRIED, f"{record.ref}: {wrong}, and no issue says why")

    def _excused(self, record: Any) -> bool:
        refs = [record.ref, *self._counterparts(record.ref)]
        if isinstance(record, Payment | CreditNote):
            refs += [put.ref for put in self._shown(record.ref).applications]
        return self._is_listed(*refs)

    def _passed_over(self, record: Any) -> bool:
        """Whether a record is not wanted on the other side, and nobody is told so."""
        if record.ref in self._links:
            return False
        if isinstance(record, Customer):
            return not record.active
        if record.status is Status.DRAFT:
            return True
        owner = self._judge.record(record.customer) if record.customer else None
        inward = record.ref.connection != self._books[0].connection
        return bool(
            inward
            and self._settings.active_only
            and not isinstance(record, Payment)
            and owner is not None
            and not owner.active
        )

    def _customer(self, record: Customer) -> str:
        return "" if self._over(record.ref) is not None else "it is not tied"

    def _document(self, record: Any) -> str:
        there = self._over(record.ref)
        if record.status is Status.VOID:
            copies = [
                ref
                for ref, change in self._judge.made.items()
                if change.source == record.ref and ref.kind == record.ref.kind
            ]
            left = [r for r in copies if self._judge.status(r) is not Status.VOID]
            if there is not None and there.status is not Status.VOID:
                left.append(there.ref)
            return f"it is void, {left[0]} is not" if left else ""
        if there is None:
            return "it is not tied"
        if there.status is Status.VOID:
            return f"{there.ref} is void"
        owner = record.customer
        known = self._over(owner) if owner is not None else None
        if (known.ref if known is not None else owner) != there.customer:
            return f"{there.ref} is another customer's"
        if isinstance(record, CreditNote):
            wrong = self._applications(record)
            if wrong:
                return wrong
        names = ["currency", "total"]
        # What was tied by its number may be of another day.
        names += ["on"] * (there.ref in self._judge.made)
        names += ["number"] * (self._settings.updates == "update")
        return _otherwise(record, there, names)

    def _applications(self, note: CreditNote) -> str:
        """Whether a credit note's applications are there as they are here."""
        for put in self._shown(note.ref).applications:
            there = self._over(put.ref)
            live = there is not None and there.live
            if put.live and not live:
                return f"{put.ref} of it is not applied"
            if not put.live and live:
                return f"{put.ref} of it is still applied"
            if there is not None and put.live and put.amount != there.amount:
                return f"{put.ref} is {there.amount} there"
        return ""

    def _payment(self, record: Payment) -> str:
        copies = self._copies(record)
        live = [each for each in copies if each.status is not Status.VOID]
        cash = [each for each in live if isinstance(each, Payment)]
        if record.status is Status.VOID:
            return f"it is void, {live[0].ref} is not" if live else ""
        if sum((each.amount for each in cash), ZERO) != record.amount:
            return f"{[str(each.amount) for each in cash]} is there of {record.amount}"
        if any((e.currency, e.on) != (record.currency, record.on) for e in cash):
            return "it is of another day or currency there"
        wanted = _summed(self._put_to(self._shown(record.ref)))
        found = _summed(
            put for each in cash for put in _puts(self._shown(each.ref).applications)
        )
        return "" if wanted == found else f"it is put to {wanted} here, {found} there"

    def _copies(self, record: Payment) -> list[Any]:
        """What a payment is on the other side: its parts and its fee's invoice."""
        refs = {
            ref
            for ref, change in self._judge.made.items()
            if change.source == record.ref
        } | {*self._counterparts(record.ref)}
        return [self._judge.record(ref) for ref in sorted(refs, key=str)]

    def _put_to(self, payment: Payment) -> Iterator[tuple[str, Decimal]]:
        """To which of the other side's invoices a payment must be put."""
        rules = self._settings.fees
        for put in payment.applications:
            if not put.live or put.how is Part.CREDIT:
                continue
            if put.how is Part.OTHER:
                if rules is not None and rules.written_as == "invoice":
                    fee = self._over(payment.ref, ROLE_OF_FEE)
                    yield (fee.ref.id if fee else "no fee", put.amount)
                continue
            there = self._over(put.target)
            yield (there.ref.id if there else f"not {put.target.id}", put.amount)

    # Agree --------------------------------------------------------------------------------

    def _invoices_agree(self) -> None:
        """Of each tied invoice, total and what is owed are the same on both sides."""
        for here in list(self._books[0].of(Invoice).values()):
            there = self._over(here.ref)
            if there is None or Status.VOID in (here.status, there.status):
                continue
            totals = (here.currency, here.total), (there.currency, there.total)
            self._note("invoices tied")
            touching = [here.ref, there.ref]
            if self._is_listed(*touching) or self._money_listed(here, there):
                self._note("invoices with an issue")
                continue
            if totals[0] != totals[1]:
                raise Violation(AGREE, f"{here.ref}: {totals[0]}, {totals[1]} there")
            if not self._judge.levels:
                self._owed_agrees(here, there)

    def _owed_agrees(self, here: Invoice, there: Invoice) -> None:
        owed = [
            books.owed(each) + self._foreign(books, each)
            for books, each in zip(self._books, (here, there), strict=True)
        ]
        if owed[0] != owed[1]:
            text = f"{here.ref}: {owed[0]} is owed, {owed[1]} on {there.ref}"
            raise Violation(AGREE, text)

    def _money_listed(self, here: Invoice, there: Invoice) -> bool:
        """Whether an issue is listed about any money that was put to an invoice."""
        for books, each in zip(self._books, (here, there), strict=True):
            for put in books.put_to(each.ref.id):  # dead ones too
                if self._is_listed(put.ref, put.source):
                    return True
        return False

    def _foreign(self, books: Books, invoice: Invoice) -> Decimal:
        """What was put to an invoice by money that does not go to the other side."""
        kinds = {kind.__name__ for kind in self._judge.kinds(books.connection)}
        return sum(
            (
                put.amount
                for put in books.puts(invoice=invoice.ref.id)
                if put.ref not in self._judge.made
                and put.source not in self._judge.made
                and put.source not in self._links
                and put.source.kind not in kinds
            ),
            ZERO,
        )

    def _customers_agree(self) -> None:
        """Invoices less credits less payments are the same, by customer and currency."""
        sums: list[dict[tuple[Ref, str], Decimal]] = [{}, {}]
        for books, sum_ in zip(self._books, sums, strict=True):
            for kind, sign in ((Invoice, 1), (CreditNote, -1), (Payment, -1)):
                for record in list(books.of(kind).values()):
                    owner = self._owner(record)
                    if owner is not None and self._is_on_both_sides(books, record):
                        at = (owner, record.currency)
                        amount = sign * self._amount(record)
                        sum_[at] = sum_.get(at, ZERO) + amount
        for at in {**sums[0], **sums[1]}:
            pair = sums[0].get(at, ZERO), sums[1].get(at, ZERO)
            self._note("customers' balances compared")
            if pair[0] != pair[1]:
                raise Violation(AGREE, f"{at[0]} {at[1]}: {pair[0]}, {pair[1]} there")

    def _owner(self, record: Any) -> Ref | None:
        """Whose a document is, by the customer of the first side; None for nobody's."""
        if record.customer is None or record.status in (Status.VOID, Status.DRAFT):
            return None
        first = self._books[0].connection
        if record.customer.connection == first:
            return record.customer  # type: ignore[no-any-return]
        there = self._over(record.customer)
        return there.ref if there is not None else None

    def _is_on_both_sides(self, books: Books, record: Any) -> bool:
        """Whether a document must be found on both sides."""
        ref = record.ref
        made = self._judge.made.get(ref)
        source = made.source if made else ref
        if self._is_listed(ref, source):
            return False
        if self._judge.levels and isinstance(record, Payment | CreditNote):
            return False
        if made is not None or ref in self._links:
            return True
        kinds = self._judge.kinds(books.connection)
        return type(record) in kinds and not self._passed_over(record)

    def _amount(self, record: Any) -> Decimal:
        """What a document comes to; a fee is an invoice there, and none here."""
        if not isinstance(record, Payment):
            return record.total  # type: ignore[no-any-return]
        rules = self._settings.fees
        if rules is None or rules.written_as != "invoice":
            return record.amount
        fees = (
            put.amount
            for put in self._shown(record.ref).applications
            if put.live and put.how is Part.OTHER
        )
        return record.amount - sum(fees, ZERO)

    # Levels -------------------------------------------------------------------------------

    def _levels_agree(self) -> None:
        """Where levels go to billing, each tied invoice shows what was paid of it."""
        shop, book = self._books
        for there in list(book.of(Invoice).values()):
            here = self._over(there.ref)
            if self._is_listed(there.ref, here.ref if here else None):
                self._note("levels with an issue")
                continue
            if here is None:
                if there.status is Status.OPEN:
                    raise Violation(CARRIED, f"the level of {there.ref} is not shown")
                continue
            if Status.VOID in (here.status, there.status):
                continue
            self._note("levels compared")
            puts = list(book.puts(invoice=there.ref.id))
            if self._settings.paid_amount == "cash":
                puts = [put for put in puts if put.how is Part.CASH]
            paid = sum((put.amount for put in puts), ZERO)
            shown = shop.shown_paid(here).amount
            if paid != shown:
                raise Violation(AGREE, f"{here.ref} shows {shown}, {paid} was paid")


def _otherwise(record: Any, there: Any, names: Iterable[str]) -> str:
    """In what a document differs from what it is on the other side, or nothing."""
    for name in names:
        new, old = getattr(record, name), getattr(there, name)
        if new != old:
            return f"{name} is {new}, {old} on {there.ref}"
    return ""


def _puts(applications: Sequence[Application]) -> Iterator[tuple[str, Decimal]]:
    for put in applications:
        if put.live and put.how is not Part.CREDIT:
            yield put.target.id, put.amount


def _summed(puts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """How much is put to each invoice."""
    found: dict[str, Decimal] = {}
    for invoice, amount in puts:
        found[invoice] = found.get(invoice, ZERO) + amount
    return found


_CHECKS: Mapping[RecordType, Any] = {
    Customer: Verdict._customer,  # noqa: SLF001 - a table of its methods
    Invoice: Verdict._document,  # noqa: SLF001
    CreditNote: Verdict._document,  # noqa: SLF001
    Payment: Verdict._payment,  # noqa: SLF001
}
"""By kind, what says what is wrong with a record."""
