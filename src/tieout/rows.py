"""
Rows of an answer as records: each that can be read, and an issue for each that cannot.

Pure. What a row means is its loader's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from tieout.change import Issue
from tieout.errors import Code, Fate, Fault
from tieout.fields import Fields
from tieout.models import NUMBER_MAX, R, RecordType, Ref, clean_number, visible

T = TypeVar("T")
Loaded: TypeAlias = R | Ref | tuple[R | Ref, ...] | None
"""What a row may hold: a record, several, one that is gone, or nothing of interest."""


def read_rows(
    rows: Iterable[Any],
    load: Callable[[Fields], Loaded[R]],
    *,
    kind: RecordType,
    connection: str,
    id_field: str,
    number_field: str = "",
) -> tuple[tuple[Any, ...], tuple[Issue, ...]]:
    """
    The records of a list, and an issue for each that cannot be read.

    ``load`` may return None for a row that is of no interest (another kind of document),
    and a tuple where one row holds several records.
    """
    records: list[Any] = []
    issues: list[Issue] = []
    for row in rows:
        try:
            record = load(Fields(row))
        except Fault as fault:
            issues.append(
                _unreadable(row, fault, kind, connection, id_field, number_field)
            )
        except (
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            ArithmeticError,
        ) as error:
            bad = Fault(Code.BAD_FIELD, f"could not be read ({type(error).__name__})")
            issues.append(
                _unreadable(row, bad, kind, connection, id_field, number_field)
            )
        else:
            if isinstance(record, tuple):
                records.extend(record)
            elif record is not None:
                records.append(record)
    return tuple(records), tuple(issues)


def _unreadable(
    row: Any,
    fault: Fault,
    kind: RecordType,
    connection: str,
    id_field: str,
    number_field: str,
) -> Issue:
    held = row if isinstance(row, Mapping) else {}
    identity, number = _told(held.get(id_field)), _told(held.get(number_field))
    name = "Invoice" if kind.__name__ == "Settlement" else kind.__name__
    return Issue(
        fault.code,
        Ref(connection, name, identity) if identity else None,
        numbers=(number,) if number else (),
        field=fault.field,
        text=fault.text,
        remedy=fault.remedy,
        connection=connection,
    )


def _told(value: Any) -> str:
    """An id or number for an issue, if it is one at all; short, and to be seen."""
    named = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    return visible(clean_number(str(value)[:NUMBER_MAX])) if named else ""


def enveloped(read: Callable[[], T]) -> T:
    """
    What stands around the records of an answer.

    Where that cannot be read no record is to blame: it raises `Fault` BAD_PAYLOAD.
    """
    try:
        return read()
    except Fault as fault:
        raise Fault(Code.BAD_PAYLOAD, fault.text, fate=Fate.UNCLEAR) from fault
