"""
The user's rules: which way each kind goes, and how money is to be read.

Nothing here looks at a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any, Literal, TypeAlias

from attrs import asdict, field, frozen

from tieout.errors import ConfigError, Fault
from tieout.models import KINDS, Payment, RecordType, Settlement
from tieout.money import amount


class Direction(Enum):
    """Which way a kind of record is carried."""

    OFF = "off"
    TO_BILLING = "ledger to billing"
    TO_LEDGER = "billing to ledger"
    BOTH = "both ways"

    def goes(self, *, outward: bool) -> bool:
        """Whether records go from billing to the ledger (outward), or the other way."""
        one_way = Direction.TO_LEDGER if outward else Direction.TO_BILLING
        return self in (one_way, Direction.BOTH)


@frozen
class NumberRule:
    """
    How two spellings of an invoice number are the same, as data.

    ``strip`` are characters that do not count, ``prefix`` a beginning that may be missing,
    ``pad`` the length to which digits may be filled with zeros. ``same_case`` false makes
    upper and lower case equal.

    Billing is asked for numbers, not for patterns: `spellings` are the ones that it is
    asked for. Where it may hold others (a character of ``strip`` anywhere, mixed case),
    they are not found, nor seen as a second of the same number.
    """

    strip: str = ""
    prefix: str = ""
    pad: int = 0
    same_case: bool = True

    def key(self, number: str) -> str:
        """What two equal numbers have in common."""
        kept = number
        if self.strip:
            kept = "".join(each for each in number if each not in self.strip)
        if not self.same_case:
            kept = kept.casefold()
        prefix = self.prefix if self.same_case else self.prefix.casefold()
        if prefix and kept.startswith(prefix):
            kept = kept.removeprefix(prefix)
        return (kept.lstrip("0") or "0") if self.pad and kept else kept

    def spellings(self, number: str) -> tuple[str, ...]:
        """How the other system may write a number; the number itself comes first."""
        key = self.key(number)
        padded = [key.zfill(length) for length in range(len(key), self.pad + 1)]
        found = [number, key, *padded, *(self.prefix + each for each in (key, *padded))]
        if not self.same_case:
            found += [each.upper() for each in found]
        return tuple(dict.fromkeys(found))


EXACT = NumberRule()


@frozen
class Fees:
    """
    What becomes of a convenience fee that is part of a payment.

    ``written_as``: ``"invoice"`` makes a ledger invoice of the fee, to which its part of
    the payment is applied; ``"overpayment"`` leaves that part with the customer.
    ``account``, ``item`` and ``dimensions`` are those of the fee's line, or of the
    overpayment where the ledger takes dimensions there.
    """

    written_as: Literal["invoice", "overpayment"] = "invoice"
    account: str = ""
    item: str = ""
    description: str = "Convenience fee"
    dimensions: Mapping[str, str] = field(factory=dict)


Side: TypeAlias = Literal["billing", "ledger"]


def _tolerances(value: Mapping[str, Any]) -> dict[str, Decimal]:
    return {currency: amount(limit, currency) for currency, limit in value.items()}


CUSTOMER_FIELDS = ("name", "number", "email", "active")
"""The fields of a customer that are carried, and that a side can own."""

ACCOUNTS = ("revenue", "fee")
"""What an account can be set for; tax and deposit accounts are the connector's own, since
they depend on its tax codes, currencies and payment methods."""

_CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "paid_amount": ("settled", "cash"),
    "write_off": ("open", "settle"),
    "updates": ("void_only", "update", None),
    "match_customers": ("number", "name", "number and name"),
}


@frozen
class Settings:
    """
    The rules of one pair.

    ``directions`` says which way documents go; the payment sync itself carries levels
    (`Settlement`), ledger to billing, unless it is switched off. ``paid_amount``:
    ``"settled"`` shows all that is no longer owed, ``"cash"`` only what was paid.
    ``write_off``: ``"open"`` shows a written-off part as still owed, ``"settle"`` as paid.
    ``tolerance`` is, by currency, the residue that counts as nothing. ``take_over``: a
    payment entered by hand in billing may be replaced.

    Of documents: ``updates``: ``"void_only"`` carries no change of a posted document but
    that it was voided, ``"update"`` carries changes too; where nothing is said, the latter
    for what is posted by hand and the former for all else. ``replace_payments``: a payment
    that cannot be changed there is taken back and made anew. ``match_customers``: by what
    a customer is known again. ``owners``: which side owns a field of customers that go
    both ways; the others belong to the side that made the customer. ``active_only``:
    inactive customers are not made anew, nor their invoices in billing. ``accounts``: by use
    (``revenue``, ``fee``), the ledger account of lines that name none.
    ``dimensions``: those of lines that name none; ``line_fields``: by custom field of a
    line, the dimension that it sets. ``custom``: the custom fields of a document that are
    carried, each with its name on the other side. ``fees``: what becomes of convenience
    fees; without it a payment that has one is an issue.

    Raises `ConfigError`.
    """

    directions: Mapping[RecordType, Direction] = field(factory=dict)
    paid_amount: Literal["settled", "cash"] = "settled"
    write_off: Literal["open", "settle"] = "open"
    tolerance: Mapping[str, Decimal] = field(factory=dict)
    number_rule: NumberRule = EXACT
    take_over: bool = False
    updates: Literal["void_only", "update"] | None = None
    replace_payments: bool = False
    match_customers: Literal["number", "name", "number and name"] = "number and name"
    owners: Mapping[str, Side] = field(factory=dict)
    active_only: bool = True
    accounts: Mapping[str, str] = field(factory=dict)
    dimensions: Mapping[str, str] = field(factory=dict)
    line_fields: Mapping[str, str] = field(factory=dict)
    custom: Mapping[str, str] = field(factory=dict)
    fees: Fees | None = None

    def __attrs_post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} must be one of {', '.join(filter(None, choices))}"
                )
        for kind in self.directions:
            if kind not in KINDS.values():
                raise ConfigError(f"directions: {kind!r} is no kind of record")
        try:
            checked = _tolerances(self.tolerance)
        except Fault as fault:
            raise ConfigError(f"tolerance: {fault.text}") from fault
        if any(limit < 0 for limit in checked.values()):
            raise ConfigError("tolerance: a tolerance is not negative")
        object.__setattr__(self, "tolerance", checked)
        self._check_documents()
        self._check_levels()

    def _check_documents(self) -> None:
        for name, side in self.owners.items():
            if name not in CUSTOMER_FIELDS:
                known = ", ".join(CUSTOMER_FIELDS)
                raise ConfigError(f"owners: {name!r} is none of {known}")
            if side not in ("billing", "ledger"):
                raise ConfigError(f"owners[{name!r}]: billing or ledger, not {side!r}")
        for use in self.accounts:
            if use not in ACCOUNTS:
                raise ConfigError(f"accounts: {use!r} is none of {', '.join(ACCOUNTS)}")
        if self.fees and self.fees.written_as not in ("invoice", "overpayment"):
            raise ConfigError("fees.written_as must be invoice or overpayment")

    def _check_levels(self) -> None:
        levels = self.direction(Settlement)
        if levels not in (Direction.OFF, Direction.TO_BILLING):
            raise ConfigError("payment levels go from the ledger to billing only")
        if levels is not Direction.OFF and self.direction(Payment) is not Direction.OFF:
            raise ConfigError(
                "levels and payment documents are both switched on: money must not have "
                "two representations. Set directions[Settlement] to Direction.OFF, or "
                "leave Payment out"
            )

    def direction(self, kind: RecordType) -> Direction:
        """Which way a kind goes. Levels go to billing unless payments do as documents."""
        given = self.directions.get(kind)
        if given is not None:
            return given
        return Direction.TO_BILLING if kind is Settlement else Direction.OFF

    def blank_accounts(self) -> tuple[str, ...]:
        """The account mappings that these rules need and do not give, by setting."""
        fees = self.fees
        if fees is None or fees.written_as != "invoice":
            return ()
        given = fees.account or fees.item or self.accounts.get("fee")
        return () if given else ("accounts['fee']",)

    def digest(self) -> str:
        """A short hash: the same for the same rules. A plan made under others is refused."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        canon = repr(sorted(_plain(asdict(self, recurse=True)).items()))
        return hashlib.blake2b(canon.encode(), digest_size=8).hexdigest()


def _plain(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        getattr(key, "__name__", str(key)): _plain(item)
        if isinstance(item, Mapping)
        else f"{item.normalize():f}"
        if isinstance(item, Decimal)
        else getattr(item, "name", str(item))
        for key, item in sorted(values.items(), key=lambda pair: str(pair[0]))
    }
