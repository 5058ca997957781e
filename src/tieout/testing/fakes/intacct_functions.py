"""
The functions of the fake Sage Intacct: read from XML, carried out, answered in XML.

Signing in, transactions and what surrounds a function are `tieout.testing.fakes.intacct`'s.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element

from tieout.testing.fakes.intacct_books import Books
from tieout.testing.fakes.intacct_queries import (
    DAY,
    Question,
    Sql,
    catch_all,
    read_filter,
)
from tieout.testing.fakes.intacct_records import (
    ADJUSTMENT,
    ADVANCE,
    CASH,
    DISCOUNT,
    GENERIC,
    INVOICE,
    RECEIPT,
    ZERO,
    Customer,
    Order,
    Part,
    Problem,
    Refusal,
    cents,
    refusal,
    wrong,
)
from tieout.testing.fakes.intacct_shapes import (
    CUSTOMER_FIELDS,
    CUSTOMER_FLAGS,
    KINDS,
    LINE_FIELDS,
    NUMBER,
    ORDER_LINE_FIELDS,
    SOURCE_KEYS,
    Kind,
    Scope,
    Shapes,
    element,
    invalid,
)

PAGE_SIZE_DEFAULT = 100
RESULTS_MAX = 256
"""Listings of readByQuery that are remembered; the oldest is forgotten."""

_MONEY = "basecurr currency exchratedate exchratetype exchrate"
_HEAD = "customerid datecreated dateposted"
_ORDER_TAIL = f"""shippingmethod shipto billto supdocid externalid {_MONEY}
    vsoepricelist customfields state projectid"""
ORDER: Mapping[str, str] = {
    "create_invoice": f"""{_HEAD} datedue termname action|batchkey invoiceno ponumber
        onhold description externalid billto shipto {_MONEY} nogl supdocid
        taxsolutionid customfields invoiceitems""",
    "update_invoice": f"""{_HEAD} datedue termname action invoiceno ponumber onhold
        description payto|billto returnto|shipto {_MONEY} supdocid customfields
        updateinvoiceitems""",
    "reverse_invoice": "datereversed description",
    "delete_invoice": "",
    "create_aradjustment": f"""{_HEAD} batchkey adjustmentno action invoiceno
        description externalid {_MONEY} nogl taxsolutionid aradjustmentitems""",
    "update_aradjustment": f"""{_HEAD} adjustmentno action invoiceno description
        {_MONEY} updatearadjustmentitems""",
    "delete_aradjustment": "",
    "create_arpayment": f"""customerid paymentamount translatedamount
        batchkey|bankaccountid|undepfundsacct refid overpaylocid overpaydeptid
        datereceived paymentmethod {_MONEY} cctype authcode arpaymentitem""",
    "apply_arpayment": """arpaymentkey paymentdate batchkey memo overpaylocid
        overpaydeptid arpaymentitems""",
    "reverse_arpayment": "datereversed description nsfclosedaccount",
    "create_sotransaction": f"""transactiontype datecreated dateposted createdfrom
        customerid documentno origdocdate referenceno termname datedue message
        {_ORDER_TAIL} sotransitems subtotals""",
    "update_sotransaction": f"""datecreated dateposted referenceno termname datedue
        origdocdate message {_ORDER_TAIL} updatesotransitems updatesubtotals""",
    "delete_sotransaction": "",
}
"""The elements of the functions of the old kind, in the order that they must have."""
READS = frozenset(
    {
        "query",
        "readByQuery",
        "readMore",
        "read",
        "readByName",
        "lookup",
        "getAPISession",
    }
)
BY_OBJECT = frozenset({"create", "update"})
"""Functions that hold several objects, each of which succeeds or fails by itself."""
_ITEMS: Mapping[str, str] = {
    "create_invoice": "invoiceitems",
    "update_invoice": "updateinvoiceitems",
    "create_aradjustment": "aradjustmentitems",
    "update_aradjustment": "updatearadjustmentitems",
}
_LINE_NAMES: Mapping[str, str] = {
    "glaccountno": "ACCOUNTNO",
    "allocationid": "ALLOCATION",
    "memo": "ENTRYDESCRIPTION",
    "defrevaccount": "DEFERREDREVACCTNO",
    **{name.lower(): name for name in LINE_FIELDS},
}
_UNKEPT_OF_LINES = frozenset(
    [
        "key",
        "totalpaid",
        "totaldue",
        "revrecstartdate",
        "revrecenddate",
        "taxentries",
        "costtypeid",
    ]
)
"""Elements of a line that are allowed and not kept."""
_PAYMENT_NAMES: Mapping[str, str] = {
    "FINANCIALENTITY": "account",
    "UNDEPOSITEDACCOUNTNO": "undeposited",
    "PRBATCH": "batch",
    "PAYMENTMETHOD": "method",
    "CUSTOMERID": "customer",
    "PAYERNAME": "payer",
    "DOCNUMBER": "number",
    "DESCRIPTION": "description",
    "CURRENCY": "currency",
}
_UNKEPT_OF_PAYMENTS = frozenset(
    [
        "RECORDNO",
        "EXCH_RATE_TYPE_ID",
        "EXCH_RATE_DATE",
        "PAYMENTDATE",
        "AMOUNTOPAY",
        "AMOUNTTOPAY",
        "TRX_AMOUNTTOPAY",
        "WHENPAID",
        "BASECURR",
        "BILLTOPAYTONAME",
        "SUPDOCID",
        "OVERPAYMENTLOCATIONID",
        "OVERPAYMENTDEPARTMENTID",
    ]
)
_ORDER_STATES = frozenset({"Draft", "Pending", "Closed"})

Handler: TypeAlias = Callable[[Element, Scope], list[Element]]


@dataclass(slots=True)
class _Listing:
    """An answer of readByQuery that is being paged through."""

    kind: Kind
    names: list[str]
    rows: list[Any]
    size: int
    at: int = 0


def text(node: Element, path: str) -> str:
    """The text of an element inside, or ''."""
    return (node.findtext(path) or "").strip()


def parts_of(node: Element, path: str) -> list[Element]:
    """What stands inside an element that may be absent."""
    found = node.find(path)
    return [] if found is None else list(found)


def label(node: Element) -> str:
    """The name of a function, with its object where it has one."""
    objects = [text(node, "object")]
    if node.tag in BY_OBJECT:
        objects = [child.tag for child in node]
    return " ".join([node.tag, *(each.upper() for each in objects[:1])]).strip()


def misplaced(node: Element) -> str:
    """What stands elsewhere than the order of elements allows; '' if nothing does."""
    ranks = {
        name: rank
        for rank, names in enumerate(ORDER.get(node.tag, "").split())
        for name in names.split("|")
    }
    last = 0
    for child in node if node.tag in ORDER else ():
        rank = ranks.get(child.tag, -1)
        if rank < last:
            return f"Element '{child.tag}': This element is not expected."
        last = rank
    return ""


class Functions:
    """What a company's gateway can do, function by function."""

    def __init__(
        self, shapes: Shapes, *, query_page_max: int, legacy_page_max: int
    ) -> None:
        self._shapes = shapes
        self._books: Books = shapes.books
        self._query_page_max = query_page_max
        self._legacy_page_max = legacy_page_max
        self._listings: OrderedDict[str, _Listing] = OrderedDict()
        self._serial = 0
        self.denied: set[str] = set()
        self._handlers: Mapping[str, Handler] = {
            "query": self._query,
            "readByQuery": self._read_by_query,
            "readMore": self._read_more,
            "read": self._read,
            "readByName": self._read,
            "lookup": self._lookup,
            "create": self._create,
            "update": self._update,
            "delete": self._delete,
            "create_invoice": partial(self._create_document, INVOICE),
            "update_invoice": partial(self._update_document, INVOICE),
            "reverse_invoice": self._reverse_invoice,
            "delete_invoice": partial(self._delete_document, INVOICE),
            "create_aradjustment": partial(self._create_document, ADJUSTMENT),
            "update_aradjustment": partial(self._update_document, ADJUSTMENT),
            "delete_aradjustment": partial(self._delete_document, ADJUSTMENT),
            "create_arpayment": self._create_payment,
            "apply_arpayment": self._apply_payment,
            "reverse_arpayment": self._reverse_payment,
            "create_sotransaction": self._create_order,
            "update_sotransaction": self._update_order,
            "delete_sotransaction": self._delete_order,
        }

    def run(self, node: Element, scope: Scope) -> list[Element]:
        """Carry one function out; the parts of its result, or a `Refusal`."""
        words = label(node).split()
        for word in words:
            if word in self.denied:
                raise refusal(
                    GENERIC,
                    f"You do not have permission for API operation {words[0].upper()}"
                    f" on objects of type {words[-1].upper()}",
                )
        handler = self._handlers.get(node.tag)
        if handler is None:
            raise invalid(f"The function {node.tag} does not exist")
        if node.tag in READS or node.tag in BY_OBJECT:
            return handler(node, scope)
        try:
            with self._books.together():
                return handler(node, scope)
        except Refusal as refused:
            verb, _, noun = node.tag.partition("_")
            if verb != "create":
                raise
            raise Refusal(*refused.problems, _could_not(verb, noun)) from None

    # Reading -------------------------------------------------------------------------

    def _query(self, node: Element, scope: Scope) -> list[Element]:
        kind = self._shapes.kind(text(node, "object"))
        docparid = text(node, "docparid")
        question = Question(
            shapes=self._shapes,
            kind=kind,
            docparid=docparid,
            fold=text(node, "options/caseinsensitive") == "true",
        )
        names = [(each.text or "").strip() for each in node.findall("select/field")]
        if not names or len(names) != len(parts_of(node, "select")):
            raise invalid("select must name fields, and nothing else")
        for name in names:
            question.field(name)
        filters = parts_of(node, "filter")
        if len(filters) > 1:
            raise invalid("A filter has one condition at its top")
        found = question.rows(read_filter(filters[0]) if filters else None)
        private = text(node, "options/showprivate") == "true"
        rows = self._seen(found, kind, scope, docparid, private=private)
        for order in reversed(node.findall("orderby/order")):
            _, get = question.field(text(order, "field"))
            descending = order.find("descending") is not None
            rows.sort(key=_sort_key(get), reverse=descending)
        size = _page_size(node, self._query_page_max)
        at = _whole(text(node, "offset") or "0")
        if at is None or at < 0:
            raise invalid("offset must not be less than 0")
        page = rows[at : at + size]
        shown = self._shapes.rows(kind.name, names, kind, page, docparid)
        left = max(0, len(rows) - at - len(page))
        counts = {"totalcount": len(rows), "offset": at, "count": len(page)}
        return [_data(kind.name, shown, **counts, numremaining=left)]

    def _seen(
        self,
        rows: Iterable[Any],
        kind: Kind,
        scope: Scope,
        docparid: str,
        *,
        private: bool,
    ) -> list[Any]:
        return [
            row
            for row in rows
            if self._shapes.sees(scope, kind, row, private=private)
            and (not docparid or not isinstance(row, Order) or row.kind == docparid)
        ]

    def _read_by_query(self, node: Element, scope: Scope) -> list[Element]:
        kind = self._shapes.kind(text(node, "object"))
        docparid = text(node, "docparid")
        question = Question(
            shapes=self._shapes, kind=kind, docparid=docparid, legacy=True
        )
        names = self._fields(node, kind, docparid)
        found = question.rows(Sql(node.findtext("query") or "").condition())
        rows = self._seen(found, kind, scope, docparid, private=False)
        listing = _Listing(kind, names, rows, _page_size(node, self._legacy_page_max))
        self._serial += 1
        key = f"{self._serial:010d}WU1hh8CoA4QAAHxI9i8AAAAA5"
        self._listings[key] = listing
        if len(self._listings) > RESULTS_MAX:
            self._listings.popitem(last=False)
        return [self._page(key, listing)]

    def _fields(self, node: Element, kind: Kind, docparid: str) -> list[str]:
        asked = text(node, "fields")
        if asked in {"", "*"}:
            return list(self._shapes.columns(kind, docparid))
        names = [name.strip() for name in asked.split(",")]
        for name in names:
            try:
                self._shapes.column(kind, name, docparid)
            except KeyError:
                raise refusal(
                    f"Invalid fields list {name}", f"Invalid field {name}"
                ) from None
        return names

    def _read_more(self, node: Element, scope: Scope) -> list[Element]:
        key = text(node, "resultId")
        listing = self._listings.get(key)
        if listing is None or listing.at >= len(listing.rows):
            raise refusal("Query Failed", f"There is nothing more of {key}")
        return [self._page(key, listing)]

    def _page(self, key: str, listing: _Listing) -> Element:
        page = listing.rows[listing.at : listing.at + listing.size]
        listing.at += len(page)
        tag = listing.kind.name.lower()
        shown = self._shapes.rows(tag, listing.names, listing.kind, page)
        left = len(listing.rows) - listing.at
        counts = {"count": len(page), "totalcount": len(listing.rows)}
        found = _data(tag, shown, **counts, numremaining=left)
        found.set("resultId", key)
        return found

    def _read(self, node: Element, scope: Scope) -> list[Element]:
        kind = self._shapes.kind(text(node, "object"))
        docparid = text(node, "docparid")
        names = self._fields(node, kind, docparid)
        keys = [key.strip() for key in text(node, "keys").split(",")]
        found = [self._shapes.key(scope, kind, key) for key in keys]
        rows = [row for row in found if row is not None]
        whole = text(node, "fields") in {"", "*"}
        shown = (
            [self._shapes.full(kind, row, names, docparid) for row in rows]
            if whole
            else self._shapes.rows(kind.name, names, kind, rows, docparid)
        )
        return [_data(kind.name, shown, count=len(rows))]

    def _lookup(self, node: Element, scope: Scope) -> list[Element]:
        kind = self._shapes.kind(text(node, "object"))
        shown = self._shapes.definition(kind, text(node, "docparid"))
        return [_data("lookup", [shown], count=1)]

    # The generic functions -------------------------------------------------------------

    def _create(self, node: Element, scope: Scope) -> list[Element]:
        makers: Mapping[str, Callable[[Element, Scope], Element]] = {
            "CUSTOMER": self._new_customer,
            "CONTACT": self._new_contact,
            "ARPYMT": self._new_payment,
            "ARADVANCE": self._new_advance,
        }
        return self._each(node, scope, makers, "create")

    def _update(self, node: Element, scope: Scope) -> list[Element]:
        makers: Mapping[str, Callable[[Element, Scope], Element]] = {
            "CUSTOMER": self._changed_customer,
            "CONTACT": self._changed_contact,
            "ARPYMT": self._changed_payment,
        }
        return self._each(node, scope, makers, "update")

    def _each(
        self,
        node: Element,
        scope: Scope,
        makers: Mapping[str, Callable[[Element, Scope], Element]],
        verb: str,
    ) -> list[Element]:
        """Every object by itself: one that is refused does not take the others along."""
        done: list[Element] = []
        problems: list[Problem] = []
        for child in node:
            kind = child.tag.upper()
            try:
                if kind not in makers:
                    raise invalid(f"The object {child.tag} cannot be {verb}d")
                with self._books.together():
                    done.append(makers[kind](child, scope))
            except Refusal as refused:
                problems += (*refused.problems, _could_not(verb, kind))
        data = _data("objects", done, count=len(done))
        if problems:
            raise Refusal(*problems, data=data)
        return [data]

    def _new_customer(self, node: Element, scope: Scope) -> Element:
        values = self._customer_values(node)
        customer = self._books.save_customer({**values, "entity": scope.entity})
        return _customer_key(customer)

    def _changed_customer(self, node: Element, scope: Scope) -> Element:
        key = text(node, "CUSTOMERID") or text(node, "RECORDNO")
        before = self._known(KINDS["CUSTOMER"], key, scope)
        values = self._customer_values(node)
        return _customer_key(self._books.save_customer(values, before))

    def _customer_values(self, node: Element) -> dict[str, Any]:
        values: dict[str, Any] = {"fields": {}, "contacts": {}}
        for child in node:
            name, value = child.tag, (child.text or "").strip()
            match name:
                case "RECORDNO":
                    continue
                case "CUSTOMERID" | "NAME":
                    values["id" if name == "CUSTOMERID" else "name"] = value
                case "STATUS":
                    values["active"] = value != "inactive"
                case "DISPLAYCONTACT":
                    values["display"] = _flat(child)
                case "CONTACTINFO" | "BILLTO" | "SHIPTO":
                    values["contacts"][name] = text(child, "CONTACTNAME")
                case "CONTACT_LIST_INFO" | "CUSTOMERCONTACTS":
                    values.setdefault("listed", []).extend(_listed(child))
                case _ if name in {*CUSTOMER_FIELDS, *CUSTOMER_FLAGS}:
                    values["fields"][name] = value
                case _:
                    raise catch_all()
        parent = values["fields"].get("PARENTID")
        if parent:
            self._books.customer(parent)
        return values

    def _new_contact(self, node: Element, scope: Scope) -> Element:
        fields = _flat(node)
        name = fields.pop("CONTACTNAME", "")
        contact = self._books.save_contact(name, fields, new=True)
        return _keyed("contact", contact.recordno, CONTACTNAME=contact.name)

    def _changed_contact(self, node: Element, scope: Scope) -> Element:
        fields = _flat(node)
        key = fields.pop("CONTACTNAME", "") or fields.get("RECORDNO", "")
        before = self._known(KINDS["CONTACT"], key, scope)
        fields.pop("RECORDNO", None)
        contact = self._books.save_contact(before.name, fields)
        return _keyed("contact", contact.recordno, CONTACTNAME=contact.name)

    def _new_payment(self, node: Element, scope: Scope) -> Element:
        values, parts = self._payment_values(node, scope)
        if "on" not in values or "method" not in values or not parts:
            raise wrong("A receipt date, a payment method and details are required")
        payment = self._books.receive({"type": RECEIPT, **values}, parts)
        return _keyed("arpymt", payment.recordno)

    def _changed_payment(self, node: Element, scope: Scope) -> Element:
        before = self._known(KINDS["ARPYMT"], text(node, "RECORDNO"), scope)
        values, parts = self._payment_values(node, scope)
        has_details = node.find("ARPYMTDETAILS") is not None
        values.pop("over", None)
        values.pop("entity")
        after = self._books.change_payment(
            before, values, parts if has_details else None
        )
        return _keyed("arpymt", after.recordno)

    def _payment_values(
        self, node: Element, scope: Scope
    ) -> tuple[dict[str, Any], list[Part]]:
        values: dict[str, Any] = {"entity": scope.entity}
        parts: list[Part] = []
        for child in node:
            name, value = child.tag, (child.text or "").strip()
            match name:
                case "RECEIPTDATE":
                    values["on"] = _us_day(value)
                case "EXCHANGE_RATE":
                    values["rate"] = _decimal(value) if value else None
                case "OVERPAYMENTAMOUNT":
                    values["over"] = _decimal(value)
                case "ACTION":
                    values["draft"] = value == "Draft"
                case "ARPYMTDETAILS":
                    parts = [
                        part
                        for detail in child
                        for part in self._detail_parts(detail, scope)
                    ]
                case _ if name in _PAYMENT_NAMES:
                    values[_PAYMENT_NAMES[name]] = value
                case _ if name not in _UNKEPT_OF_PAYMENTS:
                    raise catch_all()
        if values.get("over") and not text(node, "OVERPAYMENTLOCATIONID"):
            raise wrong("An overpayment needs a location")
        return values, parts

    def _detail_parts(self, node: Element, scope: Scope) -> Iterator[Part]:
        memo, invoice = text(node, "POSADJKEY"), text(node, "RECORDKEY")
        if bool(memo) == bool(invoice):
            raise wrong("Each detail pays either an invoice or a debit memo")
        kind = KINDS[ADJUSTMENT if memo else INVOICE]
        target = self._known(kind, memo or invoice, scope).recordno
        entry = _whole(text(node, "POSADJENTRYKEY" if memo else "ENTRYKEY"))
        discount = text(node, "TRX_TOTALDISCOUNTTOAPPLY")
        if discount and text(node, "DISCOUNTDATE"):
            raise wrong("Use either a discount date or a discount amount")
        amounts = [
            (CASH, text(node, "TRX_PAYMENTAMOUNT"), None),
            (DISCOUNT, discount, None),
            *(
                (kind, text(node, f"TRX_{kind}AMOUNT"), text(node, key))
                for kind, key in SOURCE_KEYS.items()
            ),
        ]
        given = [each for each in amounts if each[1] or each[2]]
        if not given:
            raise wrong(f"Nothing is paid of the record with key {target}")
        for kind_of_money, amount, source in given:
            yield Part(
                target,
                _decimal(amount),
                kind_of_money,
                _whole(source) if source else None,
                entry,
                is_memo=bool(memo),
            )

    def _new_advance(self, node: Element, scope: Scope) -> Element:
        lines = [
            _decimal(text(each, "TRX_AMOUNT")) for each in node.iter("ARADVANCEITEM")
        ]
        head = element(
            "ARPYMT", "", *(each for each in node if each.tag != "ARADVANCEITEMS")
        )
        values, _ = self._payment_values(head, scope)
        if "on" not in values or not lines:
            raise wrong("A receipt date and at least one line are required")
        over = sum(lines, ZERO)
        payment = self._books.receive({"type": ADVANCE, **values, "over": over}, [])
        return _keyed("aradvance", payment.recordno)

    def _delete(self, node: Element, scope: Scope) -> list[Element]:
        books = self._books
        removers: Mapping[str, Callable[[Any], None]] = {
            "CUSTOMER": books.delete_customer,
            INVOICE: books.delete_document,
            ADJUSTMENT: books.delete_document,
            "ARPYMT": books.delete_payment,
        }
        kind = self._shapes.kind(text(node, "object"))
        if kind.name not in removers:
            raise invalid(f"The object {kind.name} cannot be deleted")
        for key in text(node, "keys").split(","):
            removers[kind.name](self._known(kind, key.strip(), scope))
        return []

    def _known(self, kind: Kind, key: str, scope: Scope) -> Any:
        found = self._shapes.key(scope, kind, key)
        if found is None:
            raise wrong(f"There is no {kind.name} with key '{key}'")
        return found

    # Invoices and adjustments ------------------------------------------------------------

    def _create_document(self, kind: str, node: Element, scope: Scope) -> list[Element]:
        values = self._document_values(node, scope)
        values["lines"] = [_line(each) for each in parts_of(node, _ITEMS[node.tag])]
        if "on" not in values:
            raise wrong("The date is required")
        return [_key(self._books.new_document(kind, values).recordno)]

    def _document_values(self, node: Element, scope: Scope) -> dict[str, Any]:
        """What the elements that are there say; those that are not say nothing."""
        values: dict[str, Any] = {}
        names = {
            "customerid": "customer",
            "termname": "term",
            "invoiceno": "reference" if "adjustment" in node.tag else "number",
            "adjustmentno": "number",
            "ponumber": "reference",
            "description": "description",
            "externalid": "external",
            "currency": "currency",
        }
        for child in node:
            name, value = child.tag, (child.text or "").strip()
            match name:
                case "datecreated" | "dateposted" | "datedue":
                    values[_DATES[name]] = _day(child)
                case "billto" | "payto":
                    values["bill_to"] = text(child, "contactname")
                case "action":
                    values["draft"] = value == "Draft"
                case "exchrate" if value:
                    values["rate"] = _decimal(value)
                case "customfields":
                    values["custom"] = self._custom_fields(child, node.tag)
                case _ if name in names and (value or name not in _NEVER_EMPTY):
                    values[names[name]] = value
        if text(node, "exchrate") and text(node, "exchratetype"):
            raise wrong("Use either an exchange rate or its type")
        if node.tag.startswith("create"):
            self._known(KINDS["CUSTOMER"], values.get("customer", ""), scope)
            values["entity"] = scope.entity
        return values

    def _custom_fields(self, node: Element, function: str) -> dict[str, str]:
        kind = "SODOCUMENT" if "sotransaction" in function else INVOICE
        custom = self._shapes.look.custom
        known = {
            name
            for scope in custom
            if scope.split("/")[0] == kind
            for name in custom[scope]
        }
        found = {
            text(each, "customfieldname"): text(each, "customfieldvalue")
            for each in node
        }
        if set(found) - known:
            raise wrong(f"Invalid custom field {min(set(found) - known)}")
        return found

    def _update_document(self, kind: str, node: Element, scope: Scope) -> list[Element]:
        before = self._keyed_document(kind, node, scope)
        values = self._document_values(node, scope)
        edits = [
            (_place(each), _line(each)) for each in parts_of(node, _ITEMS[node.tag])
        ]
        if edits:
            values["edits"] = edits
        return [_key(self._books.change_document(before, values).recordno)]

    def _delete_document(self, kind: str, node: Element, scope: Scope) -> list[Element]:
        document = self._keyed_document(kind, node, scope)
        self._books.delete_document(document)
        return [_key(document.recordno)]

    def _keyed_document(self, kind: str, node: Element, scope: Scope) -> Any:
        key = node.get("key", "")
        if node.get("externalkey") == "true":
            found = KINDS[kind].find["EXTERNALID"](self._books, key) if key else ()
            key = str(found[0].recordno) if found else ""
        return self._known(KINDS[kind], key, scope)

    def _reverse_invoice(self, node: Element, scope: Scope) -> list[Element]:
        document = self._keyed_document(INVOICE, node, scope)
        on, memo = _day(node.find("datereversed")), text(node, "description")
        return [_key(self._books.reverse_document(document, on, memo).recordno)]

    # Payments of the old kind --------------------------------------------------------------

    def _create_payment(self, node: Element, scope: Scope) -> list[Element]:
        customer = self._known(KINDS["CUSTOMER"], text(node, "customerid"), scope).id
        amount = cents(_decimal(text(node, "paymentamount")))
        values: dict[str, Any] = {
            "type": RECEIPT,
            "customer": customer,
            "on": _day(node.find("datereceived")),
            "method": text(node, "paymentmethod") or "Printed Check",
            "account": text(node, "bankaccountid"),
            "undeposited": text(node, "undepfundsacct"),
            "batch": text(node, "batchkey"),
            "number": text(node, "refid"),
            "currency": text(node, "currency"),
            "entity": scope.entity,
        }
        if text(node, "exchrate"):
            values["rate"] = _decimal(text(node, "exchrate"))
        parts = self._item_parts(node.findall("arpaymentitem"), scope)
        if not parts and self._books.setup.balance_forward:
            currency = values["currency"] or self._books.setup.base_currency
            parts = self._oldest_first(customer, currency, amount)
        over = amount - sum((cents(part.amount) for part in parts), ZERO)
        if over < 0:
            raise wrong("The amounts applied exceed the payment amount")
        if not parts:
            values["type"] = ADVANCE
        elif over and not (text(node, "overpaylocid") or text(node, "overpaydeptid")):
            raise wrong("An overpayment needs a location or a department")
        return [_key(self._books.receive({**values, "over": over}, parts).recordno)]

    def _item_parts(self, items: Sequence[Element], scope: Scope) -> list[Part]:
        parts = []
        for item in items:
            key = text(item, "invoicekey")
            is_memo = self._books.is_memo(_whole(key) or 0)
            target = self._known(KINDS[ADJUSTMENT if is_memo else INVOICE], key, scope)
            amount = _decimal(text(item, "amount"))
            parts.append(Part(target.recordno, amount, is_memo=is_memo))
        return parts

    def _oldest_first(
        self, customer: str, currency: str, amount: Decimal
    ) -> list[Part]:
        parts = []
        for document in self._books.oldest_open(customer, currency):
            share = min(amount, document.open)
            if share > 0:
                parts.append(Part(document.recordno, share))
                amount -= share
        return parts

    def _apply_payment(self, node: Element, scope: Scope) -> list[Element]:
        source = _whole(text(node, "arpaymentkey")) or 0
        parts = self._item_parts(node.findall("arpaymentitems/arpaymentitem"), scope)
        if not parts:
            raise wrong("There is nothing to apply to")
        payment = self._books.apply_credit(
            source,
            [(part.target, part.amount) for part in parts],
            _day(node.find("paymentdate")),
            text(node, "memo"),
        )
        return [_key(payment.recordno)]

    def _reverse_payment(self, node: Element, scope: Scope) -> list[Element]:
        payment = self._known(KINDS["ARPYMT"], node.get("key", ""), scope)
        on, memo = _day(node.find("datereversed")), text(node, "description")
        return [_key(self._books.reverse_payment(payment, on, memo).recordno)]

    # Order entry -------------------------------------------------------------------------

    def _create_order(self, node: Element, scope: Scope) -> list[Element]:
        values = self._order_values(node, scope)
        if "on" not in values:
            raise wrong("The date is required")
        items = node.findall("sotransitems/sotransitem")
        values["lines"] = [_item(each, {}) for each in items]
        order = self._books.new_order(text(node, "transactiontype"), values)
        return [_key(order.docid)]

    def _order_values(self, node: Element, scope: Scope) -> dict[str, Any]:
        values = self._document_values(node, scope)
        names = {
            "documentno": "number",
            "referenceno": "reference",
            "message": "description",
            "createdfrom": "origin",
            "state": "state",
        }
        for child in node:
            if child.tag in names and child.text:
                values[names[child.tag]] = child.text.strip()
        if values.get("state", "Pending") not in _ORDER_STATES:
            raise wrong(f"Invalid State '{values['state']}' specified.")
        values.pop("posted", None)
        return values

    def _update_order(self, node: Element, scope: Scope) -> list[Element]:
        before = self._keyed_order(node, scope)
        values = self._order_values(node, scope)
        edits = []
        for each in parts_of(node, "updatesotransitems"):
            place = _place(each)
            known: Mapping[str, str] = {}
            if place is not None and 1 <= place <= len(before.lines):
                known = before.lines[place - 1].fields
            edits.append((place, _item(each, known)))
        if edits:
            values["edits"] = edits
        return [_key(self._books.change_order(before, values).docid)]

    def _keyed_order(self, node: Element, scope: Scope) -> Order:
        key = node.get("key", "")
        if node.get("externalkey") == "true":
            found = self._books.orders.first(("external", key)) if key else None
            key = found.docid if found else ""
        order: Order = self._known(KINDS["SODOCUMENT"], key, scope)
        return order

    def _delete_order(self, node: Element, scope: Scope) -> list[Element]:
        order = self._keyed_order(node, scope)
        self._books.delete_order(order)
        return [_key(order.docid)]


