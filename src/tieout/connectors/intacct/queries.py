"""
What is asked of Intacct: which fields of which object, and the conditions on them.

Only `query` is used: its fields are named one by one, its rows come by record number, and
a page begins behind the last number of the one before, so that nothing moves between two.
Nothing here sends anything or reads a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TypeAlias

from attrs import frozen

from tieout.capabilities import Changed, Dated, Open, Select
from tieout.connector import batches
from tieout.connectors.intacct.replies import Result
from tieout.connectors.intacct.xml import Element, us_date
from tieout.errors import Code, Fate, Fault

Condition: TypeAlias = Element

PAGE_MAX = 2000
"""The vendor's largest page of a query."""

IN_MAX = 1000
"""Values in one condition; the database behind it takes no longer list (unverified)."""

KEY = "RECORDNO"

BILLED = "BILLTOPAYTOCONTACTNAME"
"""The contact that an invoice went to."""


@frozen
class Source:
    """
    One list as it is asked for.

    ``stamp`` is its change time, ``dated`` its date, ``owed`` what is left of it, and
    ``where`` what makes a row one of the list. ``module`` is where the permission to read
    it is given.
    """

    object: str
    fields: str
    stamp: str = "WHENMODIFIED"
    dated: str = "WHENCREATED"
    owed: str = "TOTALDUE"
    where: tuple[Condition, ...] = ()
    module: str = "Accounts Receivable"
    order: tuple[str, ...] = (KEY,)

    @property
    def counted(self) -> bool:
        """Whether its pages are told apart by their number of rows."""
        return self.order != (KEY,)

    @property
    def names(self) -> list[str]:
        """The fields, one by one."""
        return self.fields.split()


def compare(operator: str, field: str, value: str) -> Condition:
    """A condition of one value, such as ``equalto`` or ``greaterthan``."""
    return Element(operator, [Element("field", field), Element("value", value)])


def one_of(field: str, values: Iterable[str]) -> Condition:
    """That a field has one of these values."""
    given = list(dict.fromkeys(values))
    if len(given) == 1:
        return compare("equalto", field, given[0])
    return Element(
        "in", [Element("field", field), *(Element("value", each) for each in given)]
    )


ORDER_ENTRY = "8.SO"
"""The module of a document that was made by order entry."""


def ordered() -> Condition:
    """That order entry made a document."""
    return compare("equalto", "MODULEKEY", ORDER_ENTRY)


def either(conditions: Sequence[Condition]) -> Condition:
    """Any of several conditions."""
    return conditions[0] if len(conditions) == 1 else Element("or", list(conditions))


# fmt: off
_MONEY = "CURRENCY BASECURR TRX_TOTALENTERED TRX_TOTALDUE TOTALENTERED TOTALDUE"
_DOCUMENT = f"RECORDNO RECORDID CUSTOMERID STATE DOCNUMBER MODULEKEY {_MONEY} WHENCREATED WHENMODIFIED"
_LINES = "RECORDNO RECORDKEY ENTRYDESCRIPTION ACCOUNTNO ITEMID LOCATIONID DEPARTMENTID TRX_AMOUNT AMOUNT"
_DELETED = (one_of("OBJECTTYPE", ("arinvoice", "ARINVOICE")), one_of("ACCESSMODE", "D"))
SOURCES: Mapping[str, Source] = {
    "customers": Source("CUSTOMER", "RECORDNO CUSTOMERID NAME STATUS CURRENCY DISPLAYCONTACT.EMAIL1 WHENMODIFIED"),
    "invoices": Source("ARINVOICE", f"{_DOCUMENT} WHENDUE WHENPAID"),
    "credit notes": Source("ARADJUSTMENT", _DOCUMENT),
    "payments": Source(
        "ARPYMT",
        "RECORDNO RECORDTYPE STATE PAYMENTMETHOD CUSTOMERID DOCNUMBER RECEIPTDATE WHENPAID WHENCREATED WHENMODIFIED"
        " CURRENCY BASECURR TRX_TOTALENTERED TOTALENTERED FINANCIALENTITY UNDEPOSITEDACCOUNTNO PARENTPAYMENTKEY RECORD_URL",
        dated="RECEIPTDATE",
    ),
    "details": Source(
        "ARPYMTDETAIL",
        "RECORDNO PAYMENTKEY RECORDKEY TRX_PAYMENTAMOUNT ADJUSTMENTKEY TRX_ADJUSTMENTAMOUNT INLINEKEY TRX_INLINEAMOUNT"
        " ADVANCEKEY TRX_POSTEDADVANCEAMOUNT OVERPAYMENTKEY TRX_POSTEDOVERPAYMENTAMOUNT"
        " NEGATIVEINVOICEKEY TRX_NEGATIVEINVOICEAMOUNT",
    ),
    "invoice lines": Source("ARINVOICEITEM", _LINES),
    "credit note lines": Source("ARADJUSTMENTITEM", _LINES),
    "documents": Source("SODOCUMENT", "RECORDNO DOCID PRRECORDKEY", module="Order Entry"),
    "billed": Source("ARINVOICE", f"RECORDNO {BILLED}"),
    "contacts": Source("CONTACT", "RECORDNO CONTACTNAME PRINTAS EMAIL1"),
    # History only grows, and at its end: here rows are counted.
    "deletions": Source(
        "AUDITHISTORY", "OBJECTTYPE OBJECTKEY ACCESSMODE ACCESSTIME", stamp="ACCESSTIME",
        where=_DELETED, module="Company", order=("ACCESSTIME", "OBJECTKEY"),
    ),
}
"""Every list, by what it is of. Fields are those that the vendor documents or replies
showed; one that a company lacks is taken out by its name (``OBJECT.FIELD``)."""
# fmt: on


