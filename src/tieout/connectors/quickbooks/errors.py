"""
QuickBooks Online's faults and what they mean: by code, text and remedy.

One code has had several meanings and one meaning several codes over the years, so texts
are looked at first. What is not here is kept word for word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tieout.connector import Rule
from tieout.errors import Code, Who
from tieout.remedies import RemedyRow
from tieout.wire import Answer

SYSTEM = "10000"
"""From this code on something failed at Intuit, and nothing is certain."""

# fmt: off
_RECONNECT = "An administrator of the company has to connect QuickBooks again; what is queued is kept."
_KEYS = "The keys are of another app, or of the other environment (sandbox, production): check both, and connect again."
_RIGHTS = "A current administrator of the company has to connect QuickBooks again."
_PLAN = "The company's QuickBooks plan has lapsed: renew it."
_NUMBER = "Find the document of this number in QuickBooks. If it is the same one, link it; otherwise renumber."
_NAME = "A customer, vendor or employee has this name already: link the customer, or give it another name."
_LOCKED = "Ask the accountant to reopen the books, or date the document into an open period."
INACTIVE = "The customer, item, class or account it names was made inactive: make it active, or name another."
_MAPPING = "Correct the mapping: what the text names by its id is not there."
_LINK = "Open both in QuickBooks: the document was voided, deleted or paid, or is of another customer."
_DEPOSIT = "The payment is part of a bank deposit: take it out of the deposit in QuickBooks, then retry."
_FIELD = "Correct the field that the text names."
_OURS = "This is a mistake of tieout: please report it with the text."
_STATUS_PAGE = "Intuit's status page tells whether something is down."
_PAUSE = "Nothing to do: the run waited, and goes on next time. A free plan is blocked for the rest of the month at 500,000 reads."
_TAKEN = "The name is taken."
_BAD = "A field of the document is missing or is not what QuickBooks takes."
_FIELDS: Mapping[str, str] = {
    "2020": "Required param missing, need to supply the required value for the API",
    "2050": "String length specified does not match the supported length",
    "2080": "Invalid Number",
    "2170": "Invalid Enumeration",
    "2210": "Email Address does not conform to the syntax rules of RFC 822",
}
_QUERIES: Mapping[str, str] = {"4000": "Error parsing query", "4001": "Invalid query"}

RULES = (
    Rule(Code.TOO_MANY_REQUESTS, 429, remedy=_PAUSE, answer=Answer.WAIT),
    Rule(Code.TOO_MANY_REQUESTS, vendor_code="3001", remedy=_PAUSE, answer=Answer.WAIT, says="ThrottleExceeded"),
    # After the one renewal that the session tries, only a person can help.
    Rule(Code.RECONNECT_NEEDED, 401, remedy=_RECONNECT, answer=Answer.SIGN_IN),
    Rule(Code.RECONNECT_NEEDED, vendor_code="3200", remedy=_RECONNECT, answer=Answer.SIGN_IN, says="AuthenticationFailed"),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="3100", remedy=_KEYS, who=Who.DEVELOPER, says="ApplicationAuthorizationFailed"),
    Rule(Code.PERMISSION_MISSING, vendor_code="120", remedy=_RIGHTS, says="Authorization Failure",
         meaning="Who connected QuickBooks is no administrator of the company any more."),
    Rule(Code.PERMISSION_MISSING, vendor_code="6190", remedy=_PLAN, says="Invalid Company Status", meaning="The company is locked."),
    # 6140, 6210 and 6240 have been printed for each other, 5010 for closed books.
    Rule(Code.DUPLICATE_NUMBER, text="duplicate document number", remedy=_NUMBER, says="Duplicate Document Number Error"),
    Rule(Code.DUPLICATE_NUMBER, text="duplicate name", remedy=_NAME, meaning=_TAKEN, says="Duplicate Name Exists Error"),
    Rule(Code.LOCKED_PERIOD, text="account(ing)? period closed|closed (accounting )?period|books (are|have been) closed", remedy=_LOCKED,
         says="Account Period Closed"),
    Rule(Code.DUPLICATE_NUMBER, vendor_code="6140", remedy=_NUMBER, says="You must specify a different number."),
    Rule(Code.DUPLICATE_NUMBER, vendor_code="6240", remedy=_NAME, meaning=_TAKEN, says="The name supplied already exists."),
    Rule(Code.LOCKED_PERIOD, vendor_code="6210", remedy=_LOCKED, says="Your books are locked."),
    Rule(Code.STALE_VERSION, vendor_code="5010", says="Stale Object Error"),
    Rule(Code.REFUSED, vendor_code="610", text="made inactive", remedy=INACTIVE, meaning="Something that the document names is not active.",
         says="Object Not Found: Something you're trying to use has been made inactive."),
    Rule(Code.NO_SUCH_RESOURCE, vendor_code="610", says="Object Not Found"),
    Rule(Code.REFUSED, vendor_code="2500", remedy=_MAPPING, who=Who.ADMIN, says="Invalid Reference Id: Names element id 75 not found",
         meaning="Something that was mapped is not in QuickBooks."),
    Rule(Code.REFUSED, vendor_code="620", remedy=_LINK, says="TxnID Cannot Be Linked",
         meaning="The two documents cannot be tied to each other."),
    Rule(Code.REFUSED, vendor_code="6540", remedy=_DEPOSIT, says="Deposited Transaction cannot be changed",
         meaning="The payment is part of a bank deposit."),
    Rule(Code.REFUSED, vendor_code="6250", remedy="Link the customer again: QuickBooks does not know it.", says="Invalid Customer",
         meaning="The customer of the document is not in QuickBooks."),
    Rule(Code.REFUSED, vendor_code="6560", remedy="The document names no customer: link the customer first.",
         says="CustomerRef is missing in the request", meaning="The document has no customer."),
    Rule(Code.REFUSED, vendor_code="6000", remedy="QuickBooks' own words say which rule of the business was broken: an amount, a currency, a tax.",
         says="A business validation error has occurred while processing your request", meaning="The document breaks a rule of the business."),
    *(Rule(Code.REFUSED, vendor_code=each, remedy=_FIELD, meaning=_BAD, says=says) for each, says in _FIELDS.items()),
    *(Rule(Code.UNKNOWN_ERROR, vendor_code=each, remedy=_OURS, meaning="QuickBooks could not read what it was asked.", says=says)
      for each, says in _QUERIES.items()),
    # An answer that says 200 can hold a fault all the same.
    Rule(Code.SERVER_ERROR, vendor_code=SYSTEM, remedy=_STATUS_PAGE, answer=Answer.UNCLEAR),
    Rule(Code.UNKNOWN_ERROR, 200, text=".", says="anything else"),
)
VOID_NOTE = RemedyRow(
    Code.UNKNOWN_STATUS, "Look at it in QuickBooks: void it there again, or change its note.", Who.USER,
    meaning="The note of the invoice calls it voided, and its amounts do not.", says="its note calls it voided, and 50 is settled by no payment",
)
FINDINGS = (VOID_NOTE,)
"""What is found wrong without an error of QuickBooks'."""
# fmt: on