_DATES: Mapping[str, str] = {
    "datecreated": "on",
    "dateposted": "posted",
    "datedue": "due",
}
_NEVER_EMPTY = frozenset({"customerid", "termname", "invoiceno", "currency"})
"""Elements that mean nothing when they are empty; the others empty their field."""


def _could_not(verb: str, noun: str) -> Problem:
    """The last error of several, which says nothing that the first does not."""
    return Problem(GENERIC, f"Could not {verb} {noun.title()} record.")


def _sort_key(get: Callable[[Any], Any]) -> Callable[[Any], tuple[bool, Any]]:
    """What has no value comes last, and first when the order is turned round."""

    def key(row: Any) -> tuple[bool, Any]:
        value = get(row)
        return (True, 0) if value is None else (False, value)

    return key


def _page_size(node: Element, most: int) -> int:
    size = _whole(text(node, "pagesize") or str(PAGE_SIZE_DEFAULT))
    if size is None or not 1 <= size <= most:
        raise invalid(f"pagesize must be between 1 and {most}")
    return size


def _data(listtype: str, rows: Iterable[Element], **counts: int) -> Element:
    attributes = {name: str(count) for name, count in counts.items()}
    return element("data", "", *rows, listtype=listtype, **attributes)


def _key(value: object) -> Element:
    return element("key", str(value))


