"""The conformance kit itself: on a made-up ledger it is green, and what it says is true."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from paperbook import Paperbook, PaperbookBench
from slate import SlateBench
from tieout.auth import Headers
from tieout.capabilities import Capabilities, Kind, Select
from tieout.connector import Resource
from tieout.errors import Code, Fate, Fault
from tieout.models import Customer, Invoice, RecordType, Settlement
from tieout.testing.conformance import (
    CHECKS,
    Bench,
    Card,
    Check,
    Failed,
    NotStaged,
    Result,
    Row,
    Sample,
    SetClock,
    Unplugged,
    conformance,
    examine,
    mangled_json,
    measure,
)
from tieout.testing.conformance.check import expect, listed
from tieout.testing.conformance.sabotage import SABOTEURS, concerned, hunted
from tieout.testing.conformance.suite import method_name, tried
from tieout.testing.conformance.tap import Tap
from tieout.testing.conformance.trial import Trial, watched
from tieout.testing.fakes.paperbook import FakePaperbook
from tieout.testing.fakes.serving import Served, serve
from tieout.transport import HTTPTransport
from tieout.wire import Answer, Flow, Request, Response

TestPaperbook = conformance(PaperbookBench)

OK = Response(200, {"Content-Type": "application/json"}, b"{}")


def words(make: Any, name: str) -> str:
    """What the failing rows of one check say."""
    return "; ".join(row.words for row in examine(make, [name]).failed)


# The card -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card() -> Card:
    """The report card of Paperbook."""
    return examine(PaperbookBench)


def test_the_made_up_ledger_is_green(card: Card) -> None:
    """The tutorial's connector keeps the whole contract."""
    assert card.green, str(card)
    assert not card.failed
    assert card.system == "Paperbook"
    assert len([*card.of(Result.PASSED)]) > 200


def test_a_connector_of_calls_is_green() -> None:
    """What speaks no HTTP is spared what is about HTTP, and nothing else."""
    card = examine(SlateBench)
    assert card.green, str(card)
    excused = {r.words for r in card.rows if r.result is Result.NOT_APPLICABLE}
    assert "it is no HTTP that this connector speaks" in excused


def test_every_check_has_a_row_and_a_meaning(card: Card) -> None:
    """Nothing is left out silently; what does not apply says why."""
    assert [*dict.fromkeys(row.name for row in card.rows)] == [*CHECKS]
    for row in card.rows:
        assert row.shows.endswith(".")
        assert bool(row.words) is (row.result is not Result.PASSED)
    assert len(CHECKS) >= 60
    assert len({method_name(check) for check in CHECKS.values()}) == len(CHECKS)


def test_the_card_is_printed(card: Card) -> None:
    """A line a check, by group; kinds that passed; reasons below."""
    text = str(card)
    assert text.splitlines()[0].startswith("Paperbook: ")
    assert "  + reads to the end (Customer, Invoice, Settlement)" in text
    assert "  - a credit is seen" in text
    assert max(map(len, text.splitlines())) < 130


def test_the_card_as_markdown() -> None:
    """A row a check: name, what it shows, and the result by kind."""
    bad = evolve(_row(), result=Result.FAILED, kind="Invoice", words="page 2 | lost 17")
    told = Card("Acme", (_row(), bad)).markdown().splitlines()
    assert told[0] == "| Check | What it shows | Result |"
    assert told[2] == (
        "| reads to the end | All of it. "
        "| passed (Customer); failed (Invoice): page 2 \\| lost 17 |"
    )
    assert len(told) == 3


def _row() -> Row:
    return Row("reads to the end", "reading", "All of it.", "Customer", Result.PASSED)


def test_a_card_without_checks_is_not_green() -> None:
    """Nothing shown is nothing proven."""
    assert not Card("Acme", ()).green
    missing = Row("a", "b", "c.", "", Result.NOT_APPLICABLE, "no")
    assert not Card("Acme", (missing,)).green
    assert Card("Acme", (_row(), missing)).green
    assert not Card("Acme", (_row(), evolve(_row(), result=Result.FAILED))).green


def test_a_row_in_words() -> None:
    """As a log shows it."""
    assert str(_row()) == "reads to the end [Customer]: passed"
    failed = Row("a", "b", "c.", "", Result.FAILED, "why")
    assert str(failed) == "a: failed: why"


