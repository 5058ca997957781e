"""
Tryton's errors and what they mean: by status, type and text.

Messages are in the language of the context: the types are relied on, and English texts
where they say more. What is not here is kept word for word.
"""

from __future__ import annotations

from tieout.connector import Rule
from tieout.errors import Code
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
_GIVEN = (
    "A party's code is given once: change it in Tryton by hand, or give the customer its "
    "number back; what else was changed of it is carried then."
)
_DENIED = "not allowed to (access|search|execute)"
_LOCKED = "must (create|reopen) a period|closed period"
_BUSY = "database is locked|could not serialize|deadlock"

# fmt: off
RULES = (
    Rule(Code.BAD_PAYLOAD, text=r"^HTTP 2\d\d\b", answer=Answer.UNCLEAR),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_MODULE),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_DATABASE),
    Rule(Code.NO_SUCH_RESOURCE, 405, remedy=_DATABASE),
    Rule(Code.SERVER_ERROR, 504, remedy=_SLOW, answer=Answer.UNCLEAR),
    Rule(Code.PERMISSION_MISSING, vendor_code="lookup", remedy=_MODULE),
    Rule(Code.SIGN_IN_REFUSED, vendor_code="LoginException"),
    Rule(Code.STALE_VERSION, vendor_code="ConcurrencyException"),
    Rule(Code.PERMISSION_MISSING, None, "UserError", _DENIED, _GROUP),
    Rule(Code.NO_SUCH_RESOURCE, vendor_code="UserError", text="that don't exist"),
    Rule(Code.LOCKED_PERIOD, None, "UserError", _LOCKED, _PERIOD),
    Rule(Code.REFUSED, None, "UserError", "must set an invoice date after", _ORDER),
    Rule(Code.DUPLICATE_NUMBER, None, "UserError", "code on party must be unique", _CODE),
    Rule(Code.REFUSED, None, "UserError", 'modify the field "Code"', _GIVEN),
    Rule(Code.REFUSED, vendor_code="UserError"),
    Rule(Code.REFUSED, vendor_code="UserWarning", remedy=_CONFIRM),
    Rule(Code.SERVER_ERROR, 200, text=_BUSY, answer=Answer.UNCLEAR),
    Rule(Code.UNKNOWN_ERROR, 200, text="."),
)
# fmt: on

SIGN_IN_RULES = (Rule(Code.SIGN_IN_REFUSED, 401), Rule(Code.LOCKED_OUT, 429), *RULES)
"""While signing in, 401 is final: five wrong passwords lock the login."""
