"""
The fields of Autotask's records, what a body may say of them, and the language of queries.

It refuses what the server refuses in one record or one query. It holds no records, knows
no rule that spans two of them, and knows nothing of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
Test: TypeAlias = Callable[[Record], bool]

OR_CONDITIONS_MAX = 500
DEPTH_MAX = 32
"""Groups within groups; nobody asks deeper, and a hostile query must not end the server."""
DIGITS_MAX = 15
YEAR_MIN = 1753
"""Where the database's own dates begin."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """
    What no source settles, each at the value that is harder on a caller.

    A refusal names its field in an object where ``error_objects``, else it is a plain
    string. An operator that is not known is passed over, as was seen on the real server,
    and so are fields that cannot be written. ``markup`` is where the invoice's XML and
    HTML stand: ``nested`` below the invoice, ``flat`` with ``?invoiceId=``, or ``both``.
    """

    error_objects: bool = False
    missing_is_null: bool = False
    """GET of an unknown id answers 200 and a null item, instead of 404."""
    unknown_user_status: int = 200
    """200 comes with an empty zone address."""
    quota_status: int = 500
    forbidden_status: int = 500
    ignore_case: bool = True
    """Texts compare as the database does by default."""
    refuse_unknown_operator: bool = False
    refuse_read_only: bool = False
    refuse_voided: bool = False
    bump_unchanged: bool = True
    """A company's change time moves although nothing changed."""
    line_total_with_tax: bool = True
    markup: str = "both"
    company_required: tuple[str, ...] = ("companyName", "companyType")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with the field it is wrong with."""

    message: str
    field: str = ""


class Refusal(Exception):
    """A request that is answered with this status and these problems."""

    def __init__(self, *problems: Problem | str, status: int = 500) -> None:
        super().__init__(*problems)
        self.status = status
        self.problems = tuple(
            Problem(each) if isinstance(each, str) else each for each in problems
        )


class Kind(Enum):
    """What a field holds."""

    WHOLE = "int"
    AMOUNT = "decimal"
    TEXT = "string"
    FLAG = "boolean"
    INSTANT = "datetime"
    DAY = "date"


TIMES = {Kind.INSTANT, Kind.DAY}


@dataclass(frozen=True, slots=True)
class Field:
    """One field; ``to`` is the path of the entity that a reference leads to."""

    kind: Kind
    length: int | None = None
    writable: bool = False
    to: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of record: its names in messages and in addresses, and its fields."""

    name: str
    path: str
    fields: Mapping[str, Field]
    methods: frozenset[str] = frozenset()
    unqueryable: frozenset[str] = frozenset()
    has_user_fields: bool = False

    def spelled(self, name: Any) -> str:
        """The name as the entity spells it; `Refusal` where it has no such field."""
        wanted = str(name).lower()
        found = next((each for each in self.fields if each.lower() == wanted), None)
        if found is None:
            raise Refusal(f"Unable to find {name} in the {self.name} Entity.")
        return found

    def queried(self, name: Any) -> str:
        """The same for a condition; `Refusal` also where the field cannot be queried."""
        if str(name).lower() in self.unqueryable:
            raise Refusal(f"{name} cannot be queried in the {self.name} Entity.")
        return self.spelled(name)


def _fields(*groups: tuple[Field, str]) -> dict[str, Field]:
    """Fields by name, the id first and the others in the order of the alphabet."""
    found = {name: field for field, names in groups for name in names.split()}
    return {name: found[name] for name in sorted(found, key=lambda n: (n != "id", n))}


_WHOLE, _AMOUNT, _TEXT = Field(Kind.WHOLE), Field(Kind.AMOUNT), Field(Kind.TEXT)
_FLAG, _INSTANT, _DAY = Field(Kind.FLAG), Field(Kind.INSTANT), Field(Kind.DAY)
_STAMP = Field(Kind.INSTANT, writable=True)


def _own(kind: Kind, length: int | None = None, to: str = "") -> Field:
    return Field(kind, length, writable=True, to=to)


INVOICE = Entity(
    "Invoice",
    "Invoices",
    _fields(
        (_WHOLE, "id batchID companyID creatorResourceID invoiceEditorTemplateID"),
        (_WHOLE, "invoiceStatus paymentTerm taxGroup voidedByResourceID"),
        (_TEXT, "comments orderNumber taxRegionName invoiceTaxMethodExternalCode"),
        (_INSTANT, "createDateTime invoiceDateTime voidedDate"),
        (_DAY, "dueDate fromDate toDate"),
        (_AMOUNT, "invoiceTotal totalTaxValue"),
        (_FLAG, "isVoided"),
        (_own(Kind.TEXT, 100), "invoiceNumber"),
        (_own(Kind.DAY), "paidDate"),
        (_STAMP, "webServiceDate"),
    ),
    methods=frozenset({"PATCH", "PUT"}),
    unqueryable=frozenset({"duedate", "taxregionid"}),
    has_user_fields=True,
)