def test_some_checks_alone() -> None:
    """By their names, in the order that was asked for."""
    names = ["a part payment", "reads to the end"]
    assert [
        *dict.fromkeys(r.name for r in examine(PaperbookBench, names).rows)
    ] == names
    with pytest.raises(KeyError):
        examine(PaperbookBench, ["no such check"])


# What comes of a check ------------------------------------------------------------------


def _check(run: Any) -> Check:
    return Check("a name", "a group", "A meaning.", run)


def _raising(error: BaseException) -> Check:
    def run(trial: Trial) -> None:
        raise error

    return _check(run)


@pytest.mark.parametrize(
    ("error", "result", "told"),
    [
        (Failed("page 2 repeated 17"), Result.FAILED, "page 2 repeated 17"),
        (NotStaged("no such thing"), Result.NOT_APPLICABLE, "no such thing"),
        (
            Fault(Code.BAD_DATE, "no day"),
            Result.FAILED,
            "it ended with BAD_DATE: no day",
        ),
        (KeyError("Total"), Result.FAILED, "KeyError: 'Total' (test_conformance.py:"),
    ],
)
def test_whatever_a_check_raises_is_a_row(
    error: BaseException, result: Result, told: str
) -> None:
    """A bench that crashes fails the check; the words say where."""
    row = tried(PaperbookBench, _raising(error))
    assert row.result is result
    assert row.words.startswith(told)


def test_the_bench_is_closed_whatever_comes() -> None:
    """Sockets of a bench do not outlive its check."""
    closed: list[bool] = []

    class Closing(PaperbookBench):
        def close(self) -> None:
            closed.append(True)

    for error in (Failed("x"), KeyError("x"), NotStaged("x")):
        tried(Closing, _raising(error))
    assert len(closed) == 3
    examine(Closing, ["a part payment"])
    assert len(closed) == 5


def test_a_bug_of_the_connector_is_told_with_its_place() -> None:
    """Not "UNKNOWN_ERROR": the line at which it crashed."""

    class Broken(Paperbook):
        def _settlement(self, row: Any) -> Any:
            raise RuntimeError("no idea")

    class BrokenBench(PaperbookBench):
        def connector(self, **overrides: Any) -> Paperbook:
            return Broken(**{"company": "acme", "key": self.secrets[0], **overrides})

    told = words(BrokenBench, "a part payment")
    assert told.startswith("the connector crashed: RuntimeError: no idea (test_conf")


# What a bench says ----------------------------------------------------------------------


