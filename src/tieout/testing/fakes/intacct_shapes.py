"""
What the fake Sage Intacct shows: its objects, field by field, as XML.

Reads the books and changes nothing. Conditions are held against these fields by
`tieout.testing.fakes.intacct_queries`; the CSV and JSON forms are not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias
from xml.etree.ElementTree import (
    Element,
    SubElement,
)

from tieout.testing.fakes.intacct_books import DEFINITIONS, Books
from tieout.testing.fakes.intacct_records import (
    ADJUSTMENT,
    ADVANCE,
    ADVANCED,
    CASH,
    COMPLETE,
    CREDIT_MEMO,
    DISCOUNT,
    DRAFT,
    INLINE,
    INVOICE,
    NEGATIVE,
    OVERPAID,
    REVERSAL,
    VOIDED,
    Customer,
    Detail,
    Document,
    Line,
    Order,
    Payment,
    Refusal,
    cents,
    refusal,
)

NUMBER = re.compile(r"-?\d{1,14}(\.\d{1,10})?")
"""Longer numbers are no amounts."""
SCATTER, SCATTERED = 7919, 10_007
"""Two primes: without an order, rows come in one that looks like none."""

STATE_LETTERS: Mapping[str, str] = {
    "Draft": "D",
    "No Value": "N",
    "Posted": "A",
    "Selected": "S",
    "Partially Paid": "H",
    "Paid": "C",
    "Reversed": "V",
    "Reversal": "R",
}
"""What readByQuery calls a state. The sheet knows A alone."""
ORDER_LETTERS: Mapping[str, str] = {
    "Submitted": "S",
    "Approved": "A",
    "Partially Approved": "X",
    "Declined": "R",
    "Draft": "I",
    "Pending": "O",
    "Closed": "D",
    "In Progress": "G",
    "Converted": "C",
    "Partially Converted": "P",
}
ACTIVE_LETTERS: Mapping[str, str] = {"active": "T", "inactive": "F"}
ACCESS_WORDS: Mapping[str, str] = {"C": "Create", "M": "Modify", "D": "Delete"}
PAYMENT_WORDS: Mapping[str, str] = {
    DRAFT: "Draft",
    COMPLETE: "Complete",
    VOIDED: "Reversed",
    REVERSAL: "Reversal",
}
SOURCE_KEYS: Mapping[str, str] = {
    CREDIT_MEMO: "ADJUSTMENTKEY",
    INLINE: "INLINEKEY",
    ADVANCED: "ADVANCEKEY",
    OVERPAID: "OVERPAYMENTKEY",
    NEGATIVE: "NEGATIVEINVOICEKEY",
}
"""The field of ARPYMTDETAIL that names a credit of each kind."""

Get: TypeAlias = Callable[["Shapes", Any], Any]
Find: TypeAlias = Callable[[Books, str], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """One field: its type, how to read it, and what readByQuery calls its values."""

    name: str
    type: str
    get: Get
    letters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line together with the document or order it belongs to; ``place`` from 0."""

    paper: Document | Order
    line: Line
    place: int

    @property
    def recordno(self) -> int:
        """The line's own number."""
        return self.line.recordno

    @property
    def rate(self) -> Decimal:
        """The document's rate."""
        return self.paper.rate


