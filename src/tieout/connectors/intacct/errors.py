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
from tieout.errors import Code, Who
from tieout.remedies import RemedyRow
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
_MANY = "Too many operations"
_NO_FIELD = "A field that is asked for is not there, or not for this user."
RULES = (
    *(Rule(Code.TOO_MANY_REQUESTS, each, "XMLGW_JPP0001", answer=_WAIT, says=_MANY) for each in (200, 400, 500, 503)),
    Rule(Code.TOO_MANY_REQUESTS, None, "GW-0010", answer=_WAIT, says=_MANY),
    Rule(Code.TOO_MANY_REQUESTS, 429, answer=_WAIT),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_PASSWORD, answer=_SIGN_IN),
    # The edge gave up; Intacct goes on working.
    Rule(Code.SERVER_ERROR, 524, answer=_UNCLEAR),
    Rule(Code.SIGN_IN_REFUSED, None, "XMLGW_JPP0002", remedy=_PASSWORD),
    Rule(Code.SIGN_IN_REFUSED, None, "UJPP0002", remedy=_PASSWORD),
    Rule(Code.SIGN_IN_REFUSED, text="sign-in information is incorrect", remedy=_PASSWORD, says="XL03000006 Sign-in information is incorrect"),
    Rule(Code.SIGN_IN_REFUSED, None, "GW-0011", remedy=_PASSWORD),
    Rule(Code.PERMISSION_MISSING, text="invalid web services authorization", remedy=_SENDER,
         meaning="The sender id is not authorized for this company.", says="XL03000006 Invalid Web Services Authorization"),
    Rule(Code.SIGN_IN_REFUSED, text=r"invalid session|session .*(expired|timed out|no longer valid|not valid)",
         remedy="The session ended and a new one is refused too: check the user's web services access.", answer=_SIGN_IN,
         says="XL03000006 Invalid session: it has timed out"),
    Rule(Code.SIGN_IN_REFUSED, None, "PL04000055", remedy="The demonstration company has expired: use another company.",
         meaning="The company is a demonstration that has ended."),
    Rule(Code.PERMISSION_MISSING, text=r"(do|does) not have permission|not authorized to|insufficient (privilege|permission)",
         remedy="Give the web services user the permission that is named, and subscribe the company to its module.",
         says="BL01001973 You do not have permission for API operation CREATE on objects of type ARPYMT"),
    # Refused as done before: what came of the first sending is looked at.
    Rule(Code.OUTCOME_UNKNOWN, text=r"control ?id\b.*\b(already|duplicate|not unique|been used)|(already|duplicate).*\bcontrol ?id",
         answer=_UNCLEAR, says="The function with controlid c-1 was already executed"),
    Rule(Code.NO_SUCH_RESOURCE, text=r"there is no \w+ with key|(record|transaction) .*(does not exist|not found)",
         remedy="It was deleted in Intacct, or made anew by order entry.", who=Who.USER,
         meaning="Intacct does not know the record.", says="There is no ARINVOICE with key '9'"),
    Rule(Code.DUPLICATE_NUMBER, text=r"transaction with the number .* already exists",
         remedy=f"Choose a unique number. {_NUMBER}",
         says="BL01001973 A transaction with the number 'INV-1' already exists."),
    Rule(Code.DUPLICATE_NUMBER, None, "BL34000061", remedy=_NUMBER, says="BL34000061 Another Customer with the given value(s) C1"),
    Rule(Code.DUPLICATE_NUMBER, None, "PL05000104", remedy=_NUMBER),
    Rule(Code.DUPLICATE_NUMBER, text=r"\balready exists", remedy=_NUMBER, says="The customer C1 already exists"),
    Rule(Code.NOT_ALLOWED, text="provide a payment batch key",
         remedy="In Accounts Receivable > Configuration, set the summary frequency of payments to daily or monthly; then retry.", who=Who.ADMIN,
         meaning="Payments go into summaries that are made by hand.", says="Please provide a payment batch key."),
    Rule(Code.NOT_ALLOWED, None, "BL02000051",
         remedy="Undeposited funds hold no foreign currency: give deposit_accounts a bank account for this currency and method.", who=Who.ADMIN,
         meaning="Undeposited funds were asked to hold a foreign currency.", says="BL02000051 Undeposited funds"),
    Rule(Code.REFUSED, None, "XL03000027",
         remedy="The invoice owes less than is applied to it: read it again, the payment is probably in Intacct already.",
         meaning="More would be applied than the invoice owes.", says="XL03000027 The amount paid if greater than the amount due"),
    Rule(Code.LOCKED_PERIOD, text=r"(period|books?|month)\b.*\b(closed|locked)|(closed|locked)\b.*\b(period|books?)",
         remedy="Open the period in Intacct, or date the document into an open one.",
         says="BL01001973 The date 03/10/2026 is in a closed period"),
    Rule(Code.REFUSED, text=r"customer .*\b(inactive|not active)\b",
         remedy="Make the customer active in Intacct, then retry; or take the document back in billing.",
         meaning="The customer is not active in Intacct.", says="The customer C1 is inactive"),
    Rule(Code.REFUSED, None, "BL01001973", r"\binvalid\b", _MAPPING, who=Who.ADMIN,
         meaning="An account or a dimension that was mapped is not in Intacct.", says="BL01001973 Invalid Location '9' specified."),
    Rule(Code.BAD_FIELD, None, "XL03000010", remedy=_FIELD, who=Who.ADMIN, meaning=_NO_FIELD,
         says="XL03000010 Field requested is not valid: arinvoice.NOPE"),
    Rule(Code.BAD_FIELD, text=r"cannot be queried|invalid fields? list|field requested is not valid", remedy=_FIELD,
         who=Who.ADMIN, meaning=_NO_FIELD, says="Invalid fields list NOPE"),
    Rule(Code.UNKNOWN_ERROR, None, "XL03000003", remedy="Intacct could not read what was sent: report it with its words.",
         meaning="The request was no XML that Intacct takes.", says="XL03000003 XML Parse schema error"),
    Rule(Code.SERVER_ERROR, 200, text=r"temporarily off-?line|please try again later", answer=_UNCLEAR, says="The Service is Temporarily Off-line"),
    # The two below say little: any other error beside them says more.
    Rule(Code.WAITS, None, "XL03000009", remedy="It was rolled back with another that failed: see to that one.",
         meaning="It was sent together with a record that could not be carried.", says="XL03000009 The transaction was rolled back"),
    Rule(Code.BAD_FIELD, None, "DL02000001",
         remedy=f"Intacct's word for everything; most often a field that was asked for does not exist. {_FIELD}",
         who=Who.ADMIN, meaning=_NO_FIELD, says="DL02000001 There was an error processing the request"),
)

