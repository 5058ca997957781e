"""
Xero's errors and what they mean: by status, text and remedy.

The texts are the vendor's own, in English; what is not here is kept word for word.
"""

from __future__ import annotations

from tieout.connector import Rule
from tieout.errors import Code
from tieout.wire import Answer

# fmt: off
_RECONNECT = "An administrator has to connect Xero again; what is queued is kept."
RULES = (
    Rule(Code.DAY_LIMIT_REACHED, 429, "day", answer=Answer.WAIT),
    Rule(Code.PERMISSION_MISSING, 401, text="AuthorizationUnsuccessful",
         remedy="Give the app the scope for what was asked, and let an administrator consent again."),
    # After the one renewal that the session tries, only a person can help.
    Rule(Code.RECONNECT_NEEDED, 401, remedy=_RECONNECT, answer=Answer.SIGN_IN),
    Rule(Code.RECONNECT_NEEDED, 403, text="AuthenticationUnsuccessful", remedy=_RECONNECT),
    Rule(Code.DUPLICATE_NUMBER, text=r"invoice # must be unique",
         remedy="Find the invoice of this number in Xero. If it is the same one, link it; otherwise renumber."),
    Rule(Code.REFUSED, text=r"not of valid status for modification|cannot be edited as it has a payment",
         remedy="Change it in Xero, or remove the payment or credit there, then retry."),
    Rule(Code.REFUSED, text=r"payment amount exceeds the amount outstanding",
         remedy="The payment is probably recorded in Xero already: delete the duplicate, or mark ours as present."),
    Rule(Code.REFUSED, text=r"payments can only be made against authorised documents",
         remedy="Approve the invoice in Xero; make it again if it was voided."),
    Rule(Code.LOCKED_PERIOD, text=r"period lock date|end of year lock date",
         remedy="Ask the adviser to unlock the period in Xero, or date the document into an open one."),
    Rule(Code.REFUSED, text=r"contact with the specified contact details has been archived",
         remedy="Restore the contact in Xero, or link the customer to the one it was merged into."),
    Rule(Code.DUPLICATE_NUMBER, text=r"contact name .*already assigned to another contact",
         remedy="Link the customer to the contact in Xero that has this name."),
    Rule(Code.REFUSED, text=r"account code .*(has been archived, or deleted|is not a valid code)",
         remedy="Correct the account mapping, or restore the account in Xero."),
    Rule(Code.REFUSED, text=r"taxtype code .*cannot be used with account code",
         remedy="Correct the tax mapping for this account."),
    Rule(Code.NOT_ALLOWED, text=r"not subscribed to currency",
         remedy="Enable multi-currency in Xero, or bill in the base currency."),
    Rule(Code.NOT_ALLOWED, text=r"reached the limit of invoices you can approve",
         remedy="Upgrade the Xero plan, or send invoices as drafts."),
    Rule(Code.REFUSED, 200, text="."),  # a failed element in an answer that says 200
)
# fmt: on
