"""
Fills the generated blocks of the documentation's pages from the code.

``python docs/generate.py`` writes them; with ``--check`` it writes nothing and fails where
a block is stale. A block stands between ``<!-- generated: NAME -->`` and
``<!-- end of NAME -->``; what is outside of them is written by hand. With ``--uncovered`` it
prints the behaviours that no test names, and does nothing else.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cards
import deciphered
import evidence
import house
import names
from attrs import fields

import tieout
from behaviours import BEHAVIOURS, SECTIONS
from connectors import CONNECTORS, Documented
from tieout import table as tables
from tieout.capabilities import Capabilities, Kind, Verb
from tieout.connector import BY_STATUS, judge
from tieout.errors import Code, Scope, StoreTrouble
from tieout.local import CreditNotes, Customers, Documents, Invoices, Payments
from tieout.models import KINDS, Settlement
from tieout.remedies import CATALOGUE
from tieout.stages import TRANSITIONS
from tieout.testing.conformance import CHECKS, Check
from tieout.wire import Response

DOCS = Path(__file__).parent

BLOCK = re.compile(
    r"(<!-- generated: (?P<name>[a-z ]+) -->\n).*?(<!-- end of (?P=name) -->)",
    re.DOTALL,
)


# Text -----------------------------------------------------------------------------------


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """A text that does not end its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def words(names: Iterable[str]) -> str:
    """Words with commas between, in one order; a dash for none."""
    return ", ".join(sorted(names)) or "-"


def span(time: timedelta | None) -> str:
    """A length of time as people say it."""
    if time is None:
        return "-"
    units = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
    seconds = int(time.total_seconds())
    for name, size in units:
        if seconds and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}{'s' * (count > 1)}"
    return "at once"


def said(number: float | None) -> str:
    """A yes, a no, or a number."""
    if isinstance(number, bool):
        return "yes" if number else "no"
    return "-" if number is None else str(number)


# Errors ---------------------------------------------------------------------------------


def anchor(code: Code) -> str:
    """The address of a code's own paragraph."""
    return f"errors.md#{code.name.lower()}"


def codes(scope: Scope) -> str:
    """Every code of a scope: a short table, then a paragraph for each."""
    found = [code for code in Code if code.scope is scope]
    rows = [
        (
            f"[{each.name}](#{each.name.lower()})",
            each.severity.value,
            each.who.value,
            each.meaning,
        )
        for each in found
    ]
    short = table(("Code", "Light", "Who", "Meaning"), rows)
    return "\n\n".join([short, *map(entry, found)])


def entry(code: Code) -> str:
    """The paragraph of one code."""
    remedy = CATALOGUE.of(code)
    return (
        f"({code.name.lower()})=\n### {code.name}\n\n{remedy.meaning}\n\n"
        f"**What to do:** {' '.join(remedy.steps)}\n\n"
        f"Light: {code.severity.value}. Who: {remedy.who.value}. "
        f"Tried again: {deciphered.AGAIN[remedy.retry]}."
    )


def troubles() -> str:
    """Why a store cannot be used."""
    rows = [(f"`{each.name}`", each.meaning, each.remedy) for each in StoreTrouble]
    return table(("Trouble", "Meaning", "What to do"), rows)


def errors(connector: Any) -> Callable[[], str]:
    """What a system says, by its connector's tables: in answers, and while signing in."""
    return lambda: table(deciphered.TITLES, deciphered.rules(connector.rules))


def sign_in_errors(connector: Any) -> Callable[[], str]:
    """The same while signing in, where other rules hold then."""
    rules = (*connector.sign_in_rules, *getattr(connector.auth, "rules", ()))
    own = [each for each in rules if each not in connector.rules]
    return lambda: table(deciphered.TITLES, deciphered.rules(own))


def findings(connector: Any) -> Callable[[], str]:
    """What a connector itself finds wrong."""
    found = connector.findings
    return lambda: table(deciphered.OUR_TITLES, deciphered.findings(found))


def signs_in_by_rules(connector: Any) -> bool:
    """Whether other rules hold while it signs in."""
    return bool(connector.sign_in_rules or getattr(connector.auth, "rules", ()))


def statuses() -> str:
    """What a status means by itself, as it is judged."""
    rows = []
    for status in (302, *BY_STATUS, 500):
        verdict = judge(Response(status), ())
        assert verdict.code is not None
        shown = {302: "3xx", 500: "5xx"}.get(status, str(status))
        link = f"[{verdict.code.name}](#{verdict.code.name.lower()})"
        rows.append((shown, link, deciphered.THEN[verdict.answer]))
    return table(("Status", "Becomes", "What is certain"), rows)


# Systems --------------------------------------------------------------------------------