class Lazy(Bench):
    """A bench that stages nothing."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.transport = FakePaperbook(now=self.clock.now, key="a-long-key")

    def connector(self, **overrides: Any) -> Paperbook:
        return Paperbook(**{"company": "acme", "key": "a-long-key", **overrides})


def test_a_lazy_bench_is_found_out() -> None:
    """What it leaves out is named once; checks that need it do not apply."""
    told = words(Lazy, "the bench is complete")
    assert "has to stage customer, edit, invoice, neighbour" in told
    assert "has to name its secrets" in told
    card = examine(Lazy, ["a part payment"])
    assert [row.words for row in card.rows] == [
        "the bench does not stage pay, customer, invoice"
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "it has to stage samples"),
        ({"samples": lambda self: ()}, "it has to name its secrets"),
        (
            {"samples": lambda self: (), "secrets": ("a-secret",), "fields": {}},
            "Invoice needs a number and a total",
        ),
    ],
)
def test_what_a_bench_lacks_is_named(more: dict[str, Any], told: str) -> None:
    """One thing after another."""
    took = ("samples", "secrets", "writes", "fields")
    blank = {name: getattr(Bench, name) for name in took}
    kept = {"writes": PaperbookBench.writes, "fields": PaperbookBench.fields}
    bench = type("Some", (PaperbookBench,), {**blank, **kept, **more})
    assert told in words(bench, "the bench is complete")


@pytest.mark.parametrize(
    "stage",
    [
        lambda b: b.customer("A"),
        lambda b: b.invoice("1", Decimal(1), customer="1", on=date.max, currency=""),
        lambda b: b.draft("1", Decimal(1), customer="1", on=date.max, currency=""),
        lambda b: b.credit_note(
            "1", Decimal(1), customer="1", on=date.max, currency=""
        ),
        lambda b: b.pay("1", Decimal(1), date.max),
        lambda b: b.overpay("1", Decimal(1), date.max),
        lambda b: b.take_back("1"),
        lambda b: b.apply_credit("1", "2", Decimal(1), date.max),
        lambda b: b.unapply_credit("1"),
        lambda b: b.post("1"),
        lambda b: b.edit(Invoice, "1"),
        lambda b: b.void(Invoice, "1"),
        lambda b: b.delete(Invoice, "1"),
        lambda b: b.expire(),
        lambda b: b.revoke(),
        lambda b: b.deny(),
        lambda b: b.neighbour(),
        lambda b: b.samples(),
        lambda b: b.writes,
        lambda b: b.mangled(OK, Invoice, "1", "total", None),
    ],
)
def test_what_is_not_staged_says_so(stage: Any) -> None:
    """Each verb of a bench that does not override it."""
    with pytest.raises(NotStaged, match=r"^the bench does not stage "):
        stage(Lazy())


def test_a_bench_gives_a_connector() -> None:
    """Without one there is nothing to check."""
    with pytest.raises(NotImplementedError, match="Bench has to give a connector"):
        Bench().connector()


def test_an_excuse_is_shown() -> None:
    """Of one kind, or of the whole check; it is no test then."""

    class Excused(PaperbookBench):
        excuses: Mapping[str, str] = {
            "similar numbers [Invoice]": "they are one",
            "by number": "none",
        }

    rows = examine(Excused, ["similar numbers", "by number"]).rows
    told = {(r.name, r.kind): r.words for r in rows if r.words}
    assert told[("similar numbers", "Invoice")] == "excused: they are one"
    assert len(told) == 4
    suite = conformance(Excused)
    assert not hasattr(suite, "test_by_number")
    (mark,) = suite.test_similar_numbers.pytestmark
    assert mark.args == ("kind", [Settlement])


def test_a_connector_without_sizes_is_read_in_its_own_pages() -> None:
    """Where they are not too large to be filled."""

    class Fixed(PaperbookBench):
        def connector(self, **overrides: Any) -> Paperbook:
            if overrides:
                raise TypeError("no such argument")
            return Paperbook("acme", self.secrets[0], page_size=self.size)

        size = 5

    class Huge(Fixed):
        size = 1000

    assert examine(Fixed, ["reads to the end"]).green
    (row, *_) = examine(Huge, ["reads to the end"]).rows
    assert row.result is Result.NOT_APPLICABLE
    assert row.words == "the connector takes no page_size, and its pages have 1000"


def test_the_clock_goes_on_when_it_is_told_to() -> None:
    """And when somebody sleeps."""
    clock = SetClock()
    begun = clock.now()
    clock.advance(timedelta(minutes=1))
    clock.sleep(2.5)
    assert clock.monotonic() == 62.5
    assert clock.now() - begun == timedelta(seconds=62.5)


def test_nothing_leaves_where_nothing_is_plugged_in() -> None:
    """A connector of calls that sends a request is found out."""
    plug = Unplugged()
    with pytest.raises(AssertionError, match="leave for /here"):
        plug.send(Request("GET", "/here"), 1)
    plug.close()


def test_rows_are_spoilt_where_they_have_the_number() -> None:
    """However deep; exact decimals stay exact; other bodies stay as they are."""
    body = (
        b'{"a": [{"no": "7", "in": {"total": 1.10}}, {"no": "8", "in": {"total": 2}}]}'
    )
    answer = evolve(OK, body=body)
    spoilt = mangled_json(answer, "no", "7", "in.total", "x")
    assert spoilt.json()["a"] == [
        {"no": "7", "in": {"total": "x"}},
        {"no": "8", "in": {"total": 2}},
    ]
    same = mangled_json(answer, "no", "8", "in.total", 3)
    assert b"1.10" in same.body
    assert mangled_json(answer, "no", "9", "in.total", 3) is answer
    assert mangled_json(answer, "no", "7", "out.total", 3).json() == answer.json()
    html = evolve(OK, body=b"<html>")
    assert mangled_json(html, "no", "7", "total", 3) is html


def test_a_field_that_is_not_there_is_the_benchs_mistake() -> None:
    """The words lead to where it is named."""

    class Wrong(PaperbookBench):
        fields: Mapping[RecordType, Mapping[str, str]] = {
            Invoice: {"number": "no_such_field", "total": "total"}
        }

    told = words(Wrong, "an amount that is none")
    assert "see Bench.fields" in told


def test_ids_that_are_of_no_record() -> None:
    """They look like known ones."""
    bench = Lazy()
    assert bench.unknown_id(Invoice, "12") == "99"
    assert bench.unknown_id(Invoice, "99") == "88"
    assert bench.unknown_id(Invoice, "a1-b2") == "a9-b9"


# The wire -------------------------------------------------------------------------------


class Counting(Lazy):
    """A bench whose server counts."""

    @property
    def writes(self) -> int:
        assert isinstance(self.transport, FakePaperbook)
        return self.transport.writes


def _ask(tap: Tap, method: str = "GET", path: str = "book") -> Response:
    url = f"https://paperbook.example/acme/{path}"
    key = {"X-Key": "a-long-key"}
    return tap.send(Request(method, url, (), key, effect=method != "GET"), 1)


def test_the_tap_tells_what_went_by() -> None:
    """Requests, answers, and which of them changed something."""
    tap = Tap(Counting())
    assert _ask(tap).status == 200
    assert _ask(tap, "DELETE", "invoices/1").status == 404
    assert [each.writes for each in tap.exchanges] == [0, 1]
    assert [each.request.method for each in tap.effects()] == ["DELETE"]
    assert not tap.effects(2)
    assert tap.exchanges[0].answer.header("Date") == "Fri, 20 Mar 2026 12:00:00 GMT"  # type: ignore[union-attr]
    tap.close()


def test_the_taps_tricks() -> None:
    """Answered for the server, cut before it, and cut behind it."""
    bench = Counting()
    tap = Tap(bench)
    tap.answer(Response(503), effects=True)
    assert _ask(tap).status == 200
    assert _ask(tap, "DELETE", "invoices/1").status == 503
    assert bench.writes == 0
    tap.answer_after(Response(504))
    assert _ask(tap, "DELETE", "invoices/1").status == 504
    assert bench.writes == 1
    tap.lose()
    with pytest.raises(Fault) as lost:
        _ask(tap, "DELETE", "invoices/1")
    assert (lost.value.code, bench.writes) == (Code.ANSWER_LOST, 2)
    tap.break_off(Code.NOT_REACHED, Fate.NOT_SENT)
    with pytest.raises(Fault):
        _ask(tap)
    tap.filters.append(lambda response: evolve(response, body=b"x"))
    assert _ask(tap).body == b"x"
    assert tap.calls == 6


def test_a_date_that_the_server_tells_is_kept() -> None:
    """Where it tells none, the bench's clock is told."""
    bench = Counting()
    told = Response(200, {"Date": "Thu, 19 Mar 2026 12:00:00 GMT"})
    tap = Tap(bench)
    tap.answer(told)
    assert _ask(tap).header("Date") == "Thu, 19 Mar 2026 12:00:00 GMT"