@frozen
class Queries:
    """
    Writes the queries of one company.

    ``zone`` is that of change times, ``without`` are fields that are not asked for,
    ``extra`` those that are besides, by object. ``private``: records of entities are shown
    at the top level too.
    """

    zone: tzinfo
    without: frozenset[str] = frozenset()
    extra: Mapping[str, Sequence[str]] | None = None
    private: bool = True

    def names(self, source: Source) -> list[str]:
        """The fields that are asked for."""
        more = (self.extra or {}).get(source.object, ())
        every = dict.fromkeys([*source.names, *more])
        return [each for each in every if f"{source.object}.{each}" not in self.without]

    def query(
        self,
        source: Source,
        conditions: Sequence[Condition] = (),
        *,
        behind: str = "0",
        size: int = PAGE_MAX,
    ) -> Element:
        """One page: of those behind a record number or, in a history, behind so many."""
        begins = [] if source.counted else [compare("greaterthan", KEY, behind)]
        every = [*begins, *source.where, *conditions]
        filtered = every[0] if len(every) == 1 else Element("and", every)
        order = [
            Element("order", [Element("field", name), Element("ascending")])
            for name in source.order
        ]
        shown = [Element("options", [Element("showprivate", "true")])]
        fields = [Element("field", name) for name in self.names(source)]
        told = [
            Element("object", source.object),
            Element("select", fields),
            Element("filter", [filtered]),
            Element("orderby", order),
            *(shown if self.private else []),
            Element("pagesize", str(size)),
            *([Element("offset", behind)] if source.counted else []),
        ]
        return Element("query", told)

    def keyed(
        self,
        source: Source,
        fields: Sequence[str],
        keys: Iterable[str],
        conditions: Sequence[Condition] = (),
    ) -> list[list[Condition]]:
        """The conditions of as many queries as the keys need: any field has one of them."""
        return [
            [either([one_of(field, some) for field in fields]), *conditions]
            for some in batches(dict.fromkeys(keys), IN_MAX)
        ]

    def selected(self, source: Source, select: Select) -> list[Condition]:
        """The conditions that a selection is."""
        match select:
            case Changed(since=since):
                stamp = self.stamp(since)
                return [compare("greaterthanorequalto", source.stamp, stamp)]
            case Dated(first, last):
                return [
                    compare("greaterthanorequalto", source.dated, us_date(first)),
                    compare("lessthanorequalto", source.dated, us_date(last)),
                ]
            case Open(through):
                owed = compare("notequalto", source.owed, "0")
                until = us_date(through) if through else ""
                day = compare("lessthanorequalto", source.dated, until)
                return [owed, day] if through else [owed]
        return []

    def stamp(self, instant: datetime) -> str:
        """An instant as a condition wants it: whole seconds, so that none is left out."""
        return f"{instant.astimezone(self.zone):%m/%d/%Y %H:%M:%S}"


# From page to page ------------------------------------------------------------------

_BEHIND = re.compile(
    rf"(<greaterthan><field>{KEY}</field><value>)([0-9]+)(</value>)".encode()
)
_OFFSET = re.compile(rb"(<offset>)([0-9]+)(</offset>)")
_SIZE = re.compile(rb"<pagesize>([0-9]+)</pagesize>")
_OBJECT = re.compile(rb"<object>([\w]+)</object><select>(.*?)</select>")
_FIELD = re.compile(rb"<field>([\w.]+)</field>")
"""Of queries as they are written here; what others wrote in them is escaped."""


def after(source: Source, result: Result, behind: str, size: int) -> str | None:
    """
    Behind what the next page begins; None where this one was the last.

    `Fault` BAD_PAYLOAD for a page behind which nothing can begin.
    """
    more = len(result.rows) >= size if result.remaining is None else result.remaining
    if not result.rows or not more:
        return None
    if source.counted:
        return str(int(behind) + len(result.rows))
    told = (row.get(KEY) for row in result.rows if isinstance(row, Mapping))
    numbers = [int(key) for key in told if isinstance(key, str) and key.isdecimal()]
    if max(numbers, default=0) <= int(behind):
        text = "the rows of a page do not go on by their record number"
        raise Fault(Code.BAD_PAYLOAD, text, fate=Fate.UNCLEAR)
    return str(max(numbers))


def place(content: bytes) -> tuple[str, int]:
    """Behind what the one query of a request begins, and how many rows it asks for."""
    begun = _OFFSET.search(content) or _BEHIND.search(content)
    size = _SIZE.search(content)
    return begun[2].decode() if begun else "0", int(size[1]) if size else PAGE_MAX


def moved(content: bytes, behind: str) -> bytes:
    """The one query of a request, for its page behind this."""
    pattern = _OFFSET if _OFFSET.search(content) else _BEHIND
    return pattern.sub(rb"\g<1>" + behind.encode() + rb"\g<3>", content, count=1)


def asked_objects(content: bytes) -> dict[str, list[str]]:
    """The fields that the queries of a request ask for, by object."""
    return {
        match[1].decode(): [each.decode() for each in _FIELD.findall(match[2])]
        for match in _OBJECT.finditer(content)
    }