@dataclass(frozen=True, slots=True)
class Name:
    """A thing that only has a name: an entity, a definition."""

    recordno: int
    id: str
    currency: str


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One object of the API.

    ``find`` gives the rows with a value of a field at once, ``related`` what a dot leads
    to, ``lines`` the owned lines that ``read`` shows: container, object, rows; ``keys``
    the fields that may serve as key.
    """

    name: str
    rows: Callable[[Books], Iterable[Any]]
    columns: Mapping[str, Column] = field(default_factory=dict)
    find: Mapping[str, Find] = field(default_factory=dict)
    related: Mapping[str, tuple[str, Get]] = field(default_factory=dict)
    lines: tuple[str, str, Callable[[Books, Any], Iterable[Any]]] | None = None
    keys: tuple[str, ...] = ("RECORDNO",)
    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How things are shown: what the sheet leaves open."""

    zone: tzinfo
    stamps: str
    days: str
    reversal_counts_as_paid: bool
    record_urls: frozenset[str]
    unqueryable: frozenset[str]
    custom: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks, and from where: an ``entity``, or '' for the top level."""

    user: str
    entity: str = ""


def invalid(text: str) -> Refusal:
    """A query that breaks the schema; the errorno is free text."""
    return refusal("invalidRequest", text)


def element(tag: str, text: str = "", /, *parts: Element, **attributes: str) -> Element:
    """An element with text or parts."""
    found = Element(tag, attributes)
    found.text = text or None
    found.extend(parts)
    return found


class Shapes:
    """The objects as one session sees them."""

    def __init__(self, books: Books, look: Look) -> None:
        self.books = books
        self.look = look
        self._columns: dict[str, Mapping[str, Column]] = {}

    # Fields ----------------------------------------------------------------------

    def kind(self, name: str) -> Kind:
        """The object of that name, whatever its case."""
        found = KINDS.get(name.upper())
        if found is None:
            raise refusal("Query Failed", f"Object definition {name} not found")
        return found

    def columns(self, kind: Kind, docparid: str = "") -> Mapping[str, Column]:
        """All fields; those of a definition's own only where the definition is named."""
        scope = f"{kind.name}/{docparid}" if docparid else kind.name
        if scope not in self._columns:
            columns = dict(kind.columns)
            if kind.name in self.look.record_urls:
                columns["RECORD_URL"] = Column("RECORD_URL", "TEXT", _record_url)
            for name in self.look.custom.get(scope, ()):
                columns[name] = Column(name, "TEXT", _custom(name))
            self._columns[scope] = columns
        return self._columns[scope]

    def column(
        self, kind: Kind, name: str, docparid: str = ""
    ) -> tuple[Column, Callable[[Any], Any]]:
        """A field by name, through related objects by dots; KeyError if there is none."""
        columns = self.columns(kind, docparid)
        if name in columns:
            found = columns[name]
            return found, lambda row: found.get(self, row)
        head, _, rest = name.partition(".")
        other, get = kind.related[head]
        column, inner = self.column(KINDS[other], rest)

        def reach(row: Any) -> Any:
            near = get(self, row)
            return None if near is None else inner(near)

        return column, reach

    def queryable(
        self, kind: Kind, name: str, docparid: str = ""
    ) -> tuple[Column, Callable[[Any], Any]]:
        """A field that ``query`` may name."""
        if f"{kind.name}.{name}" in self.look.unqueryable:
            text = "The following fields cannot be queried"
            raise refusal("XL03000006", f"{text}: [{kind.name.lower()}: [{name}]]")
        try:
            return self.column(kind, name, docparid)
        except KeyError:
            text = f"Field requested is not valid: {kind.name.lower()}.{name}"
            raise refusal("XL03000010", text) from None

    def text(self, value: Any) -> str:
        """A value as the reply has it."""
        match value:
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case Decimal():
                return f"{value.normalize() + 0:f}"
            case datetime():
                return value.astimezone(self.look.zone).strftime(self.look.stamps)
            case date():
                return value.strftime(self.look.days)
            case _:
                return str(value)

    def rows(
        self,
        tag: str,
        names: Iterable[str],
        kind: Kind,
        rows: Iterable[Any],
        docparid: str = "",
    ) -> list[Element]:
        """Records, with the fields that are named."""
        getters = [(name, self.column(kind, name, docparid)[1]) for name in names]
        found = []
        for row in rows:
            shown = Element(tag)
            for name, get in getters:
                SubElement(shown, name).text = self.text(get(row)) or None
            found.append(shown)
        return found

    def full(
        self, kind: Kind, row: Any, names: Iterable[str], docparid: str = ""
    ) -> Element:
        """One record as ``read`` shows it: with its lines, and contacts inside."""
        [found] = self.rows(kind.name, names, kind, [row], docparid)
        if kind.lines:
            container, inner, lines_of = kind.lines
            kind_of_lines, lines = KINDS[inner], lines_of(self.books, row)
            columns = self.columns(kind_of_lines)
            parts = self.rows(inner.lower(), columns, kind_of_lines, lines)
            found.append(element(container, "", *parts))
        if isinstance(row, Customer):
            found.extend(self._contacts(row))
        return found

    def _contacts(self, customer: Customer) -> Iterator[Element]:
        contact = self.books.contact_of(customer, "DISPLAYCONTACT")
        shown = element("DISPLAYCONTACT")
        address = Element("MAILADDRESS")
        for name in KINDS["CONTACT"].columns:
            _, get = self.column(KINDS["CONTACT"], name)
            text = self.text(get(contact)) if contact else ""
            place = address if name.startswith("MAILADDRESS.") else shown
            place.append(element(name.removeprefix("MAILADDRESS."), text))
        shown.append(address)
        yield shown
        for role in ("CONTACTINFO", "BILLTO", "SHIPTO"):
            name = customer.contacts.get(role, "")
            yield element(role, "", element("CONTACTNAME", name))
        for category, name in customer.listed:
            yield element(
                "CONTACT_LIST_INFO",
                "",
                element("CATEGORYNAME", category),
                element("CONTACT", "", element("NAME", name)),
            )

    def definition(self, kind: Kind, docparid: str) -> Element:
        """The answer of ``lookup``: what can be queried, and what a dot leads to."""
        fields = Element("Fields")
        for name, column in self.columns(kind, docparid).items():
            if f"{kind.name}.{name}" in self.look.unqueryable:
                continue
            custom = "false" if name in kind.columns else "true"
            shown = element("Field", "", element("ID", name), element("LABEL", name))
            shown.append(element("DATATYPE", column.type))
            if column.letters:
                words = [element("VALIDVALUE", word) for word in column.letters]
                shown.append(element("VALIDVALUES", "", *words))
            shown.append(element("ISCUSTOM", custom))
            fields.append(shown)
        relations = Element("Relationships")
        for path, (name, _) in kind.related.items():
            parts = (element("OBJECTPATH", path), element("OBJECTNAME", name))
            relations.append(element("Relationship", "", *parts))
        found = element("Type", "", fields, relations, Name=kind.name)
        found.set("DocumentType", docparid)
        return found

    # Who sees what -----------------------------------------------------------------

    def entity_of(self, row: Any) -> str:
        """The entity that a record belongs to; '' for the top level."""
        match row:
            case Entry():
                return row.paper.entity
            case Detail():
                return self.books.payments.rows[row.payment].entity
            case _:
                return getattr(row, "entity", "")

    def sees(self, scope: Scope, kind: Kind, row: Any, *, private: bool = True) -> bool:
        """Whether a session sees a record; from the top the private ones on demand."""
        owner = self.entity_of(row)
        if scope.entity:
            return owner == scope.entity or (kind.is_shared and not owner)
        return private or not owner

    def key(self, scope: Scope, kind: Kind, text: str) -> Any:
        """The record under a key, or None."""
        for name in kind.keys:
            for row in kind.find[name](self.books, text) if name in kind.find else ():
                if self.sees(scope, kind, row):
                    return row
        return None