_ELEMENTS: Mapping[str, str] = {
    "names": "the customer",
    "accounts": "the account",
    "klasses": "the class",
    "depts": "the location",
    "items": "the item",
}
"""What Intuit calls its lists in the texts of code 2500."""

_MISSING = re.compile(r"\b(\w+) element id ([0-9]+) not found", re.IGNORECASE)
_ERROR_CODE = re.compile(r"errorCode=([0-9]+)")


def faulty(body: Any) -> bool:
    """Whether an answer is a fault, whatever its status says."""
    return isinstance(body, Mapping) and bool(_lowered(body).get("fault"))


def told(body: Any) -> tuple[str, str]:
    """
    The code and the words of a fault, in either of its two dialects.

    ``("", "")`` where there is none.
    """
    fault = _lowered(_lowered(body).get("fault"))
    listed = fault.get("error")
    errors = [_lowered(each) for each in listed] if isinstance(listed, list) else []
    codes = [code for code in map(_code, errors) if code]
    texts = [text for text in map(_words, errors) if text]
    kind = str(fault.get("type") or "")
    code = codes[0] if codes else ""
    if len(code) >= len(SYSTEM):
        code = SYSTEM
    return code, "; ".join(dict.fromkeys(texts)) or kind


def _lowered(value: Any) -> Mapping[str, Any]:
    """An object by the lower case of its names: the two dialects differ in it."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name).lower(): each for name, each in value.items()}


def _code(error: Mapping[str, Any]) -> str:
    code = str(error.get("code") or "").lstrip("0")
    if not code.isdecimal():
        named = _ERROR_CODE.search(str(error.get("message") or ""))
        code = named[1].lstrip("0") if named else ""
    return code


def _words(error: Mapping[str, Any]) -> str:
    """Message and detail, and what they name: a field, or a record that is missing."""
    message, detail = (str(error.get(name) or "") for name in ("message", "detail"))
    text = detail if message in detail else ": ".join(filter(None, (message, detail)))
    code, element = _code(error), str(error.get("element") or "")
    named = [f"code {code}"] if code else []
    named += [f"field {element}"] if element else []
    missing = _MISSING.search(text)
    if missing and missing[1].lower() in _ELEMENTS:
        text = f"{_ELEMENTS[missing[1].lower()]} of id {missing[2]} is missing: {text}"
    return f"{text} ({', '.join(named)})" if named else text
