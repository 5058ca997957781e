"""
Checks of answers: what is waited for, repeated, refused or unreadable, and whom it concerns.

Answers to writes are checked in `writing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from tieout.capabilities import Verb
from tieout.change import State
from tieout.errors import Code, Fault
from tieout.models import CreditNote, Invoice, Payment, Settlement
from tieout.rules import Rule
from tieout.testing.conformance.bench import NotStaged, Sample
from tieout.testing.conformance.check import (
    Case,
    Cases,
    Check,
    Failed,
    expect,
    listed,
    of,
    readable,
    the_whole,
    whole,
)
from tieout.testing.conformance.trial import (
    Made,
    Trial,
    answer_of,
    identity,
    lost,
)
from tieout.testing.conformance.wanted import any_write, first_verb
from tieout.wire import Answer, Response

JSON = {"Content-Type": "application/json"}
GONE_FOR_GOOD = (Code.SIGN_IN_REFUSED, Code.RECONNECT_NEEDED, Code.LOCKED_OUT)
SIGN_INS_MAX = 8
"""Requests about credentials that are gone: a few tokens and a few attempts, no storm."""

EVERY_TIME = 99
"""More often than anybody asks."""


# Waiting and signing in -----------------------------------------------------------------


def _waits(trial: Trial, seconds: float, answer: Response) -> None:
    made = trial.make()
    trial.warm()
    before = trial.clock.monotonic()
    trial.tap.answer(answer)
    missing = lost([made], trial.read().told)
    expect(not missing, "after a 429, the record is not read")
    waited = trial.clock.monotonic() - before
    told = f"asked to wait {seconds:.0f} seconds, it waited {waited:.0f}"
    expect(seconds <= waited < seconds + 60, told)


def a_pause_in_seconds(trial: Trial) -> None:
    _waits(trial, 7, answer_of(429, b"", Retry_After="7"))


def a_pause_until_a_date(trial: Trial) -> None:
    now = trial.clock.now()
    until = format_datetime(now + timedelta(seconds=9), usegmt=True)
    date = format_datetime(now, usegmt=True)
    _waits(trial, 9, answer_of(429, b"", Retry_After=until, Date=date))


def a_pause_is_no_error(trial: Trial) -> None:
    verdict = trial.connector.judge(answer_of(429, b"", Retry_After="7"))
    told = f"429 is judged {verdict.answer.name}; it has to be WAIT"
    expect(verdict.answer is Answer.WAIT, told)
    told = f"a Retry-After of 7 is judged as a pause of {verdict.wait}"
    expect(verdict.wait == 7, told)  # noqa: PLR2004 - as asked for


def a_server_that_stumbles(trial: Trial) -> None:
    made = trial.make()
    for status in (500, 502, 503, 504):
        trial.warm()
        trial.tap.answer(answer_of(status, b"<html>down</html>"))
        missing = lost([made], trial.read().told)
        expect(not missing, f"after one {status}, the record is not read")


def an_expired_token(trial: Trial) -> None:
    size = trial.pages_of(2)
    made = trial.make_many(2 * size + 1)

    def expire(position: int) -> None:
        if position == 1:
            trial.bench.expire()

    trial.warm()
    asked, sent = len(trial.asked), trial.tap.calls
    missing = lost(made, trial.read(between=expire).told)
    expect(not missing, f"the token expired between two pages, and {missing} is lost")
    extra = (trial.tap.calls - sent) - (len(trial.asked) - asked)
    told = f"the token expired once, and {extra} more requests left than were asked for"
    # The one that was refused, and a sign-in of a step or three.
    expect(extra <= 4, told)  # noqa: PLR2004


def revoked(trial: Trial) -> None:
    trial.make()
    trial.warm()
    trial.bench.revoke()
    before = trial.tap.calls
    flow = trial.connector.page(trial.kind, trial.any_select())
    fault = trial.fault(flow, "credentials are revoked, and records are still read")
    told = f"credentials are revoked, and it ends with {fault.code.name}: {fault.text}"
    expect(fault.code in GONE_FOR_GOOD, told)
    expect(fault.remedy or fault.code.remedy, "nothing says what a person can do")
    calls = trial.tap.calls - before
    expect(
        calls <= SIGN_INS_MAX, f"credentials are revoked, and it asked {calls} times"
    )


def revoked_before_a_write(trial: Trial) -> None:
    change = any_write(trial, first_verb(trial))
    trial.warm()
    trial.bench.revoke()
    (outcome,) = trial.write(change)
    told = f"credentials are revoked, and a write is {outcome.state.name}"
    expect(outcome.state in (State.REJECTED, State.NOT_SENT), told)
    told = f"{told} ({outcome.code.name if outcome.code else 'no code'})"
    expect(outcome.code in GONE_FOR_GOOD, told)


# Answers that cannot be read ------------------------------------------------------------

NO_ANSWERS: dict[str, Response] = {
    "a page of HTML": Response(
        200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><p>Please sign in</p>"
    ),
    "HTML that is called JSON": Response(200, JSON, b"<html>Please sign in</html>"),
    "nothing at all": Response(200, JSON, b""),
    "half an answer": Response(200, JSON, b'{"value": [{"id": 1, "total": 10'),
    "bytes that are no text": Response(200, JSON, b'{"a": "\xff\xfe"}'),
    "NaN": Response(200, JSON, b'[{"total": NaN}]'),
}
"""What gateways answer in a server's place, with status 200."""

