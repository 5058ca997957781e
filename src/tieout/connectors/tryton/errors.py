"""
Tryton's errors and what they mean: by status, type and text.

Messages are in the language of the context: the types are relied on, and English texts
where they say more. What is not here is kept word for word.
"""

from __future__ import annotations

from tieout.connector import Rule
from tieout.errors import Code, Who
from tieout.remedies import RemedyRow
from tieout.wire import Answer

_MODULE = "Tryton does not know what is named: activate the module account_invoice."
_DATABASE = "Check the name of the database, and dialect= (the server's version)."
_SLOW = "The request ran into Tryton's time limit: use a smaller page_size."
_GROUP = "Put the user into the group 'Accounting' (7.0: 'Account') and allow it the company."
_CONFIRM = (
    "Tryton asks for a confirmation: confirm it there by hand, or name it in "
    "skip_warnings= to have it always confirmed."
)
_PERIOD = "Open the period in Tryton, or date the document into an open one."
_ORDER = "Numbers follow dates: date it later, or post the older documents first."
_CODE = (
    "Link the customer to the party in Tryton that has this code, or give it another."
)
_INACTIVE = "The module for invoices is not active in Tryton."
_NO_DATABASE = "The server has no database of this name, or speaks another dialect."
_GIVEN = (
    "A party's code is given once: change it in Tryton by hand, or give the customer its "
    "number back; what else was changed of it is carried then."
)
_DENIED = "not allowed to (access|search|execute)"
_LOCKED = "must (create|reopen) a period|closed period"
_BUSY = "database is locked|could not serialize|deadlock"

# fmt: off
RULES = (
    Rule(Code.BAD_PAYLOAD, text=r"^HTTP 2\d\d\b", answer=Answer.UNCLEAR, says="HTTP 204"),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_MODULE, meaning=_INACTIVE),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_DATABASE, meaning=_NO_DATABASE),
    Rule(Code.NO_SUCH_RESOURCE, 405, remedy=_DATABASE, meaning=_NO_DATABASE),
    Rule(Code.SERVER_ERROR, 504, remedy=_SLOW, answer=Answer.UNCLEAR, who=Who.ADMIN, meaning="The request took Tryton too long."),
    Rule(Code.PERMISSION_MISSING, vendor_code="lookup", remedy=_MODULE, meaning=_INACTIVE),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="LoginException"),
    Rule(Code.STALE_VERSION, vendor_code="ConcurrencyException"),
    Rule(Code.PERMISSION_MISSING, None, "UserError", _DENIED, _GROUP, says='You are not allowed to access "Invoice".'),
    Rule(Code.NO_SUCH_RESOURCE, vendor_code="UserError", text="that don't exist", says="You are trying to read records that don't exist."),
    Rule(Code.LOCKED_PERIOD, None, "UserError", _LOCKED, _PERIOD,
         says="To post the move, you must create a period for the date 2026-03-10."),
    Rule(Code.REFUSED, None, "UserError", "must set an invoice date after", _ORDER,
         meaning="An older invoice cannot get a later number.", says="You must set an invoice date after 2026-03-10."),
    Rule(Code.DUPLICATE_NUMBER, None, "UserError", "code on party must be unique", _CODE,
         meaning="Another party has this code.", says="The code on party must be unique."),
    Rule(Code.REFUSED, None, "UserError", 'modify the field "Code"', _GIVEN,
         meaning="A party keeps the code that it was given.", says='You are not allowed to modify the field "Code" of "Party".'),
    Rule(Code.REFUSED, vendor_code="UserError"),
    Rule(Code.REFUSED, vendor_code="UserWarning", remedy=_CONFIRM, meaning="Tryton wants a person to confirm it.",
         says="A payment date in the past."),
    Rule(Code.SERVER_ERROR, 200, text=_BUSY, answer=Answer.UNCLEAR, says="database is locked"),
    Rule(Code.UNKNOWN_ERROR, 200, text=".", says="list index out of range"),
)
# fmt: on

SIGN_IN_RULES = (Rule(Code.SIGN_IN_REFUSED, 401), Rule(Code.LOCKED_OUT, 429), *RULES)
"""While signing in, 401 is final: five wrong passwords lock the login."""

# fmt: off
UNDO_FIRST = RemedyRow(
    Code.REFUSED, "Take back the payments and credits on it first.",
    meaning="Something was paid or applied to the document.", says="40.00 of it is paid or applied",
)
BY_HAND = RemedyRow(
    Code.REFUSED, "Undo it by hand in Tryton: other documents hang on it.",
    meaning="It was reconciled together with other documents.", says="payment 12 is reconciled together with other documents",
)
TAX_CODES = RemedyRow(
    Code.TOTALS_DISAGREE, "Tryton reckons taxes itself: give the lines their tax_code.", Who.ADMIN,
    says="the lines are of 100, the document is of 120",
)
ADDRESS = RemedyRow(
    Code.NOT_REACHED, "Check the url: the address of the server without the database.",
    says="no Tryton server answers there (HTTP 404)",
)
COMPANIES = RemedyRow(
    Code.PERMISSION_MISSING, "Add the company to the user's companies in Tryton.", says="the user may not work for company 2",
)
OVERPAY = RemedyRow(
    Code.OVERPAID, "Set overpay=True to leave the rest as the customer's credit.", Who.ADMIN,
    meaning="More was paid than is owed; the payment was not made.", says="60.00 is paid, 50.00 is owed",
)
ON_ACCOUNT = RemedyRow(
    Code.NOT_ALLOWED, "Set overpay=True to leave the rest as the customer's credit.", Who.ADMIN,
    meaning="Money is put to no invoice.", says="Tryton pays invoices, and 60.00 of it are put to none.",
)
HOME_CURRENCY = RemedyRow(
    Code.CURRENCY_DIFFERS, "Put it to an invoice; or record it in Tryton by hand, and ignore this.",
    meaning="Money on account is kept in the currency of the books.", says="the books are in USD, and it is put to no invoice.",
)
AS_A_WHOLE = RemedyRow(
    Code.NOT_ALLOWED, "Tryton applies a credit note as a whole: split it there by hand.",
    meaning="Only a part of the credit note is to be applied.", says="20.00 is to be applied, 50.00 of it is left",
)
FINDINGS = (UNDO_FIRST, BY_HAND, TAX_CODES, ADDRESS, COMPANIES, OVERPAY, ON_ACCOUNT, HOME_CURRENCY, AS_A_WHOLE)
"""What is found wrong without an error of Tryton's."""
# fmt: on