# The objects ---------------------------------------------------------------------------

CUSTOMER_FIELDS = ["PARENTID", "CURRENCY", "TERMNAME", "COMMENTS", "TAXID", "CUSTTYPE"]
CUSTOMER_FLAGS = ["ONHOLD", "ONETIME"]
_ADDRESS = ("ADDRESS1", "ADDRESS2", "CITY", "STATE", "ZIP", "COUNTRY")
_PERSON = ("PRINTAS", "COMPANYNAME", "FIRSTNAME", "LASTNAME", "EMAIL1", "PHONE1")
CONTACT_FIELDS = (*_PERSON, *(f"MAILADDRESS.{name}" for name in _ADDRESS))
LINE_FIELDS = [
    "ACCOUNTNO",
    "ACCOUNTLABEL",
    "OFFSETGLACCOUNTNO",
    "ALLOCATION",
    "LOCATIONID",
    "DEPARTMENTID",
    "PROJECTID",
    "CUSTOMERID",
    "VENDORID",
    "EMPLOYEEID",
    "ITEMID",
    "CLASSID",
    "CONTRACTID",
    "WAREHOUSEID",
    "TASKID",
    "ENTRYDESCRIPTION",
    "REVRECTEMPLATE",
    "DEFERREDREVACCTNO",
]
ORDER_LINE_FIELDS = [
    "ITEMID",
    "ITEMDESC",
    "QUANTITY",
    "UNIT",
    "PRICE",
    "LOCATIONID",
    "DEPARTMENTID",
    "MEMO",
]

