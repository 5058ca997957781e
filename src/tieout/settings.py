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
from typing import Any, Literal

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


def _tolerances(value: Mapping[str, Any]) -> dict[str, Decimal]:
    return {currency: amount(limit, currency) for currency, limit in value.items()}


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "paid_amount": ("settled", "cash"),
    "write_off": ("open", "settle"),
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
    payment entered by hand in billing may be replaced. Raises `ConfigError`.
    """

    directions: Mapping[RecordType, Direction] = field(factory=dict)
    paid_amount: Literal["settled", "cash"] = "settled"
    write_off: Literal["open", "settle"] = "open"
    tolerance: Mapping[str, Decimal] = field(factory=dict)
    number_rule: NumberRule = EXACT
    take_over: bool = False

    def __attrs_post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}")
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
        self._check_levels()

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
