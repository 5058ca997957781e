"""A certificate as a value, as text for people, and as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from onlooker import check_harmless
from tieout.errors import Code, ConfigError, Severity
from tieout.models import Invoice, Ref, Settlement
from tieout.pages import proof as pages
from tieout.proof.certificate import (
    Certificate,
    Scope,
    load_certificate,
    sealed,
)
from tieout.proof.differences import (
    Amounts,
    Balance,
    Difference,
    DifferenceKind,
    Section,
    Shift,
    in_figures,
)

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
ACME = Ref("shop:1", "Customer", "c1")
HUNDRED = Amounts(invoices=Decimal(100), open=Decimal(100))
SCOPE = Scope(
    "pair",
    "shop:1",
    "books:1",
    "rules",
    (Settlement,),
    NOON,
    NOON,
    read={"shop:1": 1, "books:1": 0},
    counts={"MISSING_IN_LEDGER": 1},
    red=1,
)
TOTAL = Balance(Section.LEVELS, "EUR", billing=HUNDRED)
MISSING = Difference(
    DifferenceKind.MISSING_IN_LEDGER,
    Settlement,
    "INV-1",
    billing=Ref("shop:1", "Invoice", "i1"),
    in_billing="100.00 EUR",
    shifts=(Shift("EUR", ACME, -HUNDRED),),
    code=Code.VANISHED,
    text="It is gone.",
)


def made(*differences: Difference, scope: Scope = SCOPE) -> Certificate:
    """A certificate of one customer."""
    customer = evolve(TOTAL, customer=ACME, name="Acme")
    return sealed(scope, [TOTAL], [customer], differences, "run")


def test_a_kind_of_difference_says_what_to_do() -> None:
    """Ten kinds; of seven of them no reason is known."""
    assert len(DifferenceKind) == 10
    assert [kind.name for kind in DifferenceKind if kind.explained] == [
        "IN_FLIGHT",
        "OPEN_ISSUE",
        "POLICY",
    ]
    assert all(kind.meaning.endswith(".") for kind in DifferenceKind)
    assert all(kind.remedy.endswith(".") for kind in DifferenceKind)


@pytest.mark.parametrize(
    ("kind", "code", "light"),
    [
        (DifferenceKind.AMOUNT, None, Severity.RED),
        (DifferenceKind.OPEN_ISSUE, Code.NUMBER_MEANS_ANOTHER_DOCUMENT, Severity.RED),
        (DifferenceKind.OPEN_ISSUE, Code.NOT_IN_BILLING, Severity.YELLOW),
        (
            DifferenceKind.POLICY,
            Code.NUMBER_MEANS_ANOTHER_DOCUMENT,
            Severity.YELLOW,
        ),
        (DifferenceKind.IN_FLIGHT, Code.OUTCOME_UNKNOWN, Severity.YELLOW),
    ],
)
def test_an_issue_that_is_red_makes_its_difference_red(
    kind: DifferenceKind, code: Code | None, light: Severity
) -> None:
    """That somebody knows of an error is no reason to call the books tied out."""
    assert evolve(MISSING, kind=kind, code=code).light is light


def test_amounts_add_up_measure_by_measure() -> None:
    """A sum and its difference; nothing is false."""
    more = Amounts(payments=Decimal(30), open=Decimal(-30))
    assert HUNDRED + more - HUNDRED == more
    assert not more - more
    assert -more == Amounts(payments=Decimal(-30), open=Decimal(30))


def test_a_certificate_is_read_as_text() -> None:
    """The verdict first, the sums of each currency, then line by line."""
    text = str(made(MISSING))
    lines = text.splitlines()
    assert lines[0] == "Tie-out certificate of shop:1 and books:1"
    assert "Settlement; all dates; read 2026-03-20 12:00:00 UTC" in lines[1]
    assert "THE BOOKS DIFFER: 1 difference is unexplained" in lines
    assert any(line.split() == ["open", "100.00", "0.00", "-100.00"] for line in lines)
    assert "credits" not in text
    assert lines[-1] == "missing in ledger INV-1: 100.00 EUR. It is gone."


def test_what_is_long_is_cut_off_with_the_number_of_the_rest() -> None:
    """A terminal tells fifty; the rest is read from the certificate."""
    scope = evolve(SCOPE, counts={"MISSING_IN_LEDGER": 60})
    certificate = made(
        *(evolve(MISSING, number=f"I{n}") for n in range(60)), scope=scope
    )
    assert str(certificate).endswith("and 10 more: read certificate.differences")
    assert list(certificate.text())[-1].startswith("missing in ledger I59")
    assert len(list(certificate.differences)) == 60


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": {}, "red": 0}, "THE BOOKS AGREE"),
        (
            {"counts": {"POLICY": 2}, "red": 0},
            "NOTHING IS UNEXPLAINED: 2 differences are explained",
        ),
        (
            {"counts": {"OPEN_ISSUE": 1, "POLICY": 2}, "red": 0},
            "NOTHING IS UNEXPLAINED: 3 differences are explained, 1 with an open issue",
        ),
        (
            {"counts": {"OPEN_ISSUE": 2}, "red": 1},
            "THE BOOKS DIFFER: 1 difference is explained by red issues",
        ),
        (
            {"counts": {}, "red": 0, "unreadable": 3},
            "NOBODY KNOWS: 3 records could not be read",
        ),
        ({"complete": False, "ended_early": "no\x1b line"}, r"certified: no\x1b line"),
        ({"first": date(2026, 1, 1)}, "2026-01-01 to the end"),
        ({"last": date(2026, 1, 1)}, "the beginning to 2026-01-01"),
    ],
)
def test_the_verdict_says_no_more_than_is_known(
    changes: dict[str, Any], said: str
) -> None:
    """Agreement is claimed only where all was read and nothing differs."""
    certificate = made(scope=evolve(SCOPE, **changes))
    assert said in str(certificate)
    assert certificate.ok == (said.startswith(("THE BOOKS A", "NOTHING")))


@pytest.mark.parametrize(
    ("amount", "currency", "figures"),
    [
        ("1234.5", "EUR", "1,234.50"),
        ("-1234", "JPY", "-1,234"),
        ("0.005", "EUR", "0.005"),
        ("1.5", "XYZ", "1.50"),
        ("0.125", "BHD", "0.125"),
    ],
)
def test_an_amount_is_told_to_its_last_decimal(
    amount: str, currency: str, figures: str
) -> None:
    """Nothing is rounded away, not even what the currency cannot hold."""
    assert in_figures(Decimal(amount), currency) == figures


def test_a_difference_is_known_by_its_number_or_its_id() -> None:
    """Where a side gives no number the id stands for it; without both a question mark."""
    assert MISSING.name == "INV-1"
    assert evolve(MISSING, number="").name == "i1"
    assert evolve(MISSING, number="", billing=None).name == "?"
    found = evolve(MISSING, field="status", in_billing="open", text="")
    told = "missing in ledger INV-1: status open in billing, - in the ledger"
    assert str(found) == told


def test_a_saved_certificate_says_what_it_said(tmp_path: Path) -> None:
    """Sums, customers, differences and digest survive the file."""
    certificate = made(MISSING)
    certificate.save(tmp_path / "c")
    loaded = load_certificate(tmp_path / "c")
    assert evolve(loaded, run="run") == certificate
    assert list(loaded.customers) == list(certificate.customers)
    assert list(loaded.differences) == [MISSING]
    assert list(loaded.lines()) == list(certificate.lines())


def test_a_certificate_is_one_json_object() -> None:
    """What a program needs at once: verdict, digest, sums, and each difference."""
    certificate = made(MISSING, evolve(MISSING, number="INV-2"))
    told = json.loads(certificate.to_json())
    assert [told[name] for name in ("ok", "run", "unexplained")] == [False, "run", 1]
    assert (told["digest"], told["verdict"]) == (
        certificate.digest,
        certificate.verdict,
    )
    rows = [json.loads(line) for line in certificate.lines()]
    for name in ("total", "customer", "difference"):
        same = [{"is": name, **row} for row in told[f"{name}s"]]
        assert same == [row for row in rows if row["is"] == name]
    assert told["complete"] is True
    empty = json.loads(sealed(SCOPE, (), (), ()).to_json())
    assert (empty["customers"], empty["differences"]) == ([], [])


def test_an_empty_certificate_can_be_saved_too(tmp_path: Path) -> None:
    """One that certifies nothing has no sums, no customers and no differences."""
    sealed(SCOPE, (), (), ()).save(tmp_path / "c")
    loaded = load_certificate(tmp_path / "c")
    assert loaded.totals == ()
    assert list(loaded.customers) == []
    assert list(loaded.differences) == []


def without_end(text: str) -> str:
    return text[: text.rindex("{")]


def another_amount(text: str) -> str:
    return text.replace('"100"', '"999"')


def another_date(text: str) -> str:
    return text.replace("2026-03-20", "2026-03-21")


def without_header(text: str) -> str:
    return text[text.index("\n") + 1 :]


def newer(text: str) -> str:
    first, rest = text.split("\n", 1)
    return json.dumps({**json.loads(first), "format": 99}) + "\n" + rest


def another_kind(text: str) -> str:
    return text.replace('"kinds":["Settlement"]', '"kinds":7')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_end, "was cut off"),
        (another_amount, "was altered"),
        (another_date, "was altered"),
        (without_header, "does not begin with a header"),
        (newer, "newer version"),
        (another_kind, "is no certificate"),
        (lambda _: "", "is no certificate"),
        (lambda _: "hello", "is no certificate"),
        (lambda _: '{"is": "end"}', "is no certificate"),
    ],
)
def test_a_file_that_is_not_as_it_was_is_refused(
    tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    """Cut off, altered or no certificate at all: it is not read as one."""
    path = tmp_path / "c"
    made(MISSING).save(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ConfigError, match=said):
        load_certificate(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(ConfigError, match="nowhere is no certificate"):
        load_certificate(tmp_path / "nowhere")


def test_certificates_of_the_same_have_one_digest() -> None:
    """The run's name is no part of it; the time of the reading is."""
    one, other = made(MISSING), made(MISSING)
    assert one.digest == other.digest
    later = made(MISSING, scope=evolve(SCOPE, ended_at=NOON.replace(hour=13)))
    assert later.digest != one.digest
    assert MISSING.about is not Invoice


