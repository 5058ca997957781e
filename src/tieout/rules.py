"""
A vendor's errors and what they mean: rules, and the verdict of an answer by them.

Pure. What is repeated, waited for or given up is decided elsewhere (`tieout.wire.REPEATS`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from attrs import frozen

from tieout.errors import Code, Who
from tieout.models import visible
from tieout.remedies import RemedyRow
from tieout.wire import Answer, Response, Verdict


@frozen
class Rule:
    """
    A vendor's error and what it means. All that is given must hold.

    ``text`` is a pattern searched for, whatever the case; ``status`` and ``vendor_code``
    are compared. A rule without a status says nothing about 5xx, which prove nothing.
    ``answer`` says what is certain about the request.

    ``remedy`` says what to do, a step each sentence. ``who`` and ``meaning`` are given
    where they are not the code's; ``says`` are words of such an error, as the vendor has
    them or nearly so. A rule with a ``text`` needs them: they are what its page shows, and
    the proof that no rule before it takes the error.
    """

    code: Code
    status: int | None = None
    vendor_code: str = ""
    text: str = ""
    remedy: str = ""
    answer: Answer = Answer.REFUSED
    who: Who | None = None
    meaning: str = ""
    says: str = ""

    @property
    def row(self) -> RemedyRow | None:
        """What it says to people, as a row of a table; None where that is the code's."""
        if not self.remedy:
            return None
        told = (self.code, self.remedy, self.who, self.meaning)
        return RemedyRow(*told, text=self.text, says=self.says)

    def holds(self, status: int, vendor_code: str, text: str) -> bool:
        """Whether this is the error of the rule."""
        return (
            (self.status == status or (self.status is None and status < SERVER_ERRORS))
            and (not self.vendor_code or self.vendor_code == vendor_code)
            and (not self.text or re.search(self.text, text, re.IGNORECASE) is not None)
        )


_REFUSED, _UNCLEAR = Answer.REFUSED, Answer.UNCLEAR
BY_STATUS: Mapping[int, tuple[Answer, Code]] = {
    400: (_REFUSED, Code.UNKNOWN_ERROR),
    401: (Answer.SIGN_IN, Code.SIGN_IN_REFUSED),
    402: (_REFUSED, Code.PERMISSION_MISSING),
    403: (_REFUSED, Code.PERMISSION_MISSING),
    404: (_REFUSED, Code.NO_SUCH_RESOURCE),
    405: (_REFUSED, Code.UNKNOWN_ERROR),
    408: (_UNCLEAR, Code.ANSWER_LOST),
    409: (_REFUSED, Code.IN_USE),
    410: (_REFUSED, Code.NO_SUCH_RESOURCE),
    412: (_REFUSED, Code.STALE_VERSION),
    413: (_REFUSED, Code.REFUSED),
    415: (_REFUSED, Code.UNKNOWN_ERROR),
    422: (_REFUSED, Code.REFUSED),
    429: (Answer.WAIT, Code.TOO_MANY_REQUESTS),
}
"""What a bare status means where no rule of the vendor says otherwise."""

SERVER_ERRORS = HTTPStatus.INTERNAL_SERVER_ERROR
"""From here on a status says that the other side failed, and not what it did."""

FINE = Verdict(Answer.OK)
"""The verdict of nearly every answer: it is asked for three times a call."""

TEXT_KEPT_MAX = 2000
"""Characters of a vendor's error text: every message seen fits, and no log is flooded."""


def judge(
    response: Response, rules: Iterable[Rule], vendor_code: str = "", text: str = ""
) -> Verdict:
    """
    The verdict of an answer by a vendor's rules, then by its bare status.

    5xx and redirects prove nothing: a write that was answered so is unclear.
    """
    status = response.status
    text = text[:TEXT_KEPT_MAX]
    said = discreet(text)
    wait = retry_after(response)
    for rule in rules:
        if rule.holds(status, vendor_code, text):
            return Verdict(rule.answer, rule.code, said, rule.remedy, wait=wait)
    if response.ok:
        return FINE
    answer, code = BY_STATUS.get(status, (_UNCLEAR, _bare(status)))
    return Verdict(answer, code, said or f"HTTP {status}", wait=wait)


_ADDRESS = re.compile(r"""[^\s@<>()\[\]"',;:=]{1,64}@[^\s@<>()\[\]"',;:=]{1,255}""")


def discreet(text: str) -> str:
    """
    Somebody else's words as they may be kept and logged: in one line, nothing hidden in
    it, and without e-mail addresses.
    """
    return visible(_ADDRESS.sub("***@***", " ".join(text.split())))


def _bare(status: int) -> Code:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Code.FOREIGN_LINK
    return Code.SERVER_ERROR if status >= SERVER_ERRORS else Code.UNKNOWN_ERROR


def retry_after(response: Response) -> float | None:
    """The pause that the answer asks for, in seconds, or None; may be absurd."""
    value = (response.header("Retry-After") or "").strip()
    if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", value, re.ASCII):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        sent = parsedate_to_datetime(response.header("Date") or "")
        return (until - sent).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def server_time(response: Response) -> datetime | None:
    """The other side's clock, from the ``Date`` header."""
    try:
        found = parsedate_to_datetime(response.header("Date") or "")
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None