ODD_SHAPES = (b"null", b"true", b"5", b'"text"', b"[]", b"{}", b"[[]]", b"[null, 5]")
"""Good JSON, and not what was asked for."""


def unreadable_answers(trial: Trial) -> None:
    for what, answer in NO_ANSWERS.items():
        trial.warm()
        trial.tap.answer(answer, times=EVERY_TIME)
        for name, flow in _reads(trial):
            fault = trial.fault(flow, f"{what} is taken for a good answer to {name}")
            told = f"{what} in answer to {name} ends with {fault.code.name}"
            expect(fault.code is Code.BAD_PAYLOAD, f"{told}; it has to be BAD_PAYLOAD")
        trial.tap.tricks.clear()


def _reads(trial: Trial) -> Iterable[tuple[str, Any]]:
    connector, kind = trial.connector, trial.kind
    if trial.listed:
        yield "a page", connector.page(kind, trial.any_select())
    known = trial.bench.unknown_id(kind, trial.make().id)
    yield "a fetch by id", connector.fetch(kind, ids=[known])


def one_garbled_answer(trial: Trial) -> None:
    made = trial.make()
    trial.warm()
    trial.tap.answer(NO_ANSWERS["half an answer"])
    missing = lost([made], trial.read().told)
    expect(not missing, "after half an answer, the record is not read")


def odd_answers(trial: Trial) -> None:
    for body in ODD_SHAPES:
        trial.warm()
        trial.tap.answer(Response(200, JSON, body), times=EVERY_TIME)
        for name, flow in _reads(trial):
            try:
                page = trial.run(flow)
            except Fault:
                continue
            told = f"{body!r} in answer to {name} brought {len(page.records)} records"
            expect(not page.records, told)
        trial.tap.tricks.clear()


def called_something_else(trial: Trial) -> None:
    made = trial.make()
    trial.warm()

    def renamed(response: Response) -> Response:
        kept = [pair for pair in response.headers if pair[0].lower() != "content-type"]
        return Response(response.status, kept, response.body)

    trial.tap.filters.append(renamed)
    missing = lost([made], trial.read().told)
    expect(not missing, "without a Content-Type, a good answer is not read")


# Records that cannot be read ------------------------------------------------------------


def _spoilt(trial: Trial, field: str, value: Any) -> None:
    """Three records, of which the second is spoilt on its way; the others must arrive."""
    made = trial.make_many(3)
    bad = made[1]
    spoilt = 0

    def mangle(response: Response) -> Response:
        nonlocal spoilt
        changed = trial.bench.mangled(response, trial.kind, bad.number, field, value)
        spoilt += changed is not response
        return changed

    trial.warm()
    trial.tap.filters.append(mangle)
    for name, records, issues in _both_ways(trial, made):
        what = f"with {field or 'a new field'} = {value!r} in one record, {name}"
        expect_spoilt = f"{what} brought no row of {bad.number}: see Bench.fields"
        expect(spoilt, expect_spoilt)
        missing = lost([made[0], made[2]], (identity(record) for record in records))
        expect(not missing, f"{what} lost its neighbour {missing}")
        others = [each for each in issues if not _is_about(each, bad)]
        expect(not others, f"{what} has the issue: {listed(others, 1)}")
        _judged(bad, records, issues, what, field=field)


def _both_ways(
    trial: Trial, made: list[Made]
) -> Iterable[tuple[str, list[Any], list[Any]]]:
    if trial.listed:
        reading = trial.read()
        yield "a list", reading.records, reading.issues
    page = trial.fetch(*(each.id for each in made))
    yield "a fetch by id", [*page.records], [*page.issues]


def _is_about(issue: Any, made: Made) -> bool:
    by_id = issue.source is not None and issue.source.id == made.id
    return by_id or made.number in issue.numbers


def _judged(
    bad: Made,
    records: list[Any],
    issues: list[Any],
    what: str,
    *,
    field: str,
) -> None:
    """What became of the spoilt record itself."""
    found = [record for record in records if identity(record) == bad.id]
    named = [issue for issue in issues if _is_about(issue, bad)]
    if not field:
        told = f"{what} {'has an issue on it' if named else 'lost it'}"
        expect(found and not named, told)
        return
    if field == "customer" and found:
        told = f"{what} made it {found[0].customer} of nobody"
        expect(found[0].customer is None, told)
        return
    expect(not found, f"{what} was read all the same, as {_shown(found, field)}")
    expect(named, f"{what} left it out without an issue")