def test_a_watched_flow_is_the_same_flow() -> None:
    """Answers and faults go through it."""

    def flow() -> Flow[str]:
        try:
            yield Request("GET", "a")
        except Fault:
            yield Request("GET", "b")
        return "done"

    asked: list[Any] = []
    watching = watched(flow(), asked)
    next(watching)
    watching.throw(Fault(Code.ANSWER_LOST))
    with pytest.raises(StopIteration, match="done"):
        watching.send(OK)
    assert [each.url for each in asked] == ["a", "b"]


# Words and costs ------------------------------------------------------------------------


def test_long_lists_are_cut() -> None:
    """A hundred lost records are told by five, and their number."""
    assert listed([]) == "none"
    assert listed(["a", "b"]) == "a, b"
    assert listed(map(str, range(9))) == "0, 1, 2, 3, 4 and 4 more"
    with pytest.raises(Failed, match=r"^so it is$"):
        expect(condition=0, words="so it is")


def test_costs_are_counted() -> None:
    """On the wire, beside what is declared, and as a table."""
    measured = measure(PaperbookBench, 120)
    costs = {(c.what, c.kind): (c.calls, c.declared) for c in measured.costs}
    assert costs[("read changed", "Invoice")] == (2, 2)
    assert costs[("fetched by id", "Settlement")] == (3, 3)
    assert costs[("created", "Invoice")] == (120, 120)
    assert costs[("updated", "Settlement")] == (120, 120)
    assert "read changed 120 Invoice records: 2 calls (2 declared)" in str(measured)
    assert "| read changed Invoice | 120 | 2 | 2 |" in measured.markdown()
    assert not measure(Lazy, 10).costs