class Everything(tieout.LocalApp):
    """A host's app that offers all that it can."""

    def invoices(self, ids: Any, numbers: Any) -> Iterable[tieout.Bill]:
        return ()

    def set_paid(self, invoice: Settlement) -> None: ...

    def changed(self, since: Any) -> Iterable[tieout.Bill]:
        return ()

    def everything(self) -> Iterable[tieout.Bill]:
        return ()

    def documents(self) -> Iterable[Documents[Any]]:
        return [
            overriding(kind)() for kind in (Customers, Invoices, CreditNotes, Payments)
        ]


def overriding(kind: type[Documents[Any]]) -> type[Documents[Any]]:
    """The same documents, with every method overridden."""
    names = [name for name in dir(kind) if not name.startswith("_") and name != "kind"]
    return type(kind.__name__, (kind,), dict.fromkeys(names, lambda *asked: ()))


def no_database() -> Any:
    """The table below is never opened."""
    raise NotImplementedError


def columns_of(kind: type[Any], **given: Any) -> Any:
    """A declaration that names a column for everything."""
    told = {
        each.name: each.name for each in fields(kind) if each.name not in NO_COLUMNS
    }
    return kind(**told, **given)


NO_COLUMNS = (
    *("only", "integer_ids", "integer_numbers", "new_id"),
    *("lines", "applications"),
)
COLUMNS = columns_of(tieout.Columns)
LINES = columns_of(tables.LineTable)
PUTS = columns_of(tables.ApplicationTable)
DOCUMENTS = (
    columns_of(tables.CustomerTable),
    columns_of(tables.InvoiceTable, lines=LINES),
    columns_of(tables.CreditNoteTable, lines=LINES, applications=PUTS),
    columns_of(tables.PaymentTable, applications=PUTS),
)
APP = tieout.Local(Everything(), connection="app:shop").capabilities
TABLE = tieout.Table(
    connect=no_database,
    table="t",
    columns=COLUMNS,
    documents=DOCUMENTS,
    connection="app:shop",
).capabilities
MADE = {name: each.made() for name, each in CONNECTORS.items()}
SYSTEMS: Mapping[str, Capabilities] = {
    **{
        f"[{each.capabilities.system}](systems/{name}.md)": each.capabilities
        for name, each in MADE.items()
    },
    "[your app](systems/local.md)": APP,
    "[a table](systems/local.md)": TABLE,
}
"""By the link to its page, each system as it is with the defaults of its arguments."""


def limits(system: Capabilities) -> str:
    """The limits that are kept, one after another."""
    return (
        "; ".join(
            f"{said(each.calls)} calls in {span(timedelta(seconds=each.seconds))} "
            f"({each.scope.value})"
            for each in system.limits
        )
        or "none known"
    )


FEATURES: Mapping[str, Callable[[Capabilities], str]] = {
    "can be billing": lambda c: said(level(c).can(Verb.UPDATE)),
    "can be the ledger": lambda c: said(tieout.Changed in level(c).selects),
    "learns of changes by": lambda c: words(f.value for f in c.payments.feeds),
    "its changes do not show": lambda c: words(b.value for b in c.payments.blind),
    "sweep against that": lambda c: every(c.payments.sweep_every),
    "tells the parts": lambda c: words(p.value for p in c.payments.parts),
    "day of full payment from": lambda c: c.payments.paid_on.value,
    "reading a level costs": lambda c: c.payments.detail.value,
    "holds a partial amount": lambda c: said(c.payments.partial),
    "holds it as a payment of ours": lambda c: said(c.payments.owned_payment),
    "invoice numbers are unique": lambda c: said(level(c).number_unique),
    "records in one page": lambda c: said(level(c).page_size),
    "ids or numbers in one request": lambda c: said(together(level(c))),
    "changes in one write": lambda c: said(level(c).batch_size),
    "goes on in the middle of a listing": lambda c: said(level(c).stable_order),
    "requests at once": lambda c: said(c.concurrency),
    "limits": limits,
    "reads back before the marker": lambda c: span(c.overlap),
    "waits before \u201cnot found\u201d is proof": lambda c: span(c.settle),
    "is compared in every run": lambda c: said(c.free_reads),
}
"""The rows of the table of systems."""


def level(system: Capabilities) -> Kind:
    """What it can do with the money of an invoice."""
    return system.kind(Settlement)


def together(kind: Kind) -> int:
    """How many ids or numbers stand in one request."""
    return 1 if kind.fetch_alone else kind.fetch_size


def every(time: timedelta | None) -> str:
    """How often something is done."""
    return "none" if time is None else f"every {span(time).removeprefix('1 ')}"


def systems() -> str:
    """What each system can do with each kind of record."""
    shown = [
        name for name in KINDS if any(abilities(c, name) for c in SYSTEMS.values())
    ]
    rows = [
        (link, *(abilities(system, name) or "-" for name in shown))
        for link, system in SYSTEMS.items()
    ]
    return table(("", *(MONEY if n == SETTLEMENT else n for n in shown)), rows)


