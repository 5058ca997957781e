"""
Xero's errors: where their texts stand in an answer, and what they mean.

The texts are the vendor's own, in English; what is not in the table is kept word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from tieout.connector import Fields, Rule
from tieout.errors import Code, Fault, Who
from tieout.wire import Answer, Response

# fmt: off
_RECONNECT = "An administrator has to connect Xero again; what is queued is kept."
RULES = (
    Rule(Code.DAY_LIMIT_REACHED, 429, "day", answer=Answer.WAIT, says="limit reached: day"),
    Rule(Code.PERMISSION_MISSING, 401, text="AuthorizationUnsuccessful",
         remedy="Give the app the scope for what was asked, and let an administrator consent again.",
         meaning="The app was not given the scope for what was asked.", says="AuthorizationUnsuccessful"),
    # After the one renewal that the session tries, only a person can help.
    Rule(Code.RECONNECT_NEEDED, 401, remedy=_RECONNECT, answer=Answer.SIGN_IN),
    Rule(Code.RECONNECT_NEEDED, 403, text="AuthenticationUnsuccessful", remedy=_RECONNECT, says="AuthenticationUnsuccessful"),
    Rule(Code.DUPLICATE_NUMBER, text=r"invoice # must be unique",
         remedy="Find the invoice of this number in Xero. If it is the same one, link it; otherwise renumber.",
         says="Invoice # must be unique."),
    Rule(Code.REFUSED, text=r"not of valid status for modification|cannot be edited as it has a payment",
         remedy="Change it in Xero, or remove the payment or credit there, then retry.",
         meaning="The document is paid, credited or voided, and Xero does not let it be changed.",
         says="This document cannot be edited as it has a payment or credit note allocated to it."),
    Rule(Code.REFUSED, text=r"payment amount exceeds the amount outstanding",
         remedy="The payment is probably recorded in Xero already: delete the duplicate, or mark ours as present.",
         meaning="More would be paid than the invoice owes.", says="Payment amount exceeds the amount outstanding on this document"),
    Rule(Code.REFUSED, text=r"payments can only be made against authorised documents",
         remedy="Approve the invoice in Xero; make it again if it was voided.",
         meaning="The invoice is a draft, or was voided.", says="Payments can only be made against Authorised documents"),
    Rule(Code.LOCKED_PERIOD, text=r"period lock date|end of year lock date",
         remedy="Ask the adviser to unlock the period in Xero, or date the document into an open one.",
         says="The document date cannot be before the period lock date"),
    Rule(Code.REFUSED, text=r"contact with the specified contact details has been archived",
         remedy="Restore the contact in Xero, or link the customer to the one it was merged into.",
         meaning="The customer is archived in Xero.", says="The contact with the specified contact details has been archived."),
    Rule(Code.DUPLICATE_NUMBER, text=r"contact name .*already assigned to another contact",
         remedy="Link the customer to the contact in Xero that has this name.",
         meaning="The name is taken.", says="The contact name Acme is already assigned to another contact."),
    Rule(Code.REFUSED, text=r"account code .*(has been archived, or deleted|is not a valid code)",
         remedy="Correct the account mapping, or restore the account in Xero.", who=Who.ADMIN,
         meaning="An account that was mapped is not in Xero.", says="Account code '200' has been archived, or deleted."),
    Rule(Code.REFUSED, text=r"taxtype code .*cannot be used with account code",
         remedy="Correct the tax mapping for this account.", who=Who.ADMIN,
         meaning="The tax does not go with the account.", says="The TaxType code 'X' cannot be used with account code '200'."),
    Rule(Code.NOT_ALLOWED, text=r"not subscribed to currency",
         remedy="Enable multi-currency in Xero, or bill in the base currency.", who=Who.ADMIN,
         meaning="The organisation does not have this currency.", says="Organisation is not subscribed to currency NZD"),
    Rule(Code.NOT_ALLOWED, text=r"reached the limit of invoices you can approve",
         remedy="Upgrade the Xero plan, or send invoices as drafts.", who=Who.ADMIN,
         meaning="The Xero plan takes no more invoices this month.", says="You have reached the limit of invoices you can approve."),
    Rule(Code.REFUSED, 200, text=".", says="anything else"),  # a failed element in an answer that says 200
)
# fmt: on


def told(response: Response) -> tuple[str, str]:
    """A code of ours, for the day's limit alone, and the words of an answer."""
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _limit_reached(response)
    try:
        body = response.json()
        texts = list(dict.fromkeys(filter(None, said(body))))
        if not texts and isinstance(body, dict):  # the case of these keys differs
            low = {name.lower(): value for name, value in body.items()}
            named = (low.get(name) for name in ("title", "detail", "message"))
            texts = [str(each) for each in named if each]
    except Fault:  # some answers are XML
        texts = [" ".join(re.sub(r"<[^>]*>", " ", response.text()).split())]
    text, mark = "; ".join(texts), response.header("Xero-Correlation-Id")
    return "", f"{text} (Xero-Correlation-Id {mark})" if text and mark else text


def _limit_reached(response: Response) -> tuple[str, str]:
    problem = (response.header("X-Rate-Limit-Problem") or "").strip().lower()
    used_up = response.header("X-DayLimit-Remaining") == "0"
    of_day = problem.startswith("day") or (used_up and not problem)
    return "day" if of_day else "", f"limit reached: {problem or 'not named'}"


def said(value: Any) -> Iterator[str]:
    """The texts of all ``ValidationErrors``, wherever they stand, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            errors = Fields(value).children("ValidationErrors")
            yield from (each.text("Message") for each in errors)
            if value.get("StatusAttributeString") == "ERROR" and not errors:
                yield "Xero marks it as an error without saying which"
            value = list(value.values())
        if isinstance(value, list):
            waiting += reversed(value)