def _keyed(tag: str, recordno: int, **names: str) -> Element:
    parts = [element(name, value) for name, value in names.items()]
    return element(tag, "", element("RECORDNO", str(recordno)), *parts)


def _customer_key(customer: Customer) -> Element:
    return _keyed("customer", customer.recordno, CUSTOMERID=customer.id)


def _flat(node: Element) -> dict[str, str]:
    """The fields of a contact, those of its address after a dot."""
    found: dict[str, str] = {}
    for child in node:
        if len(child):
            inner = _flat(child)
            found |= {f"{child.tag}.{name}": inner[name] for name in inner}
        else:
            found[child.tag] = (child.text or "").strip()
    return found


def _listed(node: Element) -> Iterator[tuple[str, str]]:
    """Entries of a contact list; an empty element has none."""
    for each in [node] if node.tag == "CONTACT_LIST_INFO" else node:
        if text(each, "CATEGORYNAME"):
            yield text(each, "CATEGORYNAME"), text(each, "CONTACT/NAME")


def _whole(value: str) -> int | None:
    return int(value) if NUMBER.fullmatch(value) and "." not in value else None


def _place(node: Element) -> int | None:
    """The line that an update means, from 1; None where it brings a new one."""
    if not node.tag.startswith("update"):
        return None
    return _whole(node.get("line_num", "")) or 0