BILLING_ITEM = Entity(
    "BillingItem",
    "BillingItems",
    _fields(
        (_WHOLE, "id invoiceID companyID billingItemType subType billingCodeID"),
        (_WHOLE, "contractID projectID ticketID taskID roleID serviceID lineItemID"),
        (_WHOLE, "serviceBundleID expenseItemID milestoneID nonBillable"),
        (_TEXT, "itemName description lineItemFullDescription"),
        (_TEXT, "lineItemGroupDescription purchaseOrderNumber"),
        (_DAY, "itemDate postedDate"),
        (_INSTANT, "postedOnTime"),
        (_AMOUNT, "quantity rate extendedPrice taxDollars totalAmount ourCost"),
        (_AMOUNT, "internalCurrencyExtendedPrice internalCurrencyRate"),
        (_AMOUNT, "internalCurrencyTaxDollars internalCurrencyTotalAmount"),
        (_STAMP, "webServiceDate"),
    ),
    methods=frozenset({"PATCH", "PUT"}),
    unqueryable=frozenset({"lineitemfulldescription", "lineitemgroupdescription"}),
)

COMPANY = Entity(
    "Company",
    "Companies",
    _fields(
        (_WHOLE, "id"),
        (_INSTANT, "createDate lastActivityDate lastTrackedModifiedDateTime"),
        (_own(Kind.TEXT, 100), "companyName"),
        (_own(Kind.TEXT, 50), "companyNumber taxID"),
        (_own(Kind.TEXT), "address1 address2 city state postalCode"),
        (_own(Kind.TEXT), "billToAddress1 billToAddress2 billToCity billToState"),
        (_own(Kind.TEXT), "billToZipCode billToAttention"),
        (_own(Kind.TEXT), "billToAdditionalAddressInformation"),
        (_own(Kind.TEXT, 25), "phone"),
        (_own(Kind.FLAG), "isActive isTaxExempt"),
        (_own(Kind.FLAG), "invoiceNonContractItemsToParentCompany"),
        (_own(Kind.WHOLE), "companyType taxRegionID invoiceTemplateID invoiceMethod"),
        (_own(Kind.WHOLE), "billToAddressToUse billToCountryID ownerResourceID"),
        (_own(Kind.WHOLE), "billToCompanyLocationID"),
        (_own(Kind.WHOLE, to="Companies"), "parentCompanyID"),
        (_own(Kind.WHOLE, to="Currencies"), "currencyID"),
    ),
    methods=frozenset({"POST", "PATCH", "PUT"}),
    has_user_fields=True,
)

CURRENCY = Entity(
    "Currency",
    "Currencies",
    _fields(
        (_WHOLE, "id"),
        (_TEXT, "name displaySymbol"),
        (_AMOUNT, "exchangeRate"),
        (_FLAG, "isActive isInternalCurrency"),
        (_INSTANT, "lastModifiedDateTime"),
    ),
)

ENTITIES = {
    entity.path.lower(): entity for entity in (INVOICE, BILLING_ITEM, COMPANY, CURRENCY)
}


# Values --------------------------------------------------------------------------

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)


def instant(text: str) -> datetime:
    """An instant in UTC, which is taken where no zone is told; `ValueError` if none."""
    if _TIME.fullmatch(text) is None:
        raise ValueError(text)
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at.year < YEAR_MIN:
        raise ValueError("SqlDateTime overflow")
    return at


def stamp(at: datetime) -> str:
    """An instant as Autotask writes it: at most milliseconds, without trailing zeros."""
    at = at.astimezone(UTC)
    parts = f".{at.microsecond // 1000:03}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%dT%H:%M:%S}{parts}Z"


def midnight(day: date) -> str:
    """A day as Autotask writes it, never shifted by a zone."""
    return f"{day:%Y-%m-%d}T00:00:00Z"


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise TypeError(value)
    number = Decimal(value)
    if not number.is_finite() or number.adjusted() >= DIGITS_MAX:
        raise ValueError(value)
    return number


def _typed(kind: Kind, value: Any) -> Any:
    """The value as the server keeps it; raises where it is nothing of that kind."""
    match kind:
        case Kind.WHOLE:
            number = _number(value)
            if number != number.to_integral_value():
                raise ValueError(value)
            return int(number)
        case Kind.AMOUNT:
            return _number(value)
        case Kind.TEXT if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
        case Kind.FLAG if isinstance(value, bool):
            return value
        case Kind.INSTANT if isinstance(value, str):
            return stamp(instant(value))
        case Kind.DAY if isinstance(value, str):
            return midnight(instant(value).date())
    raise TypeError(value)


