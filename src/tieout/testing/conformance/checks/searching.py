"""
Checks of searching by id and by number: exactly what was asked for, whatever is in it.

How documents are found again by our mark is checked in `writing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tieout.connector import Page
from tieout.errors import Code, Fault
from tieout.models import (
    CreditNote,
    Customer,
    Invoice,
    RecordType,
    Settlement,
    clean_number,
)
from tieout.testing.conformance.bench import NotStaged
from tieout.testing.conformance.check import (
    Check,
    expect,
    listed,
    of,
    readable,
    whose,
)
from tieout.testing.conformance.trial import (
    Made,
    Trial,
    expect_staged,
    identity,
    lost,
    repeated,
)
from tieout.wire import Request

NASTY = "'\"%&<>\\,*_+#/?=;()[]{}|:~@$!^` éß日"
"""Characters that mean something in a query language, an address, XML or a pattern."""

INJECTED = (
    '" or "1"="1',
    "' or '1'='1",
    "x) or (1=1",
    '" OR Status=="PAID',
    "%' --",
    '","',
    "*",
    "%",
    "<x/>",
    "]]>",
)
"""Numbers that nobody has, and that a query without escaping would take for its own."""

STRANGE_IDS = (
    "",
    " ",
    "0",
    "-1",
    "a b",
    "a\nb",
    "../invoices",
    "1 or 1=1",
    "' or ''='",
    "null",
    "9" * 200,
    "日本",
)
"""What can be no id anywhere, or only by accident."""

ADDRESS_MAX = 4096
"""Characters. Web servers cut addresses at about 2,000 to 8,000."""

FETCHED_MAX = 1100
"""Records that the kit stages at most, to fill two batches of 500 and begin another."""


# By id ----------------------------------------------------------------------------------


def several_batches(trial: Trial) -> None:
    if not trial.connect_if(fetch_size=3):
        size = trial.can.fetch_size
        told = f"the connector takes no fetch_size, and asks for {size} at once"
        expect_staged(2 * size < FETCHED_MAX, told)
    made = [trial.make() for _ in range(2 * trial.can.fetch_size + 1)]
    found = [identity(r) for r in trial.fetch(*(each.id for each in made)).records]
    missing, twice = lost(made, found), repeated(found)
    size = trial.can.fetch_size
    expect(not missing, f"of {len(made)} ids in batches of {size}, {missing} is lost")
    expect(not twice, f"of {len(made)} ids in batches of {size}, {twice} came twice")


def unknown_ids(trial: Trial) -> None:
    made = trial.make()
    strange = trial.bench.unknown_id(trial.kind, made.id)
    page = trial.fetch(strange, made.id)
    _only(page, [made], f"an id that is of no record ({strange}) and one that is")
    empty = trial.fetch(strange)
    told = f"an id that is of no record brought {len(empty.records)} records"
    expect(not empty.records, told)


def strange_ids(trial: Trial) -> None:
    made, other = trial.make(), trial.make()
    for strange in STRANGE_IDS:
        page = trial.fetch(made.id, strange)
        found = {identity(record) for record in page.records}
        told = f"asked for {made.id} and {strange!r}, got {listed(found)}"
        expect(made.id in found, told)
        expect(other.id not in found, told)


def ids_asked_twice(trial: Trial) -> None:
    made, other = trial.make(), trial.make()
    trial.warm()
    before = trial.tap.calls
    once = trial.fetch(made.id, other.id)
    between = trial.tap.calls
    page = trial.fetch(made.id, other.id, made.id)
    found = [identity(record) for record in page.records]
    told = f"asked twice for {made.id}, it came {found.count(made.id)} times"
    expect(found.count(made.id) == 1, told)
    expect(len(once.records) == len(found), "an id that is asked twice hides another")
    calls, more = between - before, trial.tap.calls - between
    told = f"two ids cost {calls} calls; with one of them asked twice, {more}"
    expect(more <= calls, told)


def by_id_and_number(trial: Trial) -> None:
    made, other = trial.make(), trial.make()
    page = _by_number(trial, [made.number], made.id)
    found = [identity(record) for record in page.records]
    expect(other.id not in found, f"asked for {made.number}, got {other.number} too")
    told = f"asked for by id and by number, a record came {found.count(made.id)} times"
    expect(found.count(made.id) == 1, told)


def nothing_asked(trial: Trial) -> None:
    trial.warm()
    before = trial.tap.calls, len(trial.asked)
    page = trial.fetch()
    told = f"nothing was asked for, and {len(page.records)} records came"
    expect(not page.records and not page.issues, told)
    after = trial.tap.calls, len(trial.asked)
    expect(
        after == before, f"nothing was asked for, and {after[0] - before[0]} calls made"
    )


# By number ------------------------------------------------------------------------------


def _by_number(trial: Trial, numbers: Iterable[str], *ids: str) -> Page[Any]:
    """What is found of these numbers; not staged where the kind has none."""
    try:
        return trial.fetch(*ids, numbers=[*numbers])
    except Fault as fault:
        numbered = trial.kind in (Invoice, Settlement)
        if fault.code is not Code.NOT_ALLOWED or numbered:
            raise
        name = trial.kind.__name__
        raise NotStaged(f"{name} records cannot be asked for by number") from fault


def _only(page: Page[Any], made: list[Made], what: str) -> None:
    """These records, and no others."""
    found = {identity(record) for record in page.records}
    wanted = {each.id for each in made}
    missing = lost(made, found)
    expect(not missing, f"{what}: {missing} is not found")
    extra = [
        getattr(record, "number", "") or identity(record)
        for record in page.records
        if identity(record) not in wanted
    ]
    expect(not extra, f"{what}: {listed(extra)} came too")


def by_number(trial: Trial) -> None:
    made = [trial.make() for _ in range(5)]
    page = _by_number(trial, [each.number for each in made[1:4]])
    _only(page, made[1:4], "three of five numbers were asked for")
    unknown = trial.bench.number(9876)
    page = _by_number(trial, [unknown])
    expect(not page.records, f"asked for {unknown}, which nobody has, got records")


def _nasty(trial: Trial) -> Iterable[Made]:
    """Records whose numbers hold what is nasty, and one beside each that does not."""
    refused = trial.bench.refuses_numbers
    for position, character in enumerate(NASTY):
        if character in refused:
            continue
        try:
            yield trial.make(number=f"N{character}{position}")
        except NotStaged:
            continue
        trial.make(number=f"N{position}")
        trial.make(number=f"NX{position}")


def nasty_numbers(trial: Trial) -> None:
    made = list(_nasty(trial))
    expect_staged(made, "no number with a nasty character can be staged")
    for each in made:
        _exact(_by_number(trial, [each.number]), [each], each.number)


def nasty_numbers_together(trial: Trial) -> None:
    made = list(_nasty(trial))
    expect_staged(made, "no number with a nasty character can be staged")
    usual = trial.make()
    page = _by_number(trial, [usual.number, *(each.number for each in made)])
    _exact(page, [usual, *made], "all of them together")
    told = f"{usual.number} is not found beside numbers with nasty characters"
    expect(usual.id in {identity(record) for record in page.records}, told)


def _exact(page: Page[Any], made: list[Made], asked: str) -> None:
    """Each is found, or an issue names its number; nothing else came."""
    found = {identity(record) for record in page.records}
    named = {number for issue in page.issues for number in issue.numbers}
    silent = [e.number for e in made if e.id not in found and e.number not in named]
    told = f"asked for {asked}: {listed(silent)} is not found, and no issue names it"
    expect(not silent, told)
    wanted = {each.id for each in made}
    extra = [
        getattr(record, "number", "")
        for record in page.records
        if identity(record) not in wanted
    ]
    expect(not extra, f"asked for {asked}, got {listed(extra)} too")


def injected_numbers(trial: Trial) -> None:
    made = [trial.make(), trial.make()]
    for number in INJECTED:
        found = _by_number(trial, [number]).records
        told = f"asked for {number!r}, which nobody has, got {len(found)} records"
        expect(not found, told)
    page = _by_number(trial, [INJECTED[0], made[0].number])
    _only(page, made[:1], f"asked for {INJECTED[0]!r} and {made[0].number}")


def similar_numbers(trial: Trial) -> None:
    own = trial.bench.number(1)
    made = trial.make(number=own)
    trial.make(number=f"{own}0")
    trial.make(number=f"X{own}")
    page = _by_number(trial, [own])
    _only(page, [made], f"asked for {own} alone")
    turned = own.swapcase()
    if turned != own:
        found = [
            getattr(record, "number", "")
            for record in _by_number(trial, [turned]).records
        ]
        expect(not found, f"asked for {turned}, got {listed(found)}: numbers have case")


def one_number_twice(trial: Trial) -> None:
    number = trial.bench.number(1)
    made = [trial.make(number=number), trial.make(number=number)]
    page = _by_number(trial, [number])
    _only(page, made, f"two documents have the number {number}")


def numbers_asked_twice(trial: Trial) -> None:
    made = trial.make()
    page = _by_number(trial, [made.number, made.number, f" {made.number} "])
    found = [identity(record) for record in page.records]
    told = f"asked three times for {made.number}, it came {len(found)} times"
    expect(found == [made.id], told)


def long_numbers(trial: Trial) -> None:
    length = min(trial.bench.number_length, trial.can.number_length or 255)
    tail = f"{'%' if '%' not in trial.bench.refuses_numbers else '9'}"
    numbers = [f"{each:03d}".ljust(length, tail)[:length] for each in range(60)]
    try:
        made = [trial.make(number=number) for number in numbers[:3]]
    except NotStaged:
        made = []
    page = _by_number(trial, numbers)
    _exact(page, made, "60 long numbers")
    longest = max((_length(each) for each in trial.asked), default=0)
    told = f"60 long numbers make an address of {longest} characters"
    expect(longest < ADDRESS_MAX, told)


def _length(asked: object) -> int:
    """Characters of an address as it leaves."""
    if not isinstance(asked, Request):
        return 0
    return len(asked.url) + sum(len(n) + 3 * len(v) for n, v in asked.params)


def clean_numbers(trial: Trial) -> None:
    made = trial.make()
    number = trial.one(made).number
    told = f"the number is {number!r}: compared as it is, it would match nothing"
    expect(number == clean_number(number), told)


# The table ------------------------------------------------------------------------------

_NUMBERED: tuple[RecordType, ...] = (Invoice, Settlement, CreditNote, Customer)
_BY_NUMBER = of(readable, *_NUMBERED)
_DOCUMENTS = of(readable, *_NUMBERED[:3])

_GROUP = "searching"
SEARCHING: tuple[Check, ...] = (
    Check(
        "more ids than fit into one request",
        _GROUP,
        "Ids that are asked for in several batches are each found once.",
        several_batches,
        readable,
        staged=True,
    ),
    Check(
        "unknown ids are absent",
        _GROUP,
        "An id that is of no record brings nothing, no error, and spoils no other.",
        unknown_ids,
        readable,
        staged=True,
    ),
    Check(
        "ids that cannot be ids",
        _GROUP,
        "Whatever is asked for as an id brings no error and nothing that was not asked for.",
        strange_ids,
        readable,
        staged=True,
    ),
    Check(
        "an id asked twice",
        _GROUP,
        "It is asked for and brought once.",
        ids_asked_twice,
        readable,
        staged=True,
    ),
    Check(
        "nothing asked",
        _GROUP,
        "Without ids and numbers there is nothing to ask, and no call is made.",
        nothing_asked,
        readable,
    ),
    Check(
        "by number",
        _GROUP,
        "Numbers bring their documents and no others; one that nobody has brings nothing.",
        by_number,
        _BY_NUMBER,
        staged=True,
    ),
    Check(
        "by id and by number",
        _GROUP,
        "A record that is asked for both ways comes once.",
        by_id_and_number,
        _BY_NUMBER,
        staged=True,
    ),
    Check(
        "numbers with nasty characters",
        _GROUP,
        "A number with a quote, a wildcard, another alphabet … is found exactly, or an "
        "issue names it.",
        nasty_numbers,
        _BY_NUMBER,
        staged=True,
    ),
    Check(
        "nasty numbers together",
        _GROUP,
        "A number that cannot be asked for spoils nothing but itself.",
        nasty_numbers_together,
        _BY_NUMBER,
        staged=True,
    ),
    Check(
        "numbers that are queries",
        _GROUP,
        "A number that looks like a condition is a number, and brings nothing.",
        injected_numbers,
        _BY_NUMBER,
        staged=True,
    ),
    Check(
        "similar numbers",
        _GROUP,
        "One that is longer, or differs in case alone, is another number.",
        similar_numbers,
        _DOCUMENTS,
        staged=True,
    ),
    Check(
        "one number, two documents",
        _GROUP,
        "Where numbers may repeat, all documents of a number are found.",
        one_number_twice,
        whose(lambda can: not can.number_unique, _DOCUMENTS),
        staged=True,
    ),
    Check(
        "a number asked twice",
        _GROUP,
        "It is brought once, with or without white space around it.",
        numbers_asked_twice,
        _BY_NUMBER,
        staged=True,
    ),
    Check(
        "many long numbers",
        _GROUP,
        "They are asked for in addresses that web servers take.",
        long_numbers,
        _DOCUMENTS,
        staged=True,
    ),
    Check(
        "numbers are clean",
        _GROUP,
        "A number is read as it is compared: NFC, without white space around it.",
        clean_numbers,
        _DOCUMENTS,
        staged=True,
    ),
)