TAX_ACCOUNT = RemedyRow(
    Code.NOT_ALLOWED, "Give tax_accounts the account of this tax code.", Who.ADMIN,
    meaning="No account is set for the tax of a line.", says="no account for tax VAT",
)
LINE_ACCOUNT = RemedyRow(
    Code.NOT_ALLOWED, "Give account= a general ledger account, or the line one of its own.", Who.ADMIN,
    meaning="No account is set for a line.", says="line 1 has no account",
)
METHOD = RemedyRow(
    Code.NOT_ALLOWED, "Map it with payment_methods= to one of those that Intacct has.", Who.ADMIN,
    meaning="Intacct does not know the way of payment.", says="Intacct has no payment method cheque: it has Cash, EFT",
)
DEPOSIT_ACCOUNT = RemedyRow(
    Code.NOT_ALLOWED, "Give deposit_accounts an account for this currency and method.", Who.ADMIN,
    meaning="No account is set that payments go to.", says="no account for USD by EFT",
)
BANK_ACCOUNT = RemedyRow(
    Code.NOT_ALLOWED, "Give deposit_accounts a bank account for this currency and method.", Who.ADMIN,
    meaning="Undeposited funds hold no foreign currency.", says="undeposited funds hold no foreign currency: EUR by EFT",
)
FINDINGS = (TAX_ACCOUNT, LINE_ACCOUNT, METHOD, DEPOSIT_ACCOUNT, BANK_ACCOUNT)
"""What is found wrong without an error of Intacct's."""
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