_NOT_TYPED = (ValueError, TypeError, InvalidOperation, OverflowError)


def taken(name: str, field: Field, value: Any) -> Any:
    """A value that is written to a field, as the server keeps it; `Refusal` if wrong."""
    if value is None:
        if field.kind is Kind.FLAG:
            raise Refusal(Problem(f"{name} must be either true or false.", name))
        return None
    try:
        kept = _typed(field.kind, value)
    except _NOT_TYPED:
        message = f"Could not convert {value!r} to {field.kind.value}. Path '{name}'."
        raise Refusal(Problem(message, name)) from None
    if field.length is not None and len(kept) > field.length:
        message = f"{name} is longer than its maximum of {field.length} characters."
        raise Refusal(Problem(message, name))
    return kept


def shown(
    entity: Entity, record: Record, names: Collection[str] | None = None
) -> Record:
    """A record as it goes over the wire: all of it, or only the fields of those names."""
    row = {
        name: _double(record[name])
        for name in entity.fields
        if names is None or name in names
    }
    if entity.has_user_fields:
        given = record["userDefinedFields"]
        kept = [dict(each) for each in given if names is None or each["name"] in names]
        if names is None or kept:
            row["userDefinedFields"] = kept
    return row


def _double(value: Any) -> Any:
    """Amounts are doubles on the wire: 100.0 and 99.5, never 100.00."""
    if not isinstance(value, Decimal):
        return value
    plain = value.normalize() + 0
    return plain if plain != plain.to_integral_value() else plain.quantize(_TENTH)


_TENTH = Decimal("0.1")


def read_changes(
    entity: Entity, body: Any, unsure: Unsure, *, replacing: bool
) -> tuple[Any, Record]:
    """The id in a body and the fields that it writes; where replacing, all of them."""
    if not isinstance(body, dict):
        raise Refusal("The body must be an object.")
    given = {str(name).lower(): value for name, value in body.items()}
    changes: Record = {}
    problems: list[Problem] = []
    for name, field in entity.fields.items():
        is_given = name.lower() in given
        if not (is_given or (replacing and field.writable)) or name == "id":
            continue
        try:
            if field.writable:
                changes[name] = taken(name, field, given.get(name.lower()))
            elif unsure.refuse_read_only:
                problems.append(Problem(f"{name} is read-only.", name))
        except Refusal as refused:
            problems.extend(refused.problems)
    if problems:
        raise Refusal(*problems)
    return given.get("id"), changes


# Queries -------------------------------------------------------------------------

