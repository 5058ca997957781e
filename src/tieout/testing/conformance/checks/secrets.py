"""
Checks that no secret is told: not by a repr, a request, an address, a log or an error.

The secrets are canaries that the bench has put into the connector's credentials.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable
from urllib.parse import quote

from tieout.capabilities import Verb
from tieout.errors import Fault
from tieout.models import Settlement
from tieout.testing.conformance.check import (
    Cases,
    Check,
    expect,
    of,
    readable,
    the_whole,
)
from tieout.testing.conformance.trial import Trial, by_hand, expect_staged
from tieout.testing.conformance.wanted import any_write, first_verb
from tieout.wire import Request, Response

LENGTH_MIN = 6
"""Characters. A shorter secret cannot be told from any other word."""


def _spellings(trial: Trial) -> list[str]:
    """The secrets, as they are, and as they look in an address or in base64."""
    secrets = trial.bench.secrets
    expect_staged(secrets, "the bench names no secrets")
    short = [each for each in secrets if len(each) < LENGTH_MIN]
    expect(not short, "a secret of the bench has less than 6 characters")
    found: list[str] = []
    for secret in secrets:
        found += [secret, quote(secret, safe="")]
        for lead in ("", "x", "xx"):  # wherever it begins in what was encoded
            coded = base64.b64encode((lead + secret).encode()).decode()
            # Its first and last few characters depend on what stands around it.
            found.append(coded[4 if lead else 0 : len(coded) - 4])
    return [*dict.fromkeys(each for each in found if len(each) >= LENGTH_MIN)]


def _quiet(text: str, spellings: Iterable[str], where: str) -> None:
    told = [each for each in spellings if each in text]
    # The secret itself is not repeated: this text may end in a log.
    expect(not told, f"a secret stands in {where}")


def reprs_are_discreet(trial: Trial) -> None:
    spellings, connector = _spellings(trial), trial.connector
    shown = {
        "repr(connector)": repr(connector),
        "str(connector)": str(connector),
        "repr(connector.auth)": repr(connector.auth),
        "repr of its first grant": repr(connector.auth.first()),
        "its connection": connector.connection,
        "its capabilities": repr(connector.capabilities),
    }
    for where, text in shown.items():
        _quiet(text, spellings, where)


def requests_are_unsigned(trial: Trial) -> None:
    spellings = _spellings(trial)
    _work(trial)
    for asked in trial.asked:
        if isinstance(asked, Request):
            where = f"a request for {asked.method} {asked.url.split('?')[0]}"
            _quiet(
                _written(asked), spellings, f"{where}; Auth.sign adds it, nobody else"
            )


def _written(request: Request) -> str:
    return " ".join(
        [
            request.url,
            *(f"{name}={value}" for name, value in request.params),
            *(f"{name}: {value}" for name, value in request.headers),
            request.body().decode("utf-8", "replace"),
        ]
    )


def _work(trial: Trial) -> None:
    """A check, a reading, a fetch, and a write where there is one."""
    made = trial.make()
    trial.warm()
    if trial.listed:
        trial.read()
    trial.fetch(made.id, numbers=[made.number] if made.number else ())
    if trial.can.verbs - {Verb.READ}:
        trial.write(any_write(trial, first_verb(trial)))


def secrets_are_used(trial: Trial) -> None:
    spellings = _spellings(trial)
    trial.warm()
    sent = " ".join(_written(each.request) for each in trial.tap.exchanges)
    used = any(each in sent for each in spellings)
    told = "no secret of the bench stands in any signed request or sign-in"
    expect(used, f"{told}: give those that the connector really uses")


def addresses_hold_no_secret(trial: Trial) -> None:
    spellings = _spellings(trial)
    _work(trial)
    for exchange in trial.tap.exchanges:
        request = exchange.request
        address = f"{request.url} {request.params}"
        where = f"an address of {request.method}: servers and proxies log those"
        _quiet(" ".join((address, *(v for _, v in request.params))), spellings, where)


class _Heard(logging.Handler):
    """What was logged, formatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.args} {record.exc_info}")


def logs_are_discreet(trial: Trial) -> None:
    spellings = _spellings(trial)
    heard, logger = _Heard(), logging.getLogger("tieout")
    level = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    try:
        _work(trial)
        trial.tap.answer(Response(429, {"Retry-After": "1"}))
        trial.warm()
    finally:
        logger.removeHandler(heard)
        logger.setLevel(level)
    for line in heard.lines:
        _quiet(line, spellings, "what was logged")


def errors_are_discreet(trial: Trial) -> None:
    spellings = _spellings(trial)
    trial.warm()
    signed = trial.tap.exchanges[-1].request
    echo = " ".join((*trial.bench.secrets, *(f"{n}: {v}" for n, v in signed.headers)))
    token = (signed.header("Authorization") or "").partition(" ")[2]
    for status in (400, 403, 500):
        trial.tap.answer(Response(status, (), echo.encode()), times=99)
        text = _failing(trial)
        where = f"the fault of a {status} whose body repeats the request"
        _quiet(text, spellings, where)
        expect(not token or token not in text, f"a token stands in {where}")
        trial.tap.tricks.clear()


def _failing(trial: Trial) -> str:
    """What is told of a read that fails."""
    try:
        trial.page()
    except Fault as fault:
        return f"{fault} {fault!r} {fault.text} {fault.remedy}"
    return ""


def nothing_is_signed_by_hand(trial: Trial) -> None:
    asked = by_hand(trial.connector.check())
    if isinstance(asked, Request):
        told = "a flow yields a request that is signed already"
        expect(asked.header("Authorization") is None, told)


# The table ------------------------------------------------------------------------------

_MONEY = of(readable, Settlement)


def _check(
    name: str,
    shows: str,
    run: Callable[[Trial], None],
    cases: Cases = the_whole,
    *,
    staged: bool = True,
) -> Check:
    return Check(name, "secrets", shows, run, cases, staged=staged, wire=True)


SECRETS: tuple[Check, ...] = (
    _check(
        "the secrets are used",
        "The canaries of the bench are the credentials that are really sent.",
        secrets_are_used,
    ),
    _check(
        "what is shown holds no secret",
        "No secret stands in a repr, a connection's name, or capabilities.",
        reprs_are_discreet,
    ),
    _check(
        "requests hold no secret",
        "What a flow yields is unsigned: Auth.sign alone adds credentials.",
        requests_are_unsigned,
        readable,
    ),
    _check(
        "nothing is signed by hand",
        "A request leaves a flow without an Authorization header.",
        nothing_is_signed_by_hand,
    ),
    _check(
        "addresses hold no secret",
        "No secret stands in an address, which servers and proxies log.",
        addresses_hold_no_secret,
        _MONEY,
    ),
    _check(
        "logs hold no secret",
        "Nothing that is logged holds one, at any level.",
        logs_are_discreet,
        _MONEY,
    ),
    _check(
        "errors hold no secret",
        "An answer that repeats the request is not repeated in the fault.",
        errors_are_discreet,
        _MONEY,
    ),
)
