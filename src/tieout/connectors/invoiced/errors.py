"""
Invoiced's errors and what they mean: by status, parameter and text.

What is not here is kept word for word.
"""

from __future__ import annotations

from collections.abc import Mapping

from tieout.connector import Rule
from tieout.errors import Code, Fault
from tieout.wire import Answer, Response

PAUSE = 60.0
"""Seconds after a 429 that names none: what a public client waits."""

LOOK = "Look at the invoice's payments and credit notes in Invoiced, then run again."
"""What to do where what Invoiced says of an invoice's money does not fit together."""

# fmt: off
_SIGN_IN = "Enter an API key of this business again; the sandbox has keys of its own."
_RIGHTS = "Give the API key, or the user it belongs to, the right to what is named."
_PARAMETER = "Correct the parameter that is named; it is tried again when the record changes."
_REMAP = "It was deleted, or merged into another. Link the record to the one that is there."
RULES = (
    Rule(Code.DUPLICATE_NUMBER, 400, "number", "taken|already|exists|unique|in use"),
    Rule(Code.REFUSED, 400, remedy=_PARAMETER),
    Rule(Code.SIGN_IN_REFUSED, 401, remedy=_SIGN_IN, answer=Answer.SIGN_IN),
    Rule(Code.PERMISSION_MISSING, 403, remedy=_RIGHTS),
    Rule(Code.NO_SUCH_RESOURCE, 404, remedy=_REMAP),
    Rule(Code.TOO_MANY_REQUESTS, 429, remedy="Run less often.", answer=Answer.WAIT),
)
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