def test_calls_are_counted_against_what_is_declared() -> None:
    """A connector that says that it needs no calls to write is found out."""

    class Boasting(Paperbook):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            kinds = {
                kind: evolve(can, fetch_size=1000, page_size=1000)
                for kind, can in self.capabilities.kinds.items()
            }
            self.capabilities = evolve(self.capabilities, kinds=kinds)

        def list_request(
            self, resource: Resource[Any], select: Select, cursor: str | None
        ) -> Request:
            asked = super().list_request(resource, select, cursor)
            return evolve(asked, params={**dict(asked.params), "limit": "10"})

    class BoastingBench(PaperbookBench):
        def connector(self, **overrides: Any) -> Paperbook:
            return Boasting("acme", self.secrets[0])

    told = words(BoastingBench, "reading costs what is declared")
    assert "costs 3 calls; 1 are declared" in told


# pytest ---------------------------------------------------------------------------------


def test_the_class_has_a_test_for_each_check_that_applies() -> None:
    """Named and documented as the check is."""
    suite = conformance(PaperbookBench)
    assert suite.__name__ == "TestPaperbook"
    assert suite.test_reads_to_the_end.__doc__ == CHECKS["reads to the end"].shows
    (mark,) = suite.test_reads_to_the_end.pytestmark
    assert mark.kwargs["ids"] == ["Customer", "Invoice", "Settlement"]
    assert not hasattr(suite, "test_a_credit_is_seen")


def test_a_test_fails_with_the_words_alone() -> None:
    """No traceback through the kit: the words are for who develops the connector."""
    bug = SABOTEURS["leaks into its repr"]

    class Leaking(PaperbookBench):
        def connector(self, **overrides: Any) -> Any:
            return bug.wrap(super().connector(**overrides), self)

    suite = conformance(Leaking)
    with pytest.raises(pytest.fail.Exception, match=r"a secret stands in repr") as told:
        suite().test_what_is_shown_holds_no_secret()
    assert not told.value.pytrace


def test_what_turns_out_not_to_be_staged_is_skipped() -> None:
    """With the reason that the bench gives."""

    class Picky(PaperbookBench):
        def pay(self, invoice: str, amount: Decimal, on: date) -> str:
            raise NotStaged("only on Sundays")

    with pytest.raises(pytest.skip.Exception, match="only on Sundays"):
        conformance(Picky)().test_a_part_payment(Settlement)


def test_pytest_is_needed_for_the_class_alone() -> None:
    """An author may look at a card without it."""
    code = (
        "import sys; sys.modules['pytest'] = None; "
        "from paperbook import PaperbookBench; "
        "from tieout.testing.conformance import examine; "
        "assert examine(PaperbookBench, ['a part payment']).green"
    )
    root = Path(__file__).parent.parent
    path = [str(root), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()


# Deliberate bugs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bug", "check"),
    [
        ("token", "a change token goes on"),
        ("gone", "a deletion is seen"),
        ("unposted", "unposted is what was not handed over"),
        ("credits", "a credit is seen"),
        ("credits", "a credit taken back is seen"),
        ("stale", "a stale version"),
    ],
)
def test_what_few_systems_have_is_checked_too(bug: str, check: str) -> None:
    """Tokens, deletions, hand-overs, versions of documents: right it passes, else not."""
    broken = type("Broken", (SlateBench,), {"bugs": (bug,)})
    assert examine(SlateBench, [check]).green
    assert not examine(broken, [check]).green


def test_a_bug_that_nobody_looks_for_is_not_caught() -> None:
    """The hunt can fail: without the check that is named for it."""
    bug = evolve(SABOTEURS["tells no clock"], caught_by=("a part payment",))
    assert hunted(PaperbookBench, bug) is None
    with pytest.raises(ValueError, match="no check"):
        hunted(PaperbookBench, evolve(bug, caught_by=("no such check",)))


