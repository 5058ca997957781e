"""
ConnectWise's errors and what they mean: by status, code, text and remedy.

What is not here is kept word for word. A 5xx stays unclear, whatever its text says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.connector import BY_STATUS, Rule
from tieout.errors import Code, Fault
from tieout.remedies import RemedyRow
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
_NOT_TAKEN = "ConnectWise does not take what it was asked."
_STRANGER = "UserNotAuthenticated"
_AGAIN = Answer.SIGN_IN

_UNPOSTED = (
    "Check in ConnectWise that it is closed and that its GL accounts are mapped. Then "
    "set its status open, save, close it again, save. The API member's system level has "
    "to cover its location."
)
_NOWHERE = "No ConnectWise API answers there. Check the site, or the base address."

# fmt: off
RULES = (
    Rule(Code.SIGN_IN_REFUSED, text=_STRANGER, remedy=_KEYS, answer=_AGAIN, says="UserNotAuthenticated"),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_KEYS, answer=_AGAIN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_ROLE),
    # The code base moved: the session asks for it once and repeats.
    Rule(Code.NOT_REACHED, 404, NOT_THE_API, remedy=_NOWHERE, answer=_AGAIN),
    Rule(Code.PAID_ON_BOTH_SIDES, 400, text="single payment", remedy=_SINGLE,
         meaning="The invoice has a payment already, and ConnectWise takes no second one.",
         says="Only a single payment is allowed per invoice"),
    Rule(Code.DUPLICATE_NUMBER, 400, "ObjectExists"),
    Rule(Code.UNKNOWN_ERROR, 400, text="values should be enclosed", remedy=_OURS,
         meaning=_NOT_TAKEN, says="String values should be enclosed in double quotes"),
    Rule(Code.REFUSED, 400, text="unposted list", remedy=_UNPOSTED,
         meaning="The invoice is not among those that can be handed over.", says="12 is not in the unposted list"),
    Rule(Code.REFUSED, 400, "InvalidObject", remedy=_FIELDS,
         meaning="A field of the record is missing or is not what ConnectWise takes.", says="payment is invalid"),
    Rule(Code.UNKNOWN_ERROR, 405, remedy=_OURS, meaning=_NOT_TAKEN),
    Rule(Code.UNKNOWN_ERROR, 415, remedy=_OURS, meaning=_NOT_TAKEN),
    Rule(Code.IN_USE, 409, remedy="It is in use in ConnectWise; close it there."),
    # No other 4xx is worth repeating.
    *(Rule(Code.UNKNOWN_ERROR, each) for each in {*range(400, 500)} - {*BY_STATUS}),
)
SITE_RULES = (Rule(Code.NOT_REACHED, 404, remedy=_NOWHERE),)
"""While the site is asked where the company's API is."""

COMPANY = RemedyRow(
    Code.SIGN_IN_REFUSED, "Unknown company id: check the company id and the site.",
    meaning="The site does not know the company.", says="the site does not know the company id",
)
DELETING = RemedyRow(
    Code.REFUSED,
    "Unbatch or reopen it in ConnectWise, or make a credit memo. Documents that are neither batched nor "
    "closed can be deleted where the argument may_delete is set.",
    meaning="ConnectWise does not let a document be taken back that counts in the books.",
    says="it stands in batch 12",
)
MAY_NOT_DELETE = RemedyRow(Code.NOT_ALLOWED, DELETING.words, meaning=DELETING.meaning, says="cannot void Invoice records")
UNPOSTED = RemedyRow(
    Code.REFUSED, _UNPOSTED, meaning="The invoice is not among those that can be handed over.",
    says="INV-1 is not among what can be handed over",
)
WHOLE_BATCH = RemedyRow(
    Code.REFUSED, "Take back all that is in the batch together, or delete the batch in ConnectWise.",
    meaning="An accounting batch is taken back as a whole.", says="its accounting batch also holds INV-2",
)
TOTALS = RemedyRow(
    Code.TOTALS_DISAGREE, "Look at the invoice's payments and credits in ConnectWise, then run again.",
    says="total 100, payments 40, credits 10, balance 60",
)
FINDINGS = (COMPANY, DELETING, MAY_NOT_DELETE, UNPOSTED, WHOLE_BATCH, TOTALS)
"""What is found wrong without an error of ConnectWise's."""
# fmt: on


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