# As a page ------------------------------------------------------------------------------


def counted(*differences: Difference, **changes: Any) -> Certificate:
    """A certificate whose counts are those of its differences."""
    counts: dict[str, int] = {}
    for each in differences:
        counts[each.kind.name] = counts.get(each.kind.name, 0) + 1
    red = sum(each.light is Severity.RED for each in differences)
    return made(*differences, scope=evolve(SCOPE, counts=counts, red=red, **changes))


def test_a_certificate_is_a_page_without_a_script() -> None:
    """What nothing explains is open and comes first; sums, reasons and the digest are there."""
    kept = evolve(MISSING, kind=DifferenceKind.POLICY, number="INV-2", code=None)
    paid = evolve(
        MISSING,
        kind=DifferenceKind.AMOUNT,
        number="<script>INV-3\u202e",
        field="paid",
        in_billing="0.00 EUR",
        in_ledger="20.00 EUR",
        ledger=Ref("books:1", "Invoice", "l3"),
    )
    found = counted(MISSING, kept, paid)
    html = found.html(lambda ref: f"https://books.example/{ref.id}")
    page = check_harmless(html)
    assert html == found.html(lambda ref: f"https://books.example/{ref.id}")
    text = page.text
    assert found.verdict in text
    assert found.digest in text
    assert "100.00" in text
    assert "0.00 EUR in billing, 20.00 EUR in the ledger" in text
    assert "<script>INV-3\\u202e" in text
    assert "1 policy" in text
    order = [text.index(word) for word in ("INV-1", "<script>INV-3", "INV-2")]
    assert order == sorted(order)
    opened = [
        each.attributes["class"]
        for each in page.named("details")
        if "open" in each.attributes and "trouble" in each.attributes["class"]
    ]
    assert opened == ["trouble red", "trouble red"]
    links = [each.attributes["href"] for each in page.named("a")]
    assert "https://books.example/l3" in links