def _shown(found: list[Any], field: str) -> str:
    return repr(getattr(found[0], field, None)) if found else ""


def _spoils(field: str, *values: Any) -> Callable[[Trial], None]:
    """The run of a check that spoils one field with each of these values."""

    def run(trial: Trial) -> None:
        for value in values:
            trial.tap.filters.clear()
            _spoilt(trial, field, value)

    return run


# Judging --------------------------------------------------------------------------------

_STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 409, 418, 429, 500, 503, 599)
_BODIES = (
    b"",
    b"null",
    b"{}",
    b"[]",
    b"<xml/>",
    b'{"error": null}',
    b'{"error": [1], "text": [2], "message": {}}',
    b'{"error"',
    b"\xff\xfe",
    b"[5]",
)


def judging_never_crashes(trial: Trial) -> None:
    for status in _STATUSES:
        for body in _BODIES:
            answer = Response(status, JSON, body)
            try:
                first = trial.connector.judge(answer)
                again = trial.connector.judge(answer)
            except Exception as error:
                told = f"judge crashed on {status} with {body!r}"
                raise Failed(f"{told}: {type(error).__name__}: {error}") from error
            expect(first == again, f"judged twice, {status} with {body!r} differs")


def only_what_is_certain_is_certain(trial: Trial) -> None:
    for status in (500, 502, 503, 504, 520, 599, 301, 302, 307):
        for body in _BODIES:
            told = trial.connector.judge(Response(status, JSON, body)).answer
            expect(
                told in (Answer.UNCLEAR, Answer.WAIT),
                f"{status} with {body!r} is judged {told.name}: it proves nothing",
            )


def unknown_errors_are_kept(trial: Trial) -> None:
    words = "Teapot XJ-42 is unhappy"
    answer = Response(418, {"Content-Type": "text/plain"}, words.encode())
    verdict = trial.connector.judge(answer)
    expect(verdict.answer is not Answer.OK, "418 is judged OK")
    expect("XJ-42" in verdict.text, f"of {words!r}, {verdict.text!r} is kept")
    told = verdict.code.name if verdict.code else "nothing"
    told = f"an error that nobody knows is called {told}"
    expect(verdict.code is Code.UNKNOWN_ERROR, told)


def samples_are_judged(trial: Trial) -> None:
    for sample in _samples(trial):
        verdict = trial.connector.judge(sample.response)
        code = verdict.code.name if verdict.code else "no code"
        told = f"{sample.name}: judged {code}, {verdict.answer.name} ({verdict.text})"
        wanted = f"it has to be {sample.code.name}, {sample.answer.name}"
        same = (verdict.code, verdict.answer) == (sample.code, sample.answer)
        expect(same, f"{told}; {wanted}")
        fault = verdict.fault()
        expect(fault.remedy or fault.code.remedy, f"{sample.name}: no remedy is told")


def _samples(trial: Trial) -> list[Sample]:
    found = [*trial.bench.samples()]
    expect(found, "the bench has no samples of errors")
    return found


def every_rule_is_met(trial: Trial) -> None:
    rules: tuple[Rule, ...] = tuple(getattr(trial.connector, "rules", ()))
    explain = getattr(trial.connector, "explain", None)
    if not rules or explain is None:
        raise NotStaged("it has no table of rules")
    bare = [Response(rule.status or 0) for rule in rules if _is_bare(rule)]
    answers = [*(each.response for each in _samples(trial)), *bare]
    met = {_first(rules, answer, explain) for answer in answers}
    unmet = [_named(rule) for at, rule in enumerate(rules) if at not in met]
    expect(not unmet, f"no sample meets the rules for {listed(unmet, 20)}")


def _is_bare(rule: Rule) -> bool:
    """A rule that asks for nothing but a status."""
    return rule.status is not None and not rule.vendor_code and rule.text in ("", ".")


def _first(rules: Iterable[Rule], answer: Response, explain: Any) -> int:
    """The position of the rule by which an answer is judged; -1 for none."""
    vendor_code, text = explain(answer)
    for at, rule in enumerate(rules):
        if rule.holds(answer.status, vendor_code, text):
            return at
    return -1


def _named(rule: Rule) -> str:
    parts = (rule.status, rule.vendor_code, rule.text and repr(rule.text))
    return f"{rule.code.name} ({' '.join(str(each) for each in parts if each)})"


# The table ------------------------------------------------------------------------------

_DOCUMENTS = (Invoice, Settlement, CreditNote)
_ONE = (Settlement, Invoice, Payment)


