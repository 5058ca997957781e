"""
What Intacct answers: three levels of errors, and a result for each function.

Nothing here knows what was asked, or what the fields of a row mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from attrs import evolve, field, frozen

from tieout.connector import FINE, judge
from tieout.connectors.intacct.errors import RULES, Trouble, deciding, verdict, words
from tieout.connectors.intacct.xml import children, parsed, plain, said, under
from tieout.errors import Code, Fate, Fault
from tieout.wire import Answer, Response, Verdict

READS = frozenset({"query", "read", "lookup", "readmore", "readbyquery"})
"""Functions that change nothing."""

_SUPPORT_ID = re.compile(r"\s*\[Support ID:[^\]]*\]", re.IGNORECASE)
"""Different in each answer: two of the same error would not look alike."""


@frozen
class Result:
    """
    What came of one function.

    ``key`` is what an older function says that it made. ``rows`` are records by field name
    in capitals; ``count`` is how many the answer claims, ``remaining`` how many more
    there are. None where it does not say.
    """

    control_id: str
    function: str
    status: str
    key: str = ""
    rows: list[Any] = field(factory=list)
    count: int | None = None
    remaining: int | None = None
    troubles: tuple[Trouble, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the function was carried out."""
        return self.status == "success"

    def verdict(self) -> Verdict:
        """What it means for whoever asked."""
        if self.good:
            return FINE
        if self.status == "aborted" and not self.troubles:
            text = "it was rolled back with another function"
            return Verdict(Answer.REFUSED, Code.WAITS, text)
        found = verdict(self.troubles) or Verdict(
            Answer.UNCLEAR,
            Code.UNKNOWN_ERROR,
            f"the function {self.status or 'failed'}",
        )
        text = found.text.lower()
        repeated = "already" in text and self.control_id.lower() in text
        if self.function.lower() not in READS and (
            (self.control_id and repeated) or self.count
        ):
            # Done before under this id, or done in part although it says failure.
            return evolve(found, answer=Answer.UNCLEAR, code=Code.OUTCOME_UNKNOWN)
        return found


@frozen
class Reply:
    """An answer: errors of the whole, and the results; ``said`` is of the sign-in."""

    troubles: tuple[Trouble, ...]
    results: tuple[Result, ...]
    company: str = ""
    timestamp: str = ""
    timeout: str = ""

    def of(self, control_id: str) -> Result:
        """The result of one function; `Fault` BAD_PAYLOAD where there is none."""
        found = [each for each in self.results if each.control_id == control_id]
        if len(found) != 1:
            text = f"the answer has {len(found)} results of the function {control_id}"
            raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
        return found[0]


def read(body: bytes) -> Reply:
    """An answer; `Fault` BAD_PAYLOAD for what is none."""
    root = parsed(body)
    if str(root.tag).lower() != "response":
        text = f"the answer is no response of Intacct ({len(body)} bytes)"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
    operation, control = under(root, "operation"), under(root, "control")
    troubles = (*_troubles(root), *_troubles(control), *_troubles(operation))
    results = children(operation, "result") if operation is not None else ()
    signed = under(operation, "authentication")
    failed = [
        where
        for where, level in (("request", control), ("sign-in", signed))
        if level is not None and said(level, "status") == "failure"
    ]
    if failed and not troubles:
        troubles = (Trouble("", f"the {failed[0]} failed"),)
    return Reply(
        troubles,
        tuple(_result(each) for each in results),
        said(signed, "companyid") if signed is not None else "",
        said(signed, "sessiontimestamp") if signed is not None else "",
        said(signed, "sessiontimeout") if signed is not None else "",
    )


replied = lru_cache(maxsize=2)(read)
"""`read`, once for an answer that is judged three times before its rows are taken."""


def _result(element: Any) -> Result:
    data = under(element, "data")
    return Result(
        said(element, "controlid"),
        said(element, "function"),
        said(element, "status"),
        said(element, "key"),
        [plain(each) for each in data] if data is not None else [],
        _number(data, "count"),
        _number(data, "numremaining"),
        _troubles(element),
    )


def _number(data: Any, name: str) -> int | None:
    told = (
        {key.lower(): value for key, value in data.attrib.items()}
        if data is not None
        else {}
    )
    text = told.get(name, "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _troubles(element: Any) -> tuple[Trouble, ...]:
    """The errors at one level, without what differs from answer to answer."""
    messages = children(element, "errormessage") if element is not None else ()
    return tuple(
        Trouble(said(each, "errorno"), _told(each))
        for message in messages
        for each in children(message, "error")
    )


def _told(error: Any) -> str:
    names = ("description", "description2", "correction")
    words = (said(error, name) for name in names)
    return _SUPPORT_ID.sub("", " ".join(filter(None, words))).strip()


# Judging ----------------------------------------------------------------------------


def judged(response: Response) -> Verdict:
    """
    What an answer means as a whole; its functions may have fared differently.

    Good is one of whose functions any was carried out, not counting those that only read
    where others do more.
    """
    try:
        reply = replied(response.body)
    except Fault as fault:
        if response.ok:
            return _no_answer(response, fault)
        return judge(response, RULES, text=_page(response))
    if not response.ok:
        of_errors = verdict(_all(reply), response.status)
        plainly = judge(response, RULES, text=of_errors.text if of_errors else "")
        known = of_errors is not None and of_errors.code is not Code.UNKNOWN_ERROR
        return evolve(of_errors, wait=plainly.wait) if known and of_errors else plainly
    found = verdict(reply.troubles)
    if found is not None:
        return found
    if not reply.results:
        text = "the answer has no result"
        return Verdict(Answer.UNCLEAR, Code.BAD_PAYLOAD, text)
    return together(reply.results)


def explained(response: Response) -> tuple[str, str]:
    """The number and the words of the error that decides what an answer means."""
    try:
        troubles = _all(replied(response.body))
    except Fault:
        return "", _page(response)
    found = deciding(troubles, response.status)
    decides = found[0] if found else next(iter(troubles), Trouble("", ""))
    return decides.number, words(decides)


def _no_answer(response: Response, fault: Fault) -> Verdict:
    """Of an answer that says 200 and is not XML: a page, half an answer."""
    found = verdict([Trouble("", _page(response))])
    if found is not None and found.code is not Code.UNKNOWN_ERROR:
        return evolve(found, answer=Answer.UNCLEAR)
    return Verdict(Answer.UNCLEAR, fault.code, fault.text)


def _page(response: Response) -> str:
    """The words of a page for people."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.text()[:20_000]).split())


def _all(reply: Reply) -> Sequence[Trouble]:
    return (*reply.troubles, *(x for each in reply.results for x in each.troubles))


def together(results: Iterable[Result]) -> Verdict:
    """
    One verdict of several functions.

    It is good if any that writes was carried out, or if all were that only read: those
    can be asked again together.
    """
    every = list(results)
    writes = [each for each in every if each.function.lower() not in READS]
    verdicts = [each.verdict() for each in writes or every]
    bad = [each for each in verdicts if each.answer is not Answer.OK]
    if not bad or (writes and len(bad) < len(verdicts)):
        return FINE
    unclear = [each for each in bad if each.answer is Answer.UNCLEAR]
    refused = [each for each in bad if each.answer is Answer.REFUSED]
    return next(iter([*unclear, *refused, *bad]))
