"""
ConnectWise's errors and what they mean: by status, code, text and remedy.

What is not here is kept word for word. A 5xx stays unclear, whatever its text says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.connector import BY_STATUS, Rule
from tieout.connectors.connectwise.member import ADDRESS
from tieout.errors import Code, Fault
from tieout.wire import Answer, Response

NOT_THE_API = "not the API"
"""Our code for the answer of a web server in front of it."""

_KEYS = "Check company id, public and private key and client id of the API member."
_ROLE = (
    "Give the API member's security role the module that is named, access to the GL and "
    "accounting interface, and a system level that covers the invoices' locations."
)
_FIELDS = (
    "Correct the fields that are named; it is tried again when the record changes."
)
_SINGLE = "Change the invoice's one payment in ConnectWise, or delete it there."
_OURS = "This is a mistake of tieout: please report it with the text."
_STRANGER = "UserNotAuthenticated"
_AGAIN = Answer.SIGN_IN

DELETING = (
    "Unbatch or reopen it in ConnectWise, or make a credit memo. Documents that are "
    "neither batched nor closed can be deleted where the argument may_delete is set."
)
UNPOSTED = (
    "Check in ConnectWise that it is closed and that its GL accounts are mapped; then "
    "set its status open, save, close it again, save. The API member's system level has "
    "to cover its location."
)
WHOLE_BATCH = (
    "Take back all that is in the batch together, or delete the batch in ConnectWise."
)
TOTALS = "Look at the invoice's payments and credits in ConnectWise, then run again."

RULES = (
    Rule(Code.SIGN_IN_REFUSED, text=_STRANGER, remedy=_KEYS, answer=_AGAIN),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEYS, answer=_AGAIN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_ROLE),
    # The code base moved: the session asks for it once and repeats.
    Rule(Code.NOT_REACHED, 404, NOT_THE_API, remedy=ADDRESS, answer=_AGAIN),
    Rule(Code.PAID_ON_BOTH_SIDES, 400, text="single payment", remedy=_SINGLE),
    Rule(Code.DUPLICATE_NUMBER, 400, "ObjectExists"),
    Rule(Code.UNKNOWN_ERROR, 400, text="values should be enclosed", remedy=_OURS),
    Rule(Code.REFUSED, 400, text="unposted list", remedy=UNPOSTED),
    Rule(Code.REFUSED, 400, "InvalidObject", remedy=_FIELDS),
    Rule(Code.UNKNOWN_ERROR, 405, remedy=_OURS),
    Rule(Code.UNKNOWN_ERROR, 415, remedy=_OURS),
    Rule(Code.IN_USE, 409, remedy="It is in use in ConnectWise; close it there."),
    # No other 4xx is worth repeating.
    *(Rule(Code.UNKNOWN_ERROR, each) for each in {*range(400, 500)} - {*BY_STATUS}),
)


def explained(response: Response) -> tuple[str, str]:
    """The most telling code, and every message with its resource and field."""
    try:
        body = mapping(response.json())
    except Fault:
        body = {}
    errors = body.get("errors")
    parts = [body, *map(mapping, errors if isinstance(errors, list) else [])]
    codes = [str(each.get("code") or "") for each in parts]
    code = "ObjectExists" if "ObjectExists" in codes else codes[0]
    said = "; ".join(filter(None, map(_complaint, parts)))
    text = said or response.text().strip()
    signed = response.header("api-current-version") is not None
    if not code and (text.startswith("<") or not signed):
        code = NOT_THE_API
    request_id = response.header("x-cw-request-id")
    return code, f"{text} (request {request_id})" if request_id else text


def _complaint(error: Mapping[str, Any]) -> str:
    at = ".".join(str(error[name]) for name in ("resource", "field") if error.get(name))
    said = str(error.get("message") or error.get("code") or "")
    return ": ".join(filter(None, (at, said)))


def mapping(value: Any) -> Mapping[str, Any]:
    """The JSON object, or an empty one where it is something else."""
    return value if isinstance(value, Mapping) else {}
