"""
Autotask's errors and what they mean: business errors come as 500 and are told by text.

The vendor lists no texts; what is not known is kept word for word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.connector import Rule
from tieout.errors import Code, Fault, Who
from tieout.remedies import RemedyRow
from tieout.wire import Answer, Response

# fmt: off
ERRORS = "errors"
"""Our code for Autotask's own envelope: a list of what is wrong."""

_KEYS = "Check the API user's name and secret and the integration code; the user must be active."
_USER = "No zone knows this user: check its name, and base_url if the site is one of its own."
_QUOTA = "All integrations share it: Admin > Extensions & Integrations > API Activity by Hour names the culprit."
_LEVEL = "Give the API user's security level what is named, and the invoices' line of business."
_GONE = "It is gone, or of a line of business that the API user does not see."
_FIELD = "If the field is one of your arguments, correct it; otherwise report it with the text."
_FIX = "Correct what is named; it is tried again when the record changes."

# The vendor lists no texts: these are words that were seen, or guesses. What says what is
# wrong with a request was refused; all else in a 500 proves nothing.
_USED_UP = r"threshold.*exceeded|exceeded.*threshold"
_FAILED = r"unexpected error|internal (server )?error|time(d )?[- ]?out|deadlock|try again"
_FORBIDDEN = r"forbidden|permission|not authori[sz]ed|access (is )?denied"
_WRONG = (
    r"required|invalid|not valid|must (be|have|not)|can ?not|not allowed|read.?only|exceed|too long"
    r"|does not exist|not found"
)
_WAIT, _UNCLEAR, _ADMIN = Answer.WAIT, Answer.UNCLEAR, Who.ADMIN
_NOT_TAKEN = "The record is not as Autotask takes it."
_HOUR = "The database's requests of this hour are used up."

RULES = (
    Rule(Code.DAY_LIMIT_REACHED, None, "", _USED_UP, _QUOTA, _WAIT, _ADMIN, _HOUR, "The request threshold was exceeded."),
    Rule(Code.DAY_LIMIT_REACHED, 500, "", _USED_UP, _QUOTA, _WAIT, _ADMIN, _HOUR, "You exceeded the request threshold."),
    Rule(Code.TOO_MANY_REQUESTS, 429, answer=_WAIT),
    # The database may have moved: the session asks for its zone once.
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEYS, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_LEVEL),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_GONE, meaning="Autotask does not know the record, or hides it."),
    Rule(Code.REFUSED, 409, remedy=_FIX, meaning=_NOT_TAKEN),
    Rule(Code.REFUSED, 422, remedy=_FIX, meaning=_NOT_TAKEN),
    Rule(Code.SERVER_ERROR, 500, ERRORS, _FAILED, answer=_UNCLEAR, says="An unexpected error has occurred. Please reference Error ID: 1166."),
    Rule(Code.PERMISSION_MISSING, 500, ERRORS, _FORBIDDEN, _LEVEL,
         says="Forbidden: the logged in Resource does not have the adequate permissions."),
    Rule(Code.UNKNOWN_ERROR, 500, ERRORS, "unable to find .* in the .* entity", _FIELD,
         meaning="Autotask has no field of this name.", says="Unable to find x in the Invoice Entity."),
    Rule(Code.DUPLICATE_NUMBER, 500, ERRORS, r"already (exists|in use|used)|duplicate|must be unique", says="This number already exists."),
    Rule(Code.REFUSED, 500, ERRORS, _WRONG, _FIX, meaning=_NOT_TAKEN,
         says="The field phone is required."),
    Rule(Code.UNKNOWN_ERROR, 500, ERRORS, answer=_UNCLEAR),
    Rule(Code.UNKNOWN_ERROR, 200, ERRORS, answer=_UNCLEAR),
)
ZONE_RULES = tuple(Rule(Code.SIGN_IN_REFUSED, each, remedy=_USER) for each in (400, 401, 403, 404, 500))
"""An unknown user is told by any status; 429 and gateways mean what they always do."""

KEYS = RemedyRow(Code.SIGN_IN_REFUSED, _KEYS, says="the user, the secret or the integration code was refused")
USER = RemedyRow(Code.SIGN_IN_REFUSED, _USER, says="the user has no zone")
FINDINGS = (KEYS, USER)
"""What is found wrong without an error of Autotask's."""
# fmt: on

PAUSES = {Code.TOO_MANY_REQUESTS: 60.0, Code.DAY_LIMIT_REACHED: 600.0}
"""Seconds, where Autotask names no pause. The quota is that of a rolling hour: too long
for a run to sit out, so it ends and says when to go on."""


def explain(response: Response) -> tuple[str, str]:
    """Whether an answer lists errors, and their texts with their fields."""
    try:
        body = response.json()
    except Fault:
        body = None
    told: Mapping[str, Any] = body if isinstance(body, dict) else {}
    listed = told.get("errors")
    if isinstance(listed, list) and listed:
        return ERRORS, "; ".join(map(_complaint, listed))
    # An address that does not exist is answered by the web server itself.
    return "", str(told.get("Message") or response.text().strip())


def _complaint(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    told = (error.get("field"), error.get("message"))
    return ": ".join(str(each) for each in told if each)