@pytest.mark.parametrize(
    ("found", "light"),
    [
        (counted(), "Green"),
        (counted(evolve(MISSING, kind=DifferenceKind.POLICY, code=None)), "Yellow"),
        (counted(MISSING), "Red"),
        (counted(unreadable=1), "Red"),
        (counted(complete=False, ended_early="it was stopped"), "Red"),
    ],
)
def test_the_page_of_a_certificate_has_its_light(
    found: Certificate, light: str
) -> None:
    """Green where nothing differs, yellow where all has a reason, red for all else."""
    page = check_harmless(found.html())
    assert f"{light}: " in page.texts
    assert found.verdict in page.text


def test_of_very_many_differences_a_page_has_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rest is counted: a browser has to open it."""
    monkeypatch.setattr(pages, "ROWS_MAX", 12)
    many = [evolve(MISSING, number=f"INV-{n:03}") for n in range(15)]
    text = check_harmless(counted(*many).html()).text
    assert "red, 15 differences" in text
    assert "2 more of these" in text
    assert "… and 3 more, which are not on this page" in text
    assert "INV-011" in text
    assert "INV-012" not in text


def test_a_certificate_for_programs_names_both_sides() -> None:
    """And not by the store's own name for the two."""
    scope = json.loads(made(MISSING).to_json())["scope"]
    assert (scope["billing"], scope["ledger"]) == ("shop:1", "books:1")
    assert "pair" not in scope