SETTLEMENT, MONEY = Settlement.__name__, "the money of an invoice"


def abilities(system: Capabilities, name: str) -> str:
    """The verbs of one kind, in the order of a record's life."""
    verbs = system.kind(KINDS[name]).verbs
    return ", ".join(verb.value for verb in Verb if verb in verbs)


def features(system: Capabilities) -> Callable[[], str]:
    """How one system is, feature by feature."""
    rows = [(name, show(system)) for name, show in FEATURES.items()]
    return lambda: table(("Feature", system.system), rows)


def lags() -> str:
    """How late a change of money may be seen, by system."""
    rows = [
        (
            name,
            words(f.value for f in system.payments.feeds),
            words(b.value for b in system.payments.blind),
            every(system.payments.sweep_every),
            span(system.payments.sweep_reach) if system.payments.sweep_every else "-",
        )
        for name, system in SYSTEMS.items()
    ]
    titles = ("Ledger", "Learns by", "Blind to", "Sweep", "Reaches back")
    return table(titles, rows)


def kinds(system: Capabilities) -> Callable[[], str]:
    """What one system can do, kind by kind."""
    rows = [
        (
            "the money of an invoice" if name == "Settlement" else name,
            words(verb.value for verb in kind.verbs),
            words(select.__name__ for select in kind.selects),
            said(kind.page_size),
            said(together(kind)),
            said(kind.batch_size) if kind.can(Verb.UPDATE) else "-",
        )
        for name, record in KINDS.items()
        if (kind := system.kind(record)).verbs
    ]
    titles = ("Record", "Can", "Selected by", "Page", "Ids in one request", "Write")
    return lambda: table(titles, rows)


def report_cards() -> str:
    """The cards of all connectors in one table."""
    titles, rows, summaries = cards.cards(cards.benches(CONNECTORS))
    return "\n".join(summaries) + "\n\n" + table(titles, rows)


# Arguments ------------------------------------------------------------------------------

SHOWN_MAX = 40
"""Of a default; what is longer is looked up in the source by those who need it."""


def arguments(shown: Documented) -> Callable[[], str]:
    """The arguments of a connector and their defaults. Fails where one is not explained."""

    def rows() -> Iterator[Sequence[str]]:
        for name, parameter in inspect.signature(shown.kind).parameters.items():
            if name not in shown.arguments:
                text = (
                    f"docs/connectors.py: say what {name} of {shown.kind.__name__} is"
                )
                raise SystemExit(text)
            yield f"`{name}`", default(parameter.default), shown.arguments[name]

    return lambda: table(("Argument", "Default", "What it is"), rows())


def default(value: Any) -> str:
    """A default as a cell."""
    match value:
        case inspect.Parameter.empty:
            return "(needed)"
        case bool():
            return f"`{value}`"
        case None | "" | ():
            return "none"
        case timedelta():
            return span(value)
        case int():
            return str(value)
        case str() if len(value) <= SHOWN_MAX:
            return f"`{value}`"
        case tuple():
            return words(map(str, value))
        case _:
            return "built in"


# The journal --------------------------------------------------------------------------


def transitions() -> str:
    """The intent state machine."""
    rows = [
        (before.value if before else "(new)", by, after.value)
        for (before, by), after in TRANSITIONS.items()
    ]
    return table(("From", "What happens", "To"), rows)


# The public names -----------------------------------------------------------------------


def public_names(module: str, heading: str = "##") -> Callable[[], str]:
    """What a module promises, one line each."""

    def parts() -> Iterator[str]:
        for title, group in names.grouped(module):
            rows = [(f"`{name}`", sentence) for name, sentence in group]
            yield f"{heading} {title}\n\n" + table(("Name", "What it is"), rows)

    return lambda: "\n\n".join(parts())


def methods() -> str:
    """The engine's methods, one line each."""
    rows = [(f"`{call}`", does) for call, does in names.methods(tieout.Engine)]
    return table(("Method", "What it does"), rows)


def stand_ins() -> str:
    """Each connector, and what stands in for its server."""

    def rows() -> Iterator[Sequence[str]]:
        for module, each in CONNECTORS.items():
            kind = each.kind.__name__
            for place, name in (
                (f"tieout.connectors.{module}", kind),
                (f"tieout.testing.fakes.{module}", f"Fake{kind}"),
            ):
                yield f"`{place}.{name}`", names.described(place, name)

    return table(("Name", "What it is"), rows())


# Behaviours -----------------------------------------------------------------------------

TESTS = DOCS.parent / "tests"

TESTS_SHOWN_MAX = 6
"""Of one behaviour; the first ones say enough, and all can be searched for by its number."""


