"""
Checks of what a connector promises besides records: what it says of itself, of the
connection, and what it costs; that reading changes nothing, and flows are independent.

That no secret is told is checked in `secrets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from attrs import evolve

from tieout.capabilities import Capabilities, Changed, Feed, Updates, Verb
from tieout.codec import dump, load
from tieout.connector import Health
from tieout.errors import Code, Fate, Fault
from tieout.models import (
    KINDS,
    CreditNote,
    Invoice,
    Payment,
    Ref,
    Settlement,
    fingerprint,
)
from tieout.money import EXPONENTS
from tieout.testing.conformance.bench import Bench, stages
from tieout.testing.conformance.check import (
    STAGED_BY,
    Cases,
    Check,
    able_to,
    expect,
    listed,
    of,
    readable,
    selecting,
    the_whole,
)
from tieout.testing.conformance.trial import (
    HOUR,
    Asked,
    Trial,
    by_hand,
    identity,
    lost,
)
from tieout.testing.conformance.wanted import any_write, first_verb
from tieout.wire import Flow, Request, Response

MARK_LENGTH = 16
"""Characters of a mark, ``TO-`` and 13 more."""

COUNTED = 25
"""Records whose reading is counted."""

# The bench ------------------------------------------------------------------------------


def the_bench_is_complete(trial: Trial) -> None:
    lacks = [*_lacks(trial)]
    expect(not lacks, f"the bench has {len(lacks)} gaps: {'; '.join(lacks)}")


def _lacks(trial: Trial) -> Iterable[str]:
    """What a bench does not have of what its connector calls for."""
    bench, kinds = trial.bench, [*readable(trial.capabilities)]
    needed = {verb for kind in kinds for verb in STAGED_BY.get(kind, ())}
    needed |= {"take_back"} if Payment in kinds else set()
    voids = of(able_to(Verb.VOID), Invoice, CreditNote)
    needed |= {"void"} if voids(trial.capabilities) else set()
    needed |= {"edit"} if selecting(Changed)(trial.capabilities) else set()
    remote = isinstance(by_hand(trial.connector.check()), Request)
    needed |= {"samples", "revoke", "neighbour"} if remote else set()
    missing = sorted(verb for verb in needed if not stages(bench, verb))
    if missing:
        yield f"it has to stage {listed(missing)}"
    if not remote:
        return
    writes = any(can.verbs - {Verb.READ} for can in trial.capabilities.kinds.values())
    if writes and not stages(bench, "writes"):
        yield "it has to count writes"
    if not bench.secrets:
        yield "it has to name its secrets"
    if stages(bench, "mangled"):
        return
    for kind in kinds:
        named = {*bench.fields.get(kind, {})}
        if (
            kind in (Invoice, Settlement, CreditNote)
            and not {"number", "total"} <= named
        ):
            yield f"in Bench.fields, {kind.__name__} needs a number and a total"


# What it says of itself -----------------------------------------------------------------


def capabilities_are_pure(trial: Trial) -> None:
    before = trial.tap.calls
    one, other = trial.bench.connector(), trial.bench.connector()
    told = "two connectors of equal arguments declare different capabilities"
    expect(one.capabilities == other.capabilities, told)
    expect(one.capabilities == one.capabilities, "asked twice, capabilities differ")
    expect(one.connection == other.connection, "asked twice, the connection differs")
    told = "making a connector and asking what it can do sent a request"
    expect(trial.tap.calls == before, told)


def capabilities_make_sense(trial: Trial) -> None:
    flaws = [*_flaws(trial.capabilities)]
    expect(not flaws, "; ".join(flaws))


def _flaws(capabilities: Capabilities) -> Iterable[str]:
    """What in capabilities contradicts itself."""
    if not capabilities.system:
        yield "the system has no name"
    for kind, can in capabilities.kinds.items():
        name, creates = kind.__name__, can.can(Verb.CREATE)
        if min(can.page_size, can.fetch_size, can.batch_size, can.lists) < 1:
            yield f"{name} has a size below 1"
        if creates and can.creates is None:
            yield f"{name} is created, and creates does not say as what"
        if can.creates is not None and not creates:
            yield f"{name} says how it is created, and cannot be"
        if can.can(Verb.UPDATE) and not (
            can.writable and can.updates is not Updates.NONE
        ):
            yield f"{name} is updated, and writable or updates says nothing of it"
        if can.selects and not can.can(Verb.READ):
            yield f"{name} can be selected and not read"
        if can.mark is not None and not creates:
            yield f"{name} has a mark, and is never created"
        ours = can.mark is not None and not can.mark.is_number
        if can.mark is not None and ours and can.mark.length < MARK_LENGTH:
            yield f"the mark of {name} may have {can.mark.length} characters; ours has 16"
    yield from _flaws_of_money(capabilities)


def _flaws_of_money(capabilities: Capabilities) -> Iterable[str]:
    payments, can = capabilities.payments, capabilities.kind(Settlement)
    changed = Changed in can.selects
    if changed and not payments.feeds:
        yield "changed settlements can be read, and no feed is named"
    if Feed.TOKEN in payments.feeds and not changed:
        yield "a change token is named, and no changes can be read"
    if can.verbs and not payments.parts:
        yield "settlements are read, and no part is named that they tell"
    # A system that is written to as billing is compared, not listened to.
    listened = changed and not can.can(Verb.UPDATE)
    if listened and payments.blind and payments.sweep_every is None:
        yield "feeds have blind spots, and no sweep closes them"
    if capabilities.idempotency_key != bool(capabilities.idempotency_lifetime):
        yield "an idempotency key and its lifetime are declared together or not at all"
    if capabilities.concurrency < 1:
        yield "concurrency is below 1"


def other_companies_are_others(trial: Trial) -> None:
    other = trial.bench.neighbour()
    try:
        theirs, ours = other.connector().connection, trial.connector.connection
        told = f"two companies share the connection {ours!r}: their records would meet"
        expect(theirs != ours, told)
        expect(_books(trial, other) != _books(trial, trial.bench), _SAME_BOOKS)
    finally:
        other.close()


_SAME_BOOKS = (
    "check tells the same identity of two companies: a store of one would be used for "
    "the other"
)


def _books(trial: Trial, bench: Bench) -> str:
    """The identity that a check tells of the company of a bench."""
    own = trial if bench is trial.bench else Trial(bench)
    health = own.run(own.connector.check())
    return health.books.identity if health.books else ""


# The connection -------------------------------------------------------------------------


def a_check_of_what_is_fine(trial: Trial) -> None:
    health = _health(trial)
    told = f"reachable {health.reachable}, signed in {health.signed_in}"
    missing = f"missing {listed(health.missing)}"
    expect(health.ok, f"all is well, and check says {told}, {missing}")
    books = health.books
    expect(books is not None, "check tells nothing of the books")
    assert books is not None
    expect(books.identity, "the books have no identity")
    known = not books.currency or books.currency in EXPONENTS
    expect(known, f"the base currency is called {books.currency!r}")
    zone = books.zone is None or books.zone in available_timezones()
    expect(zone, f"the time zone is called {books.zone!r}; IANA has no such name")
    later = trial.clock.now() + HOUR
    locked = books.locked_through is None or books.locked_through < later.date()
    expect(locked, f"the books are locked through {books.locked_through}")


def _health(trial: Trial) -> Health:
    return trial.run(trial.connector.check())


def an_identity_that_stays(trial: Trial) -> None:
    first = _health(trial).books
    trial.make()
    trial.clock.advance(30 * 24 * HOUR)
    trial.connect()
    second = _health(trial).books
    expect(first is not None and second is not None, "check tells nothing of the books")
    assert first is not None
    assert second is not None
    told = f"the identity was {first.identity!r}, a month later {second.identity!r}"
    expect(first.identity == second.identity, told)


def nobody_answers(trial: Trial) -> None:
    trial.warm()
    trial.tap.break_off(Code.NOT_REACHED, Fate.NOT_SENT, times=99)
    health = _health(trial)
    expect(not health.reachable, "nobody answers, and check calls it reachable")
    expect(not health.ok, "nobody answers, and check says that all is well")
    expect(health.code is not None, "nobody answers, and check names no code")


def gone_credentials(trial: Trial) -> None:
    trial.warm()
    trial.bench.revoke()
    trial.connect()
    try:
        health = _health(trial)
    except Fault as fault:
        # A sign-in that fails before the first request is the session's to tell.
        told = f"credentials are gone, and check ends with {fault.code.name}"
        signs = (Code.SIGN_IN_REFUSED, Code.RECONNECT_NEEDED, Code.LOCKED_OUT)
        expect(fault.code in signs, told)
        return
    expect(health.reachable, "the server answers, and check calls it unreachable")
    expect(not health.signed_in, "credentials are gone, and check says signed in")
    expect(health.code is not None, "credentials are gone, and check names no code")
    expect(health.notes, "credentials are gone, and check says not what to do")


def a_missing_permission(trial: Trial) -> None:
    trial.warm()
    word = trial.bench.deny()
    health = _health(trial)
    expect(health.reachable, "a permission is missing, and it is called unreachable")
    expect(health.signed_in, "a permission is missing, and it is called not signed in")
    told = f"{word!r} is not permitted, and missing is {listed(health.missing)}"
    expect(any(word in each for each in health.missing), told)


# What it asks ---------------------------------------------------------------------------


def every_verb_asks(trial: Trial) -> None:
    silent = [name for name, flow in _verbs(trial) if by_hand(flow) is None]
    told = "an answer without a question: a flow that is not driven does nothing"
    expect(not silent, f"{listed(silent)} ends without asking for anything; {told}")


def _verbs(trial: Trial) -> Iterable[tuple[str, Flow[Any]]]:
    """A flow of each verb."""
    connector, kind = trial.connector, trial.kind
    made = trial.make()
    yield "check", connector.check()
    if trial.listed:
        yield "page", connector.page(kind, trial.any_select())
    yield "fetch", connector.fetch(kind, ids=[made.id])
    if trial.can.verbs - {Verb.READ}:
        change = any_write(trial, first_verb(trial))
        yield "write", connector.write([change])
        mark = trial.can.mark
        if change.target or (mark and (mark.searchable or mark.is_number)):
            yield "find", connector.find([change])


def reading_changes_nothing(trial: Trial) -> None:
    made = trial.make()
    trial.warm()
    before = trial.tap.calls
    if trial.listed:
        trial.read()
    trial.fetch(made.id)
    trial.warm()
    exchanges = trial.tap.exchanges[before:]
    bold = [each.request.url for each in exchanges if each.request.effect]
    told = f"reading asked with effect=True for {listed(bold)}: it is never repeated"
    expect(not bold, told)
    moved = [each.request.url for each in exchanges if each.writes]
    expect(not moved, f"reading changed something on the server by {listed(moved)}")


def addresses_are_its_own(trial: Trial) -> None:
    trial.pages_of(2)
    trial.make_many(3)
    trial.warm()
    if trial.listed:
        trial.read()
    trial.fetch(trial.make().id)
    if trial.can.verbs - {Verb.READ}:
        trial.write(any_write(trial, first_verb(trial)))
    answers = [e.answer for e in trial.tap.exchanges if isinstance(e.answer, Response)]
    for asked in trial.asked:
        if isinstance(asked, Request):
            _is_own(asked.url, answers)


def _is_own(url: str, answers: Iterable[Response]) -> None:
    """An address is relative, or stood in an answer as that of a next page."""
    parts = urlsplit(url)
    told = f"it asks for {url!r}: an address is relative to the connection's own"
    steps = ".." in parts.path.split("/")
    expect(not steps, f"{told}, and never goes upwards")
    if parts.scheme or parts.netloc:
        given = any(url in _all_of(answer) for answer in answers)
        expect(given, f"{told}, or the next page's as it was told")


def _all_of(answer: Response) -> str:
    headers = " ".join(value for _, value in answer.headers)
    return f"{headers} {answer.text()}".replace("\\/", "/")


def flows_are_independent(trial: Trial) -> None:
    trial.pages_of(2)
    made = trial.make_many(3)
    trial.warm()
    alone = trial.fetch(*(each.id for each in made))
    flows = [
        trial.connector.fetch(trial.kind, ids=[each.id for each in made])
        for _ in range(3)
    ]
    before = trial.tap.calls
    unused = trial.connector.fetch(trial.kind, ids=[made[0].id])
    unused.close()
    expect(trial.tap.calls == before, "a flow that was never driven sent a request")
    wanted = [identity(record) for record in alone.records]
    for page in _interleaved(trial, flows):
        got = [identity(record) for record in page.records]
        expect(
            got == wanted, f"driven by turns, a flow brought {got} instead of {wanted}"
        )


def _interleaved(trial: Trial, flows: list[Flow[Any]]) -> list[Any]:
    """The results of flows that are driven by turns, a request of each."""
    results: list[Any] = []
    waiting: list[tuple[Flow[Any], Any]] = [(flow, None) for flow in flows]
    while waiting:
        flow, reply = waiting.pop(0)
        try:
            asked = flow.send(reply)
        except StopIteration as stop:
            results.append(stop.value)
        else:
            waiting.append((flow, trial.run(_just(asked))))
    return results


def _just(asked: Asked) -> Flow[Response]:
    """A flow of one request."""
    return (yield asked)


def several_at_once(trial: Trial) -> None:
    made = trial.make_many(4)
    trial.warm()
    flows = [trial.connector.fetch(trial.kind, ids=[each.id]) for each in made]
    found: list[str] = []
    for attempt in trial.session.map(flows):
        found += [identity(record) for record in attempt.result().records]
    trial.session.close()
    missing = lost(made, found)
    expect(not missing, f"asked for side by side, {missing} is lost")


# What is read can be kept ---------------------------------------------------------------


def records_can_be_kept(trial: Trial) -> None:
    record = evolve(trial.one(trial.make()), carry=None)
    kept = load(dump(record), type(record))
    expect(kept == record, f"written to a store and read again, it is {kept!r}")


def fingerprints_stay(trial: Trial) -> None:
    made = trial.make()
    first = trial.one(made)
    trial.clock.advance(HOUR)
    trial.make()
    trial.connect()
    second = trial.one(made)
    differ = _differ(first, second)
    told = f"read twice, {listed(differ)} of an unchanged record are not the same"
    expect(fingerprint(first) == fingerprint(second), told)
    if trial.listed:
        listed_ = trial.read().by_id()
        expect(made.id in listed_, "the record is not in the list")
        third = listed_[made.id]
        differ = _differ(second, third)
        told = f"in a list, {listed(differ)} are otherwise than by id"
        expect(fingerprint(second) == fingerprint(third), told)


def _differ(one: Any, other: Any) -> list[str]:
    names = [each.name for each in type(one).__attrs_attrs__]
    return [n for n in names if getattr(one, n) != getattr(other, n)]


def references_lead_somewhere(trial: Trial) -> None:
    record = trial.one(trial.make())
    for ref in _references(record):
        kind = KINDS[ref.kind]
        if not trial.capabilities.kind(kind).can(Verb.READ):
            continue
        found = [each.ref.id for each in trial.fetch(ref.id, kind=kind).records]
        told = f"{trial.kind.__name__} refers to {ref}, which fetch does not find"
        expect(ref.id in found, told)


def _references(record: Any) -> Iterable[Ref]:
    for name in ("customer", "source", "target", "parent"):
        ref = getattr(record, name, None)
        if isinstance(ref, Ref):
            yield ref
    for part in getattr(record, "applications", ()):
        yield part.target


def days_never_shift(trial: Trial) -> None:
    year = trial.clock.now().year - 1
    for day in (date(year, 1, 1), date(year, 4, 3), date(year, 12, 31)):
        on = trial.one(trial.make(on=day)).on
        expect(on == day, f"a document of {day} is read as of {on}")


def addresses_for_people(trial: Trial) -> None:
    link: Any = getattr(trial.connector, "deep_link", None)
    for name in KINDS if link else ():
        for own in ("1", "a/b c&d=<x>\"'#?%"):
            url = link(Ref(trial.connector.connection, name, own))
            web = not url or urlsplit(url).scheme in ("http", "https")
            expect(web, f"the page of a {name} is called {url!r}")
            odd = [each for each in " <>\"'" if each in url]
            expect(not odd, f"the page of {name} {own!r} is {url!r}: it holds {odd}")


# What it costs --------------------------------------------------------------------------


def reading_costs_what_is_declared(trial: Trial) -> None:
    trial.make_many(min(COUNTED, 2 * trial.can.page_size + 1))
    count = min(COUNTED, 2 * trial.can.page_size + 1)
    trial.warm()
    before = trial.tap.calls
    reading = trial.read(trial.since_ever())
    calls = trial.tap.calls - before
    declared = trial.capabilities.read_calls(trial.kind, count)
    told = (
        f"reading {count} changed records costs {calls} calls; {declared} are declared"
    )
    expect(calls <= declared, told)
    expect(
        len(reading.records) >= count, f"of {count}, {len(reading.records)} are read"
    )


def fetching_costs_what_is_declared(trial: Trial) -> None:
    count = min(COUNTED, 2 * trial.can.fetch_size + 1)
    made = trial.make_many(count)
    trial.warm()
    before = trial.tap.calls
    trial.fetch(*(each.id for each in made))
    calls = trial.tap.calls - before
    declared = trial.capabilities.fetch_calls(trial.kind, count)
    told = f"fetching {count} ids costs {calls} calls; {declared} are declared"
    expect(calls <= declared, told)


# The table ------------------------------------------------------------------------------

_DOCUMENTS = (Invoice, Settlement, CreditNote)
_DATED = (*_DOCUMENTS, Payment)
_CHANGED = selecting(Changed)


def _check(
    name: str,
    shows: str,
    run: Callable[[Trial], None],
    cases: Cases = the_whole,
    *needs: str,
    staged: bool = True,
    wire: bool = False,
) -> Check:
    return Check(name, "promises", shows, run, cases, needs, staged=staged, wire=wire)


PROMISES: tuple[Check, ...] = (
    _check(
        "the bench is complete",
        "The bench stages what the connector reads, and what goes wrong.",
        the_bench_is_complete,
    ),
    _check(
        "capabilities are pure",
        "They depend on the connector's arguments alone, and asking for them asks nobody.",
        capabilities_are_pure,
    ),
    _check(
        "capabilities make sense",
        "What they say of a kind, of feeds and of keys does not contradict itself.",
        capabilities_make_sense,
    ),
    _check(
        "other companies are others",
        "Another company of the same system has another connection and identity.",
        other_companies_are_others,
        the_whole,
        "neighbour",
    ),
    _check(
        "a check of what is fine",
        "Reachable, signed in, nothing missing; identity, currency and zone of the books.",
        a_check_of_what_is_fine,
    ),
    _check(
        "an identity that stays",
        "The identity of the books is the same a month later.",
        an_identity_that_stays,
        of(readable, Settlement),
    ),
    _check(
        "a check where nobody answers",
        "It says that the system is not reachable, and does not raise.",
        nobody_answers,
        wire=True,
    ),
    _check(
        "a check with credentials that are gone",
        "It says that the system is there, and will not let us in.",
        gone_credentials,
        the_whole,
        "revoke",
        wire=True,
    ),
    _check(
        "a check without a permission",
        "It names what is not permitted, apart from reachability and sign-in.",
        a_missing_permission,
        the_whole,
        "deny",
        wire=True,
    ),
    _check(
        "every verb asks for something",
        "Each flow yields at least one request.",
        every_verb_asks,
        readable,
    ),
    _check(
        "reading changes nothing",
        "No request of a read has an effect, or changes anything on the server.",
        reading_changes_nothing,
        readable,
        "writes",
        wire=True,
    ),
    _check(
        "addresses are the connection's own",
        "Requests are relative to the connection's base, or the next page as it was told.",
        addresses_are_its_own,
        readable,
        wire=True,
    ),
    _check(
        "flows are independent",
        "Driven by turns they bring the same, and one that is not driven does nothing.",
        flows_are_independent,
        readable,
    ),
    _check(
        "several at once",
        "Flows that are driven side by side each bring their own.",
        several_at_once,
        readable,
        wire=True,
    ),
    _check(
        "records can be kept",
        "A record that is written to a store is read from it as it was.",
        records_can_be_kept,
        readable,
    ),
    _check(
        "fingerprints stay",
        "A record that did not change has the same fingerprint, in a list and by its id.",
        fingerprints_stay,
        readable,
    ),
    _check(
        "references lead somewhere",
        "The customer, invoice or credit that a record names is found by that id.",
        references_lead_somewhere,
        readable,
    ),
    _check(
        "days never shift",
        "A business day is read as it was entered: no zone, no month for a day.",
        days_never_shift,
        of(readable, *_DATED),
    ),
    _check(
        "addresses for people",
        "The page of a record is a web address, or none, whatever is in its id.",
        addresses_for_people,
    ),
    _check(
        "reading costs what is declared",
        "No more calls than the capabilities say, and every record that is counted.",
        reading_costs_what_is_declared,
        _CHANGED,
        wire=True,
    ),
    _check(
        "fetching costs what is declared",
        "No more calls for so many ids than the capabilities say.",
        fetching_costs_what_is_declared,
        readable,
        wire=True,
    ),
)
