"""
Automatic payment: who may be asked whether an invoice that was posted is paid by itself.

A host gives an `AutoPay`; `AutoPayRules` is one that goes by billing terms and payers.
Nothing here takes money from anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Protocol

from attrs import define, field, frozen

from tieout.errors import Severity
from tieout.models import Invoice, Ref


class AutoPayState(Enum):
    """Where a posted invoice stands with automatic payment."""

    QUEUED = "queued"
    """It will be paid by itself."""
    DISABLED = "disabled"
    """Automatic payment is not configured."""
    NO_TERMS = "no terms"
    """The invoice has no billing terms, or its payer none that match them."""
    NO_PAYER = "no payer"
    """Nobody pays for this customer automatically."""

    @property
    def light(self) -> Severity:
        """Its light: queued is green, not configured yellow, the others red."""
        return _LIGHTS[self]


_LIGHTS: Mapping[AutoPayState, Severity] = {
    AutoPayState.QUEUED: Severity.GREEN,
    AutoPayState.DISABLED: Severity.YELLOW,
    AutoPayState.NO_TERMS: Severity.RED,
    AutoPayState.NO_PAYER: Severity.RED,
}


class MethodKind(Enum):
    """What a payer pays with."""

    CARD = "card"
    BANK_ACCOUNT = "bank account"


@frozen
class AutoPayStatus:
    """The answer for one invoice; ``method`` is told for those that are queued."""

    state: AutoPayState
    method: MethodKind | None = None


class AutoPay(Protocol):
    """
    What is asked after an invoice was posted, and told when one was paid.

    Of one invoice it may be asked or told more than once: the last word counts. Where it
    raises, the invoice is left as it is and tried again in the next run.
    """

    def posted(self, invoice: Invoice) -> AutoPayStatus:
        """An invoice was posted: whether it is paid by itself from now on."""
        ...

    def paid(self, invoice: Ref) -> None:
        """An invoice of the billing side was paid: it is no longer outstanding."""
        ...


@frozen
class Payer:
    """Who pays for a customer: by what kind of method, and for which billing terms."""

    method: MethodKind
    terms: Collection[str]


@define
class AutoPayRules:
    """
    Queues an invoice whose customer has a payer with its billing terms.

    ``payers`` are by the id of the billing customer; without any, automatic payment is
    not configured. ``terms_field`` is the custom field of an invoice that holds its terms.
    """

    payers: Mapping[str, Payer] = field(factory=dict)
    terms_field: str = "terms"
    outstanding: dict[Ref, Invoice] = field(factory=dict, init=False)
    """The invoices that were queued and are not paid yet."""

    def posted(self, invoice: Invoice) -> AutoPayStatus:
        """Whether an invoice is paid by itself; one that is, is outstanding from now on."""
        status = self._status(invoice)
        if status.state is AutoPayState.QUEUED:
            self.outstanding[invoice.ref] = invoice
        return status

    def paid(self, invoice: Ref) -> None:
        """An invoice was paid: it is no longer outstanding."""
        self.outstanding.pop(invoice, None)

    def _status(self, invoice: Invoice) -> AutoPayStatus:
        terms = str(invoice.custom.get(self.terms_field, "")).strip()
        if not self.payers:
            return AutoPayStatus(AutoPayState.DISABLED)
        payer = self.payers.get(invoice.customer.id) if invoice.customer else None
        if not terms:
            return AutoPayStatus(AutoPayState.NO_TERMS)
        if payer is None:
            return AutoPayStatus(AutoPayState.NO_PAYER)
        if terms not in payer.terms:
            return AutoPayStatus(AutoPayState.NO_TERMS)
        return AutoPayStatus(AutoPayState.QUEUED, payer.method)