def _decimal(value: str) -> Decimal:
    if not NUMBER.fullmatch(value):
        raise wrong(f"Invalid amount '{value}' specified.")
    return Decimal(value)


def _us_day(value: str) -> date:
    try:
        return datetime.strptime(value, DAY).date()  # noqa: DTZ007 - only the day
    except ValueError:
        raise wrong(f"Invalid date '{value}' specified.") from None


def _day(node: Element | None) -> date:
    """A day in three elements."""
    if node is None:
        raise wrong("A date is required")
    parts = [_whole(text(node, name)) for name in ("year", "month", "day")]
    try:
        return date(parts[0] or 0, parts[1] or 0, parts[2] or 0)
    except (ValueError, OverflowError):
        raise wrong("Invalid date specified.") from None


def _line(node: Element) -> dict[str, Any]:
    """A line of an invoice or adjustment; without amount it keeps the one it has."""
    fields: dict[str, str] = {}
    for child in node:
        if child.tag in _LINE_NAMES:
            fields[_LINE_NAMES[child.tag]] = (child.text or "").strip()
        elif child.tag not in {"amount", "customfields", *_UNKEPT_OF_LINES}:
            raise catch_all()
    amount = text(node, "amount")
    is_new = node.tag == "lineitem"
    if is_new and not (fields.get("ACCOUNTNO") or fields.get("ACCOUNTLABEL")):
        raise wrong("A line needs an account or an account label")
    if is_new and not amount:
        raise wrong("A line needs an amount")
    return {"amount": _decimal(amount) if amount else None, "fields": fields}


def _item(node: Element, known: Mapping[str, str]) -> dict[str, Any]:
    """A line of an order: quantity times price."""
    fields = dict(known)
    for child in node:
        if child.tag.upper() in ORDER_LINE_FIELDS:
            fields[child.tag.upper()] = (child.text or "").strip()
    if not fields.get("ITEMID"):
        raise wrong("A line needs an item")
    quantity = _decimal(fields.get("QUANTITY", "1"))
    return {"amount": quantity * _decimal(fields.get("PRICE", "0")), "fields": fields}