_OWNED = """
    INTEGER RECORDNO=recordno MEGAENTITYKEY CREATEDBY MODIFIEDBY
    TEXT MEGAENTITYID=entity MEGAENTITYNAME=entity
    TIMESTAMP WHENMODIFIED=modified
"""
_DOCUMENT = f"""{_OWNED}
    INTEGER PRBATCHKEY
    TEXT RECORDTYPE RECORDID=number STATE RAWSTATE CUSTOMERID=customer CUSTOMERNAME
    TEXT DOCNUMBER=reference DESCRIPTION=description EXTERNALID=external
    TEXT TERMNAME=term BASECURR CURRENCY=currency MODULEKEY=module PRBATCH
    TEXT BILLTOPAYTOCONTACTNAME=bill_to SHIPTORETURNTOCONTACTNAME=bill_to
    DECIMAL EXCHANGE_RATE=rate
    MONEY TOTALENTERED=total TOTALSELECTED TOTALPAID TOTALDUE=open
    DATE WHENCREATED=on WHENPOSTED=posted WHENDUE=due WHENDISCOUNT WHENPAID=paid_on
    TIMESTAMP AUWHENCREATED=created
"""
_DOCUMENT_LINE = f"""
    INTEGER RECORDNO=recordno RECORDKEY=paper.recordno LINE_NO
    TEXT {" ".join(f"{name}=line.fields:" for name in LINE_FIELDS)}
    TEXT CURRENCY=paper.currency BASECURR
    MONEY AMOUNT=line.amount TOTALPAID=line.paid
    TIMESTAMP WHENMODIFIED=paper.modified
"""
_PAYMENT = f"""{_OWNED}
    INTEGER PRBATCHKEY PARENTPAYMENTKEY=parent MULTIENTITYPYMTKEY
    TEXT RECORDTYPE=type FINANCIALENTITY=account UNDEPOSITEDACCOUNTNO=undeposited
    TEXT PRBATCH=batch STATE=state DISPLAYSTATE PAYMENTMETHOD=method
    TEXT CUSTOMERID=customer CUSTOMERNAME PAYERNAME=payer DOCNUMBER=number
    TEXT DESCRIPTION=description BASECURR CURRENCY=currency CLEARED RECORD_URL
    DECIMAL EXCHANGE_RATE=rate
    MONEY TOTALENTERED=amount TOTALPAID TOTALDUE
    DATE RECEIPTDATE=on WHENPAID=on WHENCREATED=on CLRDATE
    TIMESTAMP AUWHENCREATED=created
"""
_FIELDS: Mapping[str, str] = {
    "CUSTOMER": f"""{_OWNED}
        TEXT CUSTOMERID=id NAME=name STATUS OBJECTRESTRICTION
        TEXT {" ".join(f"{name}=fields:" for name in CUSTOMER_FIELDS)}
        BOOLEAN {" ".join(CUSTOMER_FLAGS)}
        DECIMAL TOTALDUE
        TIMESTAMP WHENCREATED=created
    """,
    "CONTACT": f"""
        INTEGER RECORDNO=recordno
        TEXT CONTACTNAME=name {" ".join(f"{name}=fields:" for name in CONTACT_FIELDS)}
        TIMESTAMP WHENCREATED=created WHENMODIFIED=modified
    """,
    INVOICE: _DOCUMENT,
    ADJUSTMENT: _DOCUMENT,
    f"{INVOICE}ITEM": _DOCUMENT_LINE,
    f"{ADJUSTMENT}ITEM": _DOCUMENT_LINE,
    "ARPYMT": _PAYMENT,
    "ARPAYMENT": _PAYMENT,
    "ARADVANCE": _PAYMENT,
    "ARPYMTDETAIL": f"""
        INTEGER RECORDNO=recordno PAYMENTKEY=payment
        INTEGER RECORDKEY ENTRYKEY POSADJKEY POSADJENTRYKEY
        INTEGER {" ".join(SOURCE_KEYS.values())}
        TEXT STATE=state CURRENCY
        MONEY {" ".join(f"{kind}AMOUNT" for kind in (CASH, DISCOUNT, *SOURCE_KEYS))}
        DATE PAYMENTDATE=on
        TIMESTAMP WHENCREATED=created WHENMODIFIED=modified
    """,
    "SODOCUMENT": f"""{_OWNED}
        INTEGER PRRECORDKEY=record
        TEXT DOCID=docid DOCNO=number DOCPARID=kind STATE=state CUSTVENDID=customer
        TEXT CUSTVENDNAME PONUMBER=reference MESSAGE=description EXTERNALID=external
        TEXT CREATEDFROM=origin BASECURR CURRENCY=currency
        DECIMAL EXCHRATE=rate
        MONEY TOTAL=total SUBTOTAL=total
        DATE WHENCREATED=on WHENDUE=due
        TIMESTAMP AUWHENCREATED=created
    """,
    # The line number counts from 0 here, and from 1 in update_sotransaction.
    "SODOCUMENTENTRY": f"""
        INTEGER RECORDNO=recordno LINE_NO=place
        TEXT DOCHDRID=paper.docid
        TEXT {" ".join(f"{name}=line.fields:" for name in ORDER_LINE_FIELDS)}
        MONEY VALUE=line.amount
    """,
    "AUDITHISTORY": """
        INTEGER ID=recordno
        TEXT OBJECTTYPE=object OBJECTKEY=key ACCESSMODE=mode SOURCE=source USERID
        TIMESTAMP ACCESSTIME=at
    """,
    "LOCATIONENTITY": """
        INTEGER RECORDNO=recordno
        TEXT LOCATIONID=id NAME=id CURRENCY=currency RECORD_URL
    """,
    "SODOCUMENTPARAMS": """
        INTEGER RECORDNO=recordno
        TEXT DOCID=id
    """,
}
"""
Fields by type. ``X=a.b`` reads an attribute, ``X=a:`` the entry X of a mapping, and a bare
``X`` what `_GETTERS` says. MONEY stands for X in the base currency and for TRX_X.
"""