def _main(cases: Cases) -> Cases:
    """One kind for what does not depend on the kind: the money where it can be read."""

    def main(capabilities: Any) -> Iterable[Case]:
        found = [*cases(capabilities)]
        return sorted(found, key=lambda c: _ONE.index(c) if c in _ONE else 9)[:1]

    return main


_LISTED, _WRITTEN = (
    _main(whole),
    _main(lambda c: [k for k, can in c.kinds.items() if can.verbs - {Verb.READ}]),
)


def _check(
    name: str,
    shows: str,
    run: Callable[[Trial], None],
    cases: Cases = _LISTED,
    *needs: str,
    staged: bool = True,
) -> Check:
    return Check(name, "answers", shows, run, cases, needs, staged=staged, wire=True)


def _spoilt_check(
    name: str, shows: str, field: str, *values: Any, kinds: tuple[Any, ...] = _DOCUMENTS
) -> Check:
    """A check that spoils one field of a record on its way, once with each value."""
    fields = ("number", field) if field else ("number",)
    run = _spoils(field, *values)
    return Check(
        name,
        "answers",
        shows,
        run,
        of(readable, *kinds),
        staged=True,
        fields=fields,
        wire=True,
    )


ANSWERS: tuple[Check, ...] = (
    _check(
        "429 is a pause",
        "It is judged as one, with the seconds that were asked for.",
        a_pause_is_no_error,
        the_whole,
        staged=False,
    ),
    _check(
        "a pause in seconds",
        "Reading goes on after the pause that Retry-After asks for.",
        a_pause_in_seconds,
    ),
    _check(
        "a pause until a date",
        "The same, where Retry-After is a date.",
        a_pause_until_a_date,
    ),
    _check(
        "a server that stumbles",
        "Reading survives one answer of 500, 502, 503 or 504.",
        a_server_that_stumbles,
    ),
    _check(
        "one garbled answer",
        "Reading survives one answer that was cut off.",
        one_garbled_answer,
    ),
    _check(
        "an expired token",
        "It signs in again once, between two pages, and loses nothing.",
        an_expired_token,
        _LISTED,
        "expire",
    ),
    _check(
        "revoked credentials",
        "Reading ends with what a person has to do, and without a storm of sign-ins.",
        revoked,
        _LISTED,
        "revoke",
    ),
    _check(
        "revoked before a write",
        "It certainly did not happen, and the outcome says what a person has to do.",
        revoked_before_a_write,
        _WRITTEN,
        "revoke",
    ),
    _check(
        "unreadable answers",
        "HTML, nothing, half an answer: BAD_PAYLOAD, never a crash, never an empty page.",
        unreadable_answers,
        readable,
    ),
    _check(
        "odd answers",
        "JSON of another shape brings no records and no crash.",
        odd_answers,
        readable,
    ),
    _check(
        "without a content type",
        "A good answer is read for what it is, not for what it is called.",
        called_something_else,
    ),
    _spoilt_check(
        "an unknown status",
        "A record with a status that nobody knows is an issue; its neighbours arrive.",
        "status",
        "A BRAND NEW ONE",
    ),
    _spoilt_check(
        "an amount that is none",
        "A total that is null, a word, or has a comma is an issue; its neighbours arrive.",
        "total",
        *(None, "1,234.00", "much", [], {"amount": 1}),
    ),
    _spoilt_check(
        "a balance that is none",
        "The same for what is owed.",
        "balance",
        *("1,234.00", "much", []),
        kinds=(Settlement,),
    ),
    _spoilt_check(
        "a missing customer",
        "It is an issue, or a record of no customer; its neighbours arrive.",
        "customer",
        None,
    ),
    _spoilt_check(
        "a date that is none",
        "A day that does not exist is an issue; its neighbours arrive.",
        "on",
        "2026-02-30T00:00:00",
    ),
    _spoilt_check(
        "a field that nobody knows",
        "A new field changes nothing.",
        "",
        {"new": [1, 2, None]},
    ),
    _check(
        "judging never crashes",
        "Whatever is answered, it is judged, and the same way each time.",
        judging_never_crashes,
        the_whole,
        staged=False,
    ),
    _check(
        "only what is certain is certain",
        "5xx and redirects prove nothing, whatever their body says.",
        only_what_is_certain_is_certain,
        the_whole,
        staged=False,
    ),
    _check(
        "unknown errors are kept",
        "An error that no rule knows is told word for word.",
        unknown_errors_are_kept,
        the_whole,
        staged=False,
    ),
    _check(
        "the vendor's errors are known",
        "Each sample of an error is judged as what it is, with something to do about it.",
        samples_are_judged,
        the_whole,
        "samples",
        staged=False,
    ),
    _check(
        "every rule is met",
        "Each rule of the table is the one by which some sample is judged.",
        every_rule_is_met,
        the_whole,
        "samples",
        staged=False,
    ),
)