@cache
def tests() -> Mapping[int, Sequence[evidence.Naming]]:
    """By behaviour, the tests that name it."""
    return evidence.evidence(TESTS, BEHAVIOURS)


def uncovered() -> str:
    """The behaviours that no test names."""
    return ", ".join(f"B{each}" for each in BEHAVIOURS if each not in tests()) or "none"


def behaviours() -> str:
    """Every behaviour, by section, with the tests that name it."""
    count = f"{len(tests())} of {len(BEHAVIOURS)} behaviours have a test"
    parts = [f"{count}. Those without one yet: {uncovered()}."]
    for title, section in SECTIONS.items():
        rows = [
            (f"B{number}", sentence, proof(tests().get(number, ())))
            for number, sentence in section.items()
        ]
        shown = table(("", "What is true", "Tests that name it"), rows)
        parts.append(f"## {title}\n\n{shown}")
    return "\n\n".join(parts)


def proof(found: Iterable[evidence.Naming]) -> str:
    """The first tests of a behaviour, and how many more there are."""
    first, more = evidence.shown(found, TESTS_SHOWN_MAX)
    lines = [f"`{each}`" for each in first] or ["no test yet"]
    return "<br>".join([*lines, f"and {more} more"] if more else lines)


# The conformance kit --------------------------------------------------------------------


def checks() -> str:
    """Every check of a connector, by group."""
    groups: dict[str, list[Check]] = {}
    for each in CHECKS.values():
        groups.setdefault(each.group, []).append(each)
    return "\n\n".join(
        f"### {group.capitalize()}\n\n"
        + table(("Check", "What it shows"), [(e.name, e.shows) for e in found])
        for group, found in groups.items()
    )


# The house ------------------------------------------------------------------------------


def layers() -> str:
    """Every module by its layer, each with the first sentence of its docstring."""
    return "\n\n".join(
        f"## {layer}\n\n"
        + table(("Module", "What it is"), [(f"`{name}`", does) for name, does in found])
        for layer, found in house.layers()
    )


# Pages ----------------------------------------------------------------------------------

BLOCKS: Mapping[str, Callable[[], str]] = {
    "errors of records": lambda: codes(Scope.RECORD),
    "errors of connections": lambda: codes(Scope.CONNECTION),
    "troubles of the store": troubles,
    "bare statuses": statuses,
    **{f"errors of {name}": errors(each) for name, each in MADE.items()},
    **{
        f"signing in to {name}": sign_in_errors(each)
        for name, each in MADE.items()
        if signs_in_by_rules(each)
    },
    **{
        f"findings of {name}": findings(each)
        for name, each in MADE.items()
        if each.findings
    },
    **{f"arguments of {name}": arguments(each) for name, each in CONNECTORS.items()},
    **{f"kinds of {name}": kinds(each.capabilities) for name, each in MADE.items()},
    **{f"features of {name}": features(e.capabilities) for name, e in MADE.items()},
    "table of systems": systems,
    "features of local": features(APP),
    "features of table": features(TABLE),
    "lags": lags,
    "kinds of local": kinds(APP),
    "kinds of table": kinds(TABLE),
    "report cards": report_cards,
    "transitions": transitions,
    "methods": methods,
    "names": public_names("tieout"),
    "names of connector": public_names("tieout.connector", "###"),
    "names of conformance": public_names("tieout.testing.conformance", "###"),
    "names of simulator": public_names("tieout.testing.simulator", "###"),
    "stand ins": stand_ins,
    "behaviours": behaviours,
    "checks": checks,
    "house": layers,
}
"""What each generated block holds."""


def pages() -> list[Path]:
    """The documentation's pages."""
    found = sorted(DOCS.rglob("*.md"))
    return [page for page in found if "_build" not in page.relative_to(DOCS).parts]


def filled(text: str) -> str:
    """A page's text with its blocks as they should be."""
    return BLOCK.sub(
        lambda match: f"{match[1]}\n{BLOCKS[match['name']]()}\n\n{match[3]}", text
    )


def main() -> int:
    """Write the blocks, or check them. The exit code: 1 where one is stale."""
    parser = argparse.ArgumentParser(description="Fill the documentation's tables.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument(
        "--uncovered", action="store_true", help="print which behaviours have no test"
    )
    asked = parser.parse_args()
    if asked.uncovered:
        print(uncovered())
        return 0
    check = asked.check
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    used = {match["name"] for text in texts.values() for match in BLOCK.finditer(text)}
    missing = sorted(set(BLOCKS) - used)
    stale = [page for page, text in texts.items() if filled(text) != text]
    for page in stale:
        print(f"{'stale' if check else 'written'}: {page.relative_to(DOCS)}")
        if not check:
            page.write_text(filled(texts[page]), encoding="utf-8")
    for name in missing:
        print(f"on no page: {name}")
    return 1 if missing or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