def _record_url(shapes: Shapes, row: Any) -> str:
    opaque = f"{row.recordno * SCATTER:x}"
    return f"https://www.intacct.com/ia/acct/ur.phtml?.r={opaque}"


def _custom(name: str) -> Get:
    return lambda shapes, row: row.custom.get(name)


def _constant(value: Any) -> Get:
    return lambda shapes, row: value


def _customer(shapes: Shapes, row: Any) -> Customer | None:
    return shapes.books.customers.first(row.customer)


def _customer_name(shapes: Shapes, row: Any) -> str | None:
    found = _customer(shapes, row)
    return found.name if found else None


def _bill_to(shapes: Shapes, row: Any) -> Any:
    return shapes.books.contacts.first(row.bill_to)


def _paper_of(shapes: Shapes, row: Entry) -> Any:
    return row.paper


def _role(role: str) -> Get:
    return lambda shapes, row: shapes.books.contact_of(row, role)


def _flag(name: str) -> Get:
    return lambda shapes, row: row.fields.get(name) == "true"


def _state(shapes: Shapes, row: Document) -> str:
    if row.status != "Posted":
        return row.status
    if row.total == 0:
        return "No Value"
    if row.open == 0:
        return "Paid"
    if row.paid != 0:
        return "Partially Paid"
    return "Selected" if shapes.books.selected(row) else "Posted"


