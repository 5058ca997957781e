"""
Records, changes and facts as JSON and back, exactly.

Enumerations go by name, decimals and dates as text. What a connector put into ``carry``
lives within one run and is not written. Nothing here reads or writes a file.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin

from attrs import fields, has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from tieout.models import KINDS, Scalar

T = TypeVar("T")

_KIND_NAMES = {kind: name for name, kind in KINDS.items()}
_SCALARS: Mapping[str, Any] = {
    "decimal": Decimal,
    "date": date.fromisoformat,
    "instant": datetime.fromisoformat,
}


def dump(value: Any) -> Any:
    """A record, change or fact as plain JSON values."""
    return _CONVERTER.unstructure(value)


def load(data: Any, kind: type[T]) -> T:
    """The value that `dump` was given. Raises what cattrs raises on foreign data."""
    return _CONVERTER.structure(data, kind)


def _is_record_union(annotation: Any) -> bool:
    if get_origin(annotation) not in (Union, types.UnionType):
        return False
    parts = set(get_args(annotation)) - {type(None)}
    return len(parts) > 1 and parts <= set(_KIND_NAMES)


def _dump_record(value: Any) -> Any:
    if value is None:
        return None
    return {"kind": _KIND_NAMES[type(value)], **_CONVERTER.unstructure(value)}


def _load_record(data: Any, _: Any) -> Any:
    if data is None:
        return None
    given = {name: item for name, item in data.items() if name != "kind"}
    return _CONVERTER.structure(given, KINDS[data["kind"]])


def _dump_scalar(value: Any) -> Any:
    match value:
        case bool() | str():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"instant": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case _:
            return str(value)


def _load_scalar(data: Any, _: Any) -> Any:
    if isinstance(data, dict):
        ((name, text),) = data.items()
        return _SCALARS[name](text)
    return data


def _exactly(data: Any, kind: type[Any]) -> Any:
    # cattrs would make "None" of None, 3 of 3.7, and True of "false".
    if type(data) is not kind:
        raise TypeError(f"{kind.__name__} expected, not {type(data).__name__}")
    return data


def _texts(data: Any, _: Any) -> tuple[str, ...]:
    # A text is a sequence of texts too, and an object one of its names.
    if type(data) not in (list, tuple):
        raise TypeError(f"a list expected, not {type(data).__name__}")
    return tuple(_exactly(each, str) for each in data)


def _is_texts(annotation: Any) -> bool:
    return bool(annotation == tuple[str, ...])


def _is_kind(annotation: Any) -> bool:
    return annotation is type or get_origin(annotation) is type


def _converter() -> Converter:
    made = Converter(omit_if_default=True, forbid_extra_keys=False)
    for plain in (str, int, bool):
        made.register_structure_hook(plain, _exactly)
    made.register_structure_hook_func(_is_texts, _texts)
    made.register_unstructure_hook(Decimal, str)
    made.register_structure_hook(Decimal, lambda data, _: Decimal(data))
    made.register_unstructure_hook(date, date.isoformat)
    made.register_structure_hook(date, lambda data, _: date.fromisoformat(data))
    made.register_unstructure_hook(datetime, datetime.isoformat)
    made.register_structure_hook(datetime, lambda data, _: datetime.fromisoformat(data))
    made.register_unstructure_hook_func(_is_enum, lambda value: value.name)
    made.register_structure_hook_func(_is_enum, lambda data, kind: kind[data])
    made.register_unstructure_hook_func(_is_kind, lambda kind: kind.__name__)
    made.register_structure_hook_func(_is_kind, lambda data, _: KINDS[data])
    made.register_unstructure_hook_func(_is_record_union, _dump_record)
    made.register_structure_hook_func(_is_record_union, _load_record)
    made.register_unstructure_hook(Scalar, _dump_scalar)
    made.register_structure_hook(Scalar, _load_scalar)
    made.register_unstructure_hook_factory(
        _carries,
        lambda cls: make_dict_unstructure_fn(
            cls, made, _cattrs_omit_if_default=True, carry=override(omit=True)
        ),
    )
    made.register_structure_hook_factory(
        _carries,
        lambda cls: make_dict_structure_fn(cls, made, carry=override(omit=True)),
    )
    made.register_unstructure_hook_factory(
        _hides,
        lambda cls: make_dict_unstructure_fn(
            cls, made, _cattrs_omit_if_default=True, _cattrs_use_alias=True
        ),
    )
    made.register_structure_hook_factory(
        _hides, lambda cls: make_dict_structure_fn(cls, made, _cattrs_use_alias=True)
    )
    return made


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _carries(annotation: Any) -> bool:
    return has(annotation) and any(each.name == "carry" for each in fields(annotation))


def _hides(annotation: Any) -> bool:
    """Whether a field is shown under another name than its own."""
    return has(annotation) and any(each.name[:1] == "_" for each in fields(annotation))


_CONVERTER = _converter()