def test_a_connector_that_cannot_do_it_is_not_accused() -> None:
    """A bug in writing is none in what only reads."""
    assert "tells by position" not in concerned(PaperbookBench)
    assert "adds up" in concerned(PaperbookBench)
    assert "adds up" not in concerned(SlateBench)


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ({"system": ""}, "the system has no name"),
        ({"concurrency": 0}, "concurrency is below 1"),
        ({"idempotency_key": True}, "declared together"),
        ({"kinds": {Invoice: Kind(page_size=0)}}, "Invoice has a size below 1"),
        (
            {"kinds": {Customer: Kind(verbs=frozenset(), selects=frozenset({int}))}},
            "Customer can be selected and not read",
        ),
    ],
)
def test_capabilities_that_contradict_themselves(
    flaw: dict[str, Any], told: str
) -> None:
    """Each flaw is named."""

    class Odd(PaperbookBench):
        def connector(self, **overrides: Any) -> Paperbook:
            found = super().connector(**overrides)
            found.capabilities = evolve(found.capabilities, **flaw)
            return found

    assert told in words(Odd, "capabilities make sense")


def test_two_companies_of_one_name_are_found_out() -> None:
    """Their records would meet in one store."""

    class Merged(PaperbookBench):
        def neighbour(self) -> PaperbookBench:
            return PaperbookBench("acme", self.clock)

    assert "share the connection" in words(Merged, "other companies are others")


def test_secrets_that_are_not_used_prove_nothing() -> None:
    """A canary that is in no credential would never be found anywhere."""

    class Elsewhere(PaperbookBench):
        secrets = ("another-secret",)

    class Short(PaperbookBench):
        secrets = ("abc",)

    assert "no secret of the bench stands in any" in words(
        Elsewhere, "the secrets are used"
    )
    assert "less than 6 characters" in words(Short, "the secrets are used")


def test_secrets_in_logs_are_heard() -> None:
    """At any level."""

    class Chatty(Paperbook):
        def explain(self, response: Response) -> tuple[str, str]:
            logging.getLogger("tieout.paperbook").debug("key %s", "canary-7f3a9c")
            return super().explain(response)

    class ChattyBench(PaperbookBench):
        def connector(self, **overrides: Any) -> Paperbook:
            return Chatty(**{"company": "acme", "key": self.secrets[0], **overrides})

    told = words(ChattyBench, "logs hold no secret")
    assert told == "a secret stands in what was logged"
    assert "canary" not in told


def test_a_sample_that_is_judged_otherwise() -> None:
    """The words say what it is judged as, and what it should be."""

    class Sampled(PaperbookBench):
        def samples(self) -> Iterable[Sample]:
            yield Sample("gone", Response(404), Code.REFUSED, Answer.WAIT)

    told = words(Sampled, "the vendor's errors are known")
    assert "judged NO_SUCH_RESOURCE, REFUSED" in told
    assert "it has to be REFUSED, WAIT" in told
    assert "DUPLICATE_NUMBER (422 number_taken)" in words(Sampled, "every rule is met")


# Over a socket --------------------------------------------------------------------------


class ServedBench(PaperbookBench):
    """The same server, behind HTTP on the loopback interface."""

    def __init__(self, company: str = "acme", clock: SetClock | None = None) -> None:
        super().__init__(company, clock)
        self.served: Served = serve(self.book)
        self.transport = HTTPTransport()

    def connector(self, **overrides: Any) -> Paperbook:
        found = super().connector(**overrides)
        address = f"{self.served.url}/{self.book.company}"
        found.auth = Headers(address, {"X-Key": self.secrets[0]})
        return found

    def neighbour(self) -> PaperbookBench:
        return ServedBench("other", self.clock)

    def close(self) -> None:
        self.transport.close()
        self.served.close()


def test_the_kit_works_over_http() -> None:
    """A bench may give the real transport: the same checks, and green."""
    card = examine(ServedBench)
    assert card.green, str(card)
    assert len([*card.of(Result.PASSED)]) > 200


def test_capabilities_have_defaults() -> None:
    """A kind that is not declared is not checked."""
    assert not CHECKS["reads to the end"].applies(Capabilities("Nothing", {}))
    assert CHECKS["capabilities are pure"].applies(Capabilities("Nothing", {}))