def _paid(shapes: Shapes, row: Document) -> Decimal:
    is_undone = row.status in {"Reversed", "Reversal"}
    counts = is_undone and shapes.look.reversal_counts_as_paid
    return row.total if counts else row.paid


def _total_due(shapes: Shapes, row: Customer) -> Decimal:
    rows = shapes.books.documents.having(("customer", INVOICE, row.id))
    open_ones = (each for each in rows if each.status == "Posted")
    return sum((cents(each.open * each.rate) for each in open_ones), Decimal(0))


def _entity_key(shapes: Shapes, row: Any) -> int | None:
    entities = shapes.books.setup.entities
    return entities.index(row.entity) + 1 if row.entity in entities else None


def _payment_of(shapes: Shapes, row: Detail) -> Payment:
    return shapes.books.payments.rows[row.payment]


def _unapplied(shapes: Shapes, row: Payment) -> Decimal:
    return shapes.books.unapplied(row)


def _detail_getters() -> dict[str, Get]:
    """A detail shows its target and its source under a name for each kind."""

    def target(name: str, *, memo: bool) -> Get:
        read = attrgetter(name)
        return lambda shapes, row: read(row.part) if row.part.is_memo == memo else None

    def of_kind(kind: str, name: str) -> Get:
        read = attrgetter(name)
        return lambda shapes, row: read(row.part) if row.part.kind == kind else None

    kinds = (CASH, DISCOUNT, *SOURCE_KEYS)
    return {
        "RECORDKEY": target("target", memo=False),
        "ENTRYKEY": target("entry", memo=False),
        "POSADJKEY": target("target", memo=True),
        "POSADJENTRYKEY": target("entry", memo=True),
        "CURRENCY": lambda shapes, row: _payment_of(shapes, row).currency,
        **{name: of_kind(kind, "source") for kind, name in SOURCE_KEYS.items()},
        **{f"{kind}AMOUNT": of_kind(kind, "amount") for kind in kinds},
    }


_DOCUMENT_GETTERS: Mapping[str, Get] = {
    "STATE": _state,
    "RAWSTATE": lambda shapes, row: STATE_LETTERS[_state(shapes, row)],
    "PRBATCH": lambda shapes, row: f"Invoices: {row.posted:%Y/%m/%d} Batch",
    "PRBATCHKEY": lambda shapes, row: row.posted.toordinal(),
    "TOTALSELECTED": lambda shapes, row: shapes.books.selected(row),
    "TOTALPAID": _paid,
}
_PAYMENT_GETTERS: Mapping[str, Get] = {
    "DISPLAYSTATE": lambda shapes, row: PAYMENT_WORDS[row.state],
    "PRBATCHKEY": lambda shapes, row: row.on.toordinal(),
    "TOTALPAID": lambda shapes, row: row.amount - _unapplied(shapes, row),
    "TOTALDUE": _unapplied,
}
_GETTERS: Mapping[str, Mapping[str, Get]] = {
    "": {
        "MEGAENTITYKEY": _entity_key,
        "CREATEDBY": _constant(1),
        "MODIFIEDBY": _constant(1),
        "CUSTOMERNAME": _customer_name,
        "CUSTVENDNAME": _customer_name,
        "BASECURR": lambda shapes, row: shapes.books.setup.base_currency,
        "WHENDISCOUNT": _constant(None),
        "CLRDATE": _constant(None),
        "MULTIENTITYPYMTKEY": _constant(None),
        "CLEARED": _constant("F"),
        "USERID": _constant("Admin"),
        "OBJECTRESTRICTION": _constant("Unrestricted"),
        "STATUS": lambda shapes, row: "active" if row.active else "inactive",
        "TOTALDUE": _total_due,
        "LINE_NO": lambda shapes, row: row.place + 1,
        "RECORD_URL": _record_url,
        **{name: _flag(name) for name in CUSTOMER_FLAGS},
    },
    INVOICE: {"RECORDTYPE": _constant("ri"), **_DOCUMENT_GETTERS},
    ADJUSTMENT: {"RECORDTYPE": _constant("ra"), **_DOCUMENT_GETTERS},
    "ARPYMT": _PAYMENT_GETTERS,
    "ARPAYMENT": _PAYMENT_GETTERS,
    "ARADVANCE": _PAYMENT_GETTERS,
    "ARPYMTDETAIL": _detail_getters(),
}
_LETTERS: Mapping[str, Mapping[str, str]] = {
    "ARINVOICE.STATE": STATE_LETTERS,
    "ARADJUSTMENT.STATE": STATE_LETTERS,
    "SODOCUMENT.STATE": ORDER_LETTERS,
    "CUSTOMER.STATUS": ACTIVE_LETTERS,
    "AUDITHISTORY.ACCESSMODE": ACCESS_WORDS,
}


