"""
Invoiced's errors and what they mean: by status, parameter and text.

What is not here is kept word for word.
"""

from __future__ import annotations

from collections.abc import Mapping

from tieout.connector import Rule
from tieout.errors import Code, Fault, Who
from tieout.remedies import RemedyRow
from tieout.wire import Answer, Response

PAUSE = 60.0
"""Seconds after a 429 that names none: what a public client waits."""

# fmt: off
_SIGN_IN = "Enter an API key of this business again; the sandbox has keys of its own."
_RIGHTS = "Give the API key, or the user it belongs to, the right to what is named."
_PARAMETER = "Correct the parameter that is named; it is tried again when the record changes."
_REMAP = "It was deleted, or merged into another. Link the record to the one that is there."
RULES = (
    Rule(Code.DUPLICATE_NUMBER, 400, "number", "taken|already|exists|unique|in use", says="An invoice with this number already exists (number)"),
    Rule(Code.REFUSED, 400, remedy=_PARAMETER, meaning="A parameter is missing or is not what Invoiced takes."),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_SIGN_IN, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_RIGHTS),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_REMAP, who=Who.USER, meaning="Invoiced does not know the record."),
    Rule(Code.TOO_MANY_REQUESTS, 429, remedy="Run less often.", answer=Answer.WAIT, who=Who.ADMIN),
)
LOOK = RemedyRow(
    Code.TOTALS_DISAGREE, "Look at the invoice's payments and credit notes in Invoiced, then run again.",
    meaning="What Invoiced says of an invoice's money does not fit together.", says="it is called paid, and 10.00 is owed",
)
SHARED = RemedyRow(
    Code.PAID_ON_BOTH_SIDES, "Take it off the other invoices by hand, or make the invoice's part equal.",
    meaning="The payment that would have to be changed is of several invoices.", says="payment 12 is not of this invoice alone",
)
FINDINGS = (LOOK, SHARED)
"""What is found wrong without an error of Invoiced's."""
# fmt: on


def told(response: Response) -> tuple[str, str]:
    """The parameter at fault, else the type; the text names it too."""
    try:
        body = response.json()
    except Fault:
        body = None
    if not isinstance(body, Mapping):
        return "", response.text().strip()
    name, kind = (str(body.get(each) or "") for each in ("param", "type"))
    said = str(body.get("message") or kind or response.text().strip())
    return name or kind, f"{said} ({name})" if name and name not in said else said
