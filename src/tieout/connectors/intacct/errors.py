"""
Intacct's errors and what they mean: by number, text and remedy.

One number has several meanings (XL03000006), one answer several errors, the most specific
first. What is not here is kept word for word; nothing here reads an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from tieout.connector import TEXT_KEPT_MAX, Rule, discreet
from tieout.errors import Code
from tieout.wire import Answer, Verdict


@frozen
class Trouble:
    """One error of an answer: its number, which may be a free text, and its words."""

    number: str
    text: str


# fmt: off
_WAIT, _UNCLEAR, _SIGN_IN = Answer.WAIT, Answer.UNCLEAR, Answer.SIGN_IN
_PASSWORD = "Check the company id (Company > Setup > Company, tab General information), the web services user and its password in Intacct."
_SENDER = "An administrator adds the sender id to the company's web services authorizations (Company > Company info > Security)."
_FIELD = "Restore the field in Intacct, or take it out: without= for a standard field, extra_fields= for one of yours."
_NUMBER = "Find the document of this number in Intacct. If it is the same one, link it; otherwise renumber."
_MAPPING = "Correct the mapping of the named account, location, department or other dimension."
RULES = (
    Rule(Code.TOO_MANY_REQUESTS, 200, "XMLGW_JPP0001", answer=_WAIT),
    Rule(Code.TOO_MANY_REQUESTS, 400, "XMLGW_JPP0001", answer=_WAIT),
    Rule(Code.TOO_MANY_REQUESTS, 500, "XMLGW_JPP0001", answer=_WAIT),
    Rule(Code.TOO_MANY_REQUESTS, 503, "XMLGW_JPP0001", answer=_WAIT),
    Rule(Code.TOO_MANY_REQUESTS, None, "GW-0010", answer=_WAIT),
    Rule(Code.TOO_MANY_REQUESTS, 429, answer=_WAIT),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_PASSWORD, answer=_SIGN_IN),
    # The edge gave up; Intacct goes on working.
    Rule(Code.SERVER_ERROR, 524, answer=_UNCLEAR),
    Rule(Code.SIGN_IN_REFUSED, None, "XMLGW_JPP0002", remedy=_PASSWORD),
    Rule(Code.SIGN_IN_REFUSED, None, "UJPP0002", remedy=_PASSWORD),
    Rule(Code.SIGN_IN_REFUSED, text="sign-in information is incorrect", remedy=_PASSWORD),
    Rule(Code.SIGN_IN_REFUSED, None, "GW-0011", remedy=_PASSWORD),
    Rule(Code.PERMISSION_MISSING, text="invalid web services authorization", remedy=_SENDER),
    Rule(Code.SIGN_IN_REFUSED, text=r"invalid session|session .*(expired|timed out|no longer valid|not valid)",
         remedy="The session ended and a new one is refused too: check the user's web services access.", answer=_SIGN_IN),
    Rule(Code.SIGN_IN_REFUSED, None, "PL04000055", remedy="The demonstration company has expired: use another company."),
    Rule(Code.PERMISSION_MISSING, text=r"(do|does) not have permission|not authorized to|insufficient (privilege|permission)",
         remedy="Give the web services user the permission that is named, and subscribe the company to its module."),
    # Refused as done before: what came of the first sending is looked at.
    Rule(Code.OUTCOME_UNKNOWN, text=r"control ?id\b.*\b(already|duplicate|not unique|been used)|(already|duplicate).*\bcontrol ?id",
         answer=_UNCLEAR),
    Rule(Code.NO_SUCH_RESOURCE, text=r"there is no \w+ with key|(record|transaction) .*(does not exist|not found)",
         remedy="It was deleted in Intacct, or made anew by order entry."),
    Rule(Code.DUPLICATE_NUMBER, text=r"transaction with the number .* already exists",
         remedy=f"Choose a unique number. {_NUMBER}"),
    Rule(Code.DUPLICATE_NUMBER, None, "BL34000061", remedy=_NUMBER),
    Rule(Code.DUPLICATE_NUMBER, None, "PL05000104", remedy=_NUMBER),
    Rule(Code.DUPLICATE_NUMBER, text=r"\balready exists", remedy=_NUMBER),
    Rule(Code.NOT_ALLOWED, text="provide a payment batch key",
         remedy="In Accounts Receivable > Configuration, set the summary frequency of payments to daily or monthly; then retry."),
    Rule(Code.NOT_ALLOWED, None, "BL02000051",
         remedy="Undeposited funds hold no foreign currency: give deposit_accounts a bank account for this currency and method."),
    Rule(Code.REFUSED, None, "XL03000027",
         remedy="The invoice owes less than is applied to it: read it again, the payment is probably in Intacct already."),
    Rule(Code.LOCKED_PERIOD, text=r"(period|books?|month)\b.*\b(closed|locked)|(closed|locked)\b.*\b(period|books?)",
         remedy="Open the period in Intacct, or date the document into an open one."),
    Rule(Code.REFUSED, text=r"customer .*\b(inactive|not active)\b",
         remedy="Make the customer active in Intacct, then retry; or take the document back in billing."),
    Rule(Code.REFUSED, None, "BL01001973", r"\binvalid\b", _MAPPING),
    Rule(Code.BAD_FIELD, None, "XL03000010", remedy=_FIELD),
    Rule(Code.BAD_FIELD, text=r"cannot be queried|invalid fields? list|field requested is not valid", remedy=_FIELD),
    Rule(Code.UNKNOWN_ERROR, None, "XL03000003", remedy="Intacct could not read what was sent: report it with its words."),
    Rule(Code.SERVER_ERROR, 200, text=r"temporarily off-?line|please try again later", answer=_UNCLEAR),
    # The two below say little: any other error beside them says more.
    Rule(Code.WAITS, None, "XL03000009", remedy="It was rolled back with another that failed: see to that one."),
    Rule(Code.BAD_FIELD, None, "DL02000001",
         remedy=f"Intacct's word for everything; most often a field that was asked for does not exist. {_FIELD}"),
)
# fmt: on
VAGUE = {"XL03000009", "DL02000001"}

_FIELD_NAMED = re.compile(
    r"not valid:\s*([\w.]{1,80})"
    r"|cannot be queried:\s*\[(?:\s*\w{1,60}\s*:)?\s*\[?\s*([\w.]{1,80})"
    r"|invalid fields? list:?\s*([\w.]{1,80})",
    re.IGNORECASE | re.ASCII,
)
"""How the field at fault is named, where it is."""


def deciding(
    troubles: Sequence[Trouble], status: int = 200
) -> tuple[Trouble, Rule] | None:
    """The most specific of these errors that a rule knows, and the rule."""
    for vague in (False, True):
        for trouble in troubles:
            said = words(trouble)
            for rule in RULES:
                known = (rule.vendor_code in VAGUE) is vague
                if known and rule.holds(status, trouble.number, said):
                    return trouble, rule
    return None


def verdict(troubles: Sequence[Trouble], status: int = 200) -> Verdict | None:
    """What these errors of one answer mean; None of none. The words of all are kept."""
    told = dict.fromkeys(map(words, troubles))
    text = discreet("; ".join(told)[:TEXT_KEPT_MAX])
    found = deciding(troubles, status)
    if found is None:
        code = Code.UNKNOWN_ERROR
        return Verdict(Answer.REFUSED, code, text) if troubles else None
    trouble, rule = found
    named = _FIELD_NAMED.search(words(trouble))
    at = next(filter(None, named.groups()), "") if named else ""
    return Verdict(rule.answer, rule.code, text, rule.remedy, at)


def words(trouble: Trouble) -> str:
    """An error in one line, its number first."""
    told = " ".join(filter(None, (trouble.number, trouble.text)))
    return told[:TEXT_KEPT_MAX]