def _columns(of: str) -> dict[str, Column]:
    """The fields of an object, out of its table."""
    found: dict[str, Column] = {}
    for line in filter(str.strip, _FIELDS[of].splitlines()):
        of_type, *words = line.split()
        for word in words:
            name, _, path = word.partition("=")
            letters = _LETTERS.get(f"{of}.{name}", {})
            get = _getter(of, name, path)
            if of_type == "MONEY":
                found[name] = Column(name, "DECIMAL", _based(get))
                found[f"TRX_{name}"] = Column(f"TRX_{name}", "DECIMAL", get)
            else:
                found[name] = Column(name, of_type, get, letters)
    return found


def _getter(of: str, name: str, path: str) -> Get:
    if not path:
        own = _GETTERS.get(of, {})
        return own[name] if name in own else _GETTERS[""][name]
    read = attrgetter(path.removesuffix(":"))
    if path.endswith(":"):
        return lambda shapes, row: read(row).get(name)
    return lambda shapes, row: read(row)


def _based(get: Get) -> Get:
    """An amount in the base currency, out of the one in the document's own."""

    def based(shapes: Shapes, row: Any) -> Decimal | None:
        value = get(shapes, row)
        priced = _payment_of(shapes, row) if isinstance(row, Detail) else row
        return None if value is None else cents(value * priced.rate)

    return based


def _entries_of(books: Books, paper: Document | Order) -> list[Entry]:
    return [Entry(paper, line, place) for place, line in enumerate(paper.lines)]


def _by(table: str) -> Find:
    """Rows of a table by RECORDNO."""

    def find(books: Books, text: str) -> Sequence[Any]:
        row = getattr(books, table).rows.get(_number(text))
        return [] if row is None else [row]

    return find


def _number(text: str) -> int | None:
    return int(text) if NUMBER.fullmatch(text) and "." not in text else None


def _under(table: str, *words: str) -> Find:
    """Rows of a table under a further key, the last part of which is what is asked."""

    def find(books: Books, text: str) -> Sequence[Any]:
        key = (*words, text) if words else text
        return list(getattr(books, table).having(key))

    return find


def _details_by(word: str) -> Find:
    return lambda books, text: books.details.having((word, _number(text)))


def _only(find: Find, keep: Callable[[Any], bool]) -> Find:
    return lambda books, text: [row for row in find(books, text) if keep(row)]


def _document_kinds(name: str) -> tuple[Kind, Kind]:
    """An AR document and its lines."""

    def rows(books: Books) -> list[Document]:
        return [row for row in books.documents.rows.values() if row.kind == name]

    def entries(books: Books) -> list[Entry]:
        return [each for row in rows(books) for each in _entries_of(books, row)]

    def entries_by(books: Books, text: str) -> list[Entry]:
        return [each for row in by_key(books, text) for each in _entries_of(books, row)]

    by_key = _only(_by("documents"), lambda row: row.kind == name)
    find = {
        "RECORDNO": by_key,
        "RECORDID": _under("documents", name),
        "EXTERNALID": _under("documents", "external", name),
        "CUSTOMERID": _under("documents", "customer", name),
    }
    related = {"CUSTOMER": ("CUSTOMER", _customer), "BILLTO": ("CONTACT", _bill_to)}
    lines = (f"{name}ITEMS", f"{name}ITEM", _entries_of)
    owner = {name: (name, _paper_of)}
    return (
        Kind(name, rows, find=find, related=related, lines=lines),
        Kind(f"{name}ITEM", entries, find={"RECORDKEY": entries_by}, related=owner),
    )