_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": eq,
    "noteq": ne,
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
}
_WITHIN: Mapping[str, Callable[[str, str], bool]] = {
    "beginswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
}
_EQUALITIES = {"eq", "noteq"}
_LISTED = {"in", "notin"}
_PRESENT = {"exist", "notexist"}
_GROUPS: Mapping[str, Callable[[Iterable[bool]], bool]] = {"and": all, "or": any}
OPERATORS = {*_COMPARED, *_WITHIN, *_LISTED, *_PRESENT, *_GROUPS}
_TOO_MANY = (
    "Invalid query syntax. Queries are limited to "
    f"{OR_CONDITIONS_MAX} or fewer 'OR' conditions."
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: which records, which of their fields, how many a page."""

    test: Test
    names: tuple[str, ...] | None
    size: int | None


def read_query(
    entity: Entity, body: Any, unsure: Unsure, user_fields: Collection[str] = ()
) -> Query:
    """A query from its JSON; `Refusal` where it is not understood."""
    if not isinstance(body, dict):
        raise Refusal("The query must be an object.")
    given = {str(name).lower(): value for name, value in body.items()}
    nodes = given.get("filter")
    if not isinstance(nodes, list) or not nodes:
        raise Refusal("A query needs a filter of at least one condition.")
    reading = _Reading(entity, unsure, user_fields)
    test = reading.group("and", nodes, 0)
    names = _included(entity, given.get("includefields"), user_fields)
    return Query(test, names, _size(given.get("maxrecords")))


def _included(
    entity: Entity, given: Any, user_fields: Collection[str]
) -> tuple[str, ...] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list):
        raise Refusal("IncludeFields must be an array of names.")
    return tuple(
        each if each in user_fields else entity.spelled(each)
        for each in map(str, given)
    )


def _size(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise Refusal("MaxRecords must be a whole number from 1 to 500.")
    return given


class _Reading:
    """One query being read: it makes predicates, and counts what is limited."""

    def __init__(
        self, entity: Entity, unsure: Unsure, user_fields: Collection[str]
    ) -> None:
        self._entity = entity
        self._unsure = unsure
        self._user_fields = user_fields
        self._user_fields_used: set[str] = set()
        self._alternatives = 0

    def group(self, op: str, nodes: Any, depth: int) -> Test:
        if not isinstance(nodes, list) or not nodes or depth > DEPTH_MAX:
            raise Refusal(f"The items of '{op}' cannot be read.")
        if op == "or":
            self._count(len(nodes))
        tests = [test for node in nodes if (test := self._node(node, depth))]
        if not tests:
            return _all
        joined = _GROUPS[op]
        return lambda record: joined(test(record) for test in tests)

    def _count(self, alternatives: int) -> None:
        self._alternatives += alternatives
        if self._alternatives > OR_CONDITIONS_MAX:
            raise Refusal(_TOO_MANY)

    def _node(self, node: Any, depth: int) -> Test | None:
        if not isinstance(node, dict):
            raise Refusal("A condition must be an object.")
        given = {str(name).lower(): value for name, value in node.items()}
        op = str(given.get("op", "")).lower()
        if op not in OPERATORS:
            if self._unsure.refuse_unknown_operator:
                raise Refusal(f"'{given.get('op')}' is not an operator.")
            return None
        if op in _GROUPS:
            return self.group(op, given.get("items"), depth + 1)
        read, kind, name = self._side(given)
        if op in _PRESENT:
            wanted = op == "exist"
            return lambda record: (read(record) is not None) is wanted
        return self._comparison(op, name, kind, read, given.get("value"))

    def _side(self, given: Record) -> tuple[Callable[[Record], Any], Kind, str]:
        """How the compared value is read from a record, its kind and its name."""
        name = str(given.get("field"))
        if given.get("udf") is not True:
            name = self._entity.queried(name)
            return (lambda record: record[name]), self._entity.fields[name].kind, name
        if name not in self._user_fields:
            raise Refusal(f"Unable to find {name} in the {self._entity.name} Entity.")
        self._user_fields_used.add(name)
        if len(self._user_fields_used) > 1:
            raise Refusal("A query may name only one user-defined field.")
        return (lambda record: _user_value(record, name)), Kind.TEXT, name

    def _comparison(
        self, op: str, name: str, kind: Kind, read: Callable[[Record], Any], value: Any
    ) -> Test:
        if op in _WITHIN and kind is not Kind.TEXT:
            raise Refusal(f"'{op}' is for texts; {name} is {kind.value}.")
        if kind is Kind.FLAG and op not in _EQUALITIES:
            raise Refusal(f"'{op}' is not for {name}, which is {kind.value}.")
        if op in _LISTED:
            if not isinstance(value, list) or not value:
                raise Refusal(f"'{op}' needs an array of values for {name}.")
            # Each value is one more alternative to the database.
            self._count(len(value))
            members = {self._wanted(name, kind, each) for each in value}
            wanted = op == "in"
            return self._known(kind, read, lambda held: (held in members) is wanted)
        right = self._wanted(name, kind, value)
        compare = _WITHIN[op] if op in _WITHIN else _COMPARED[op]
        return self._known(kind, read, lambda held: compare(held, right))

    def _known(
        self, kind: Kind, read: Callable[[Record], Any], test: Callable[[Any], bool]
    ) -> Test:
        """The test of what a record holds; nothing compares with null, not even noteq."""

        def passes(record: Record) -> bool:
            held = read(record)
            return held is not None and test(self._comparable(kind, held))

        return passes

    def _wanted(self, name: str, kind: Kind, value: Any) -> Any:
        # A time is not cut to its day here: only what is stored is.
        exact = Kind.INSTANT if kind is Kind.DAY else kind
        exact = Kind.AMOUNT if kind is Kind.WHOLE else exact
        try:
            return self._comparable(kind, _typed(exact, value))
        except _NOT_TYPED:
            message = f"{value!r} is no {kind.value} to compare {name} with."
            raise Refusal(Problem(message, name)) from None

    def _comparable(self, kind: Kind, value: Any) -> Any:
        if kind in TIMES:
            return instant(value)
        if kind is Kind.TEXT and self._unsure.ignore_case:
            return value.lower()
        return value


def _all(_: Record) -> bool:
    return True


def _user_value(record: Record, name: str) -> str | None:
    fields = record["userDefinedFields"]
    return next((each["value"] for each in fields if each["name"] == name), None)