def _payment_kind(name: str, *types: str) -> Kind:
    def keep(row: Payment) -> bool:
        return not types or row.type in types

    return Kind(
        name,
        lambda books: [row for row in books.payments.rows.values() if keep(row)],
        find={
            "RECORDNO": _only(_by("payments"), keep),
            "CUSTOMERID": _only(_under("payments"), keep),
        },
        related={"CUSTOMER": ("CUSTOMER", _customer)},
        lines=(
            "ARPYMTDETAILS",
            "ARPYMTDETAIL",
            lambda books, row: books.details.having(("payment", row.recordno)),
        ),
    )


def _name_kind(name: str, ids: Callable[[Books], Sequence[str]]) -> Kind:
    def rows(books: Books) -> list[Name]:
        currency = books.setup.base_currency
        return [Name(at, each, currency) for at, each in enumerate(ids(books), 1)]

    return Kind(name, rows, is_shared=True)


_CUSTOMER_KIND = Kind(
    "CUSTOMER",
    lambda books: books.customers.rows.values(),
    find={"RECORDNO": _by("customers"), "CUSTOMERID": _under("customers")},
    keys=("CUSTOMERID", "RECORDNO"),
    related={
        role: ("CONTACT", _role(role))
        for role in ("DISPLAYCONTACT", "CONTACTINFO", "BILLTO", "SHIPTO")
    },
    is_shared=True,
)
_CONTACT_KIND = Kind(
    "CONTACT",
    lambda books: books.contacts.rows.values(),
    find={"RECORDNO": _by("contacts"), "CONTACTNAME": _under("contacts")},
    keys=("CONTACTNAME", "RECORDNO"),
    is_shared=True,
)
_DETAIL_KIND = Kind(
    "ARPYMTDETAIL",
    lambda books: books.details.rows.values(),
    find={
        "RECORDNO": _by("details"),
        "PAYMENTKEY": _details_by("payment"),
        "RECORDKEY": _details_by("target"),
        "POSADJKEY": _details_by("target"),
        **{name: _details_by("source") for name in SOURCE_KEYS.values()},
    },
)
_ORDER_KIND = Kind(
    "SODOCUMENT",
    lambda books: books.orders.rows.values(),
    find={"RECORDNO": _by("orders"), "DOCID": _under("orders")},
    keys=("RECORDNO", "DOCID"),
    related={
        "CUSTOMER": ("CUSTOMER", _customer),
        "ARINVOICE": (
            INVOICE,
            lambda shapes, row: shapes.books.documents.rows.get(row.record),
        ),
    },
    lines=("SODOCUMENTENTRIES", "SODOCUMENTENTRY", _entries_of),
)
_ORDER_LINE_KIND = Kind(
    "SODOCUMENTENTRY",
    lambda books: [
        each for row in books.orders.rows.values() for each in _entries_of(books, row)
    ],
)
_ACCESS_KIND = Kind(
    "AUDITHISTORY",
    lambda books: books.accesses.rows.values(),
    find={"ID": _by("accesses")},
    is_shared=True,
)

KINDS: Mapping[str, Kind] = {
    kind.name: replace(kind, columns=_columns(kind.name))
    for kind in (
        _CUSTOMER_KIND,
        _CONTACT_KIND,
        *_document_kinds(INVOICE),
        *_document_kinds(ADJUSTMENT),
        _payment_kind("ARPYMT"),
        _payment_kind("ARPAYMENT"),
        _payment_kind("ARADVANCE", ADVANCE),
        _DETAIL_KIND,
        _ORDER_KIND,
        _ORDER_LINE_KIND,
        _ACCESS_KIND,
        _name_kind("LOCATIONENTITY", lambda books: books.setup.entities),
        _name_kind("SODOCUMENTPARAMS", lambda books: list(DEFINITIONS)),
    )
}
