"""
What the fake QuickBooks answers with: objects, faults in their two dialects, JSON and XML.

Shows what the books hold and decides nothing.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tieout.testing.fakes.quickbooks_books import Books, Row, lines_of
from tieout.testing.fakes.quickbooks_fields import (
    ACCOUNT,
    CREDIT_MEMO,
    CUSTOMER,
    INVOICE,
    ITEM,
    PAYMENT,
    PLACES,
    ZERO,
    Refusal,
    plain,
)
from tieout.wire import Response, write_json

PACIFIC = ZoneInfo("America/Los_Angeles")
"""Stamps are told at the vendor's place, wherever the company is."""

MESSAGES: Mapping[str, str] = {
    "120": "Authorization Failure",
    "500": "Unsupported Operation",
    "610": "Object Not Found",
    "620": "TxnID Cannot Be Linked",
    "2010": "Request has invalid or unsupported property",
    "2020": "Required param missing, need to supply the required value for the API",
    "2050": "String length specified does not match the supported length",
    "2080": "Invalid Number",
    "2170": "Invalid Enumeration",
    "2210": "Email Address does not conform to the syntax rules of RFC 822",
    "2500": "Invalid Reference Id",
    "4000": "Error parsing query",
    "4001": "Invalid query",
    "5010": "Stale Object Error",
    "6000": "A business validation error has occurred while processing your request",
    "6070": "Amount calculation incorrect in the request",
    "6080": "No Name Provided",
    "6140": "Duplicate Document Number Error",
    "6190": "Invalid Company Status",
    "6210": "Account Period Closed",
    "6240": "Duplicate Name Exists Error",
    "6250": "Invalid Customer",
    "6540": "Deposited Transaction cannot be changed",
    "6560": "CustomerRef is missing in the request",
}
PLAIN_DETAIL = frozenset({"4000", "4001", "6000"})
"""Codes whose detail does not begin with the message."""
AUTHORIZATION = "120"

_REFERS: Mapping[str, str] = {
    "CustomerRef": CUSTOMER,
    "ParentRef": CUSTOMER,
    "ItemRef": ITEM,
    "DepositToAccountRef": ACCOUNT,
}
_ATTRIBUTES = frozenset(
    {"type", "code", "element", "domain", "sparse", "status", "time", "bId"}
    | {"startPosition", "maxResults", "totalCount"}
)
"""What XML writes as attributes."""


def stamp(at: datetime, *, milliseconds: bool = False) -> str:
    """An instant as the vendor writes it: with the Pacific offset, not in UTC."""
    timespec = "milliseconds" if milliseconds else "seconds"
    return at.astimezone(PACIFIC).isoformat(timespec=timespec)


# Objects ---------------------------------------------------------------------------------


def shape(books: Books, row: Row) -> dict[str, Any]:
    """An object in full."""
    if row.is_deleted:
        return {**tombstone(row), "MetaData": {"LastUpdatedTime": stamp(row.updated)}}
    own = {
        CUSTOMER: _customer,
        INVOICE: _invoice,
        CREDIT_MEMO: _credit_memo,
        PAYMENT: _payment,
    }.get(row.kind, _other)
    return {**_common(books, row), **own(books, row)}


def tombstone(row: Row) -> dict[str, Any]:
    """All that is left of a deleted object."""
    return {"domain": "QBO", "status": "Deleted", "Id": row.id}


def _common(books: Books, row: Row) -> dict[str, Any]:
    return {
        **{name: _named(books, name, value) for name, value in row.fields.items()},
        "domain": "QBO",
        "sparse": False,
        "Id": row.id,
        "SyncToken": str(row.version),
        "MetaData": {
            "CreateTime": stamp(row.created),
            "LastUpdatedTime": stamp(row.updated),
        },
    }


def _named(books: Books, name: str, value: Any) -> Any:
    """A value with what it refers to called by its name, however deep."""
    if isinstance(value, list):
        return [_named(books, "", each) for each in value]
    if not isinstance(value, Mapping):
        return plain(value) if isinstance(value, Decimal) else value
    if name in _REFERS:
        row = books.rows[_REFERS[name]].get(str(value.get("value", "")))
        return {"value": row.id, "name": books.name_of(row)} if row else dict(value)
    return {key: _named(books, key, each) for key, each in value.items()}


def _money(books: Books, row: Row, **amounts: Decimal) -> dict[str, Any]:
    """Amounts, and what only a company with several currencies is told."""
    told: dict[str, Any] = {name: plain(amount) for name, amount in amounts.items()}
    if not books.multi_currency:
        return told
    rate = row.fields.get("ExchangeRate", Decimal(1))
    places = PLACES.get(books.home_currency, 2)
    for name, home in (("TotalAmt", "HomeTotalAmt"), ("Balance", "HomeBalance")):
        if name in amounts and row.kind in {INVOICE, CREDIT_MEMO}:
            told[home] = plain(round(amounts[name] * rate, places))
    return {**told, "ExchangeRate": plain(rate)}


def _customer(books: Books, row: Row) -> dict[str, Any]:
    names = [books.rows[CUSTOMER][key] for key in reversed(books.lineage(row.id))]
    return {
        "DisplayName": books.name_of(row),
        "FullyQualifiedName": ":".join(map(books.name_of, names)),
        "Job": len(names) > 1,
        "Level": len(names) - 1,
        "Balance": plain(books.customer_balance(row)),
        "BalanceWithJobs": plain(books.customer_balance(row, with_jobs=True)),
    }


def _form_lines(books: Books, row: Row) -> list[dict[str, Any]]:
    lines = [_named(books, "", line) for line in row.fields["Line"]]
    for position, line in enumerate(lines, 1):
        line["LineNum"] = position
    discounts = [x for x in lines if x["DetailType"] == "DiscountLineDetail"]
    amounts = (x.get("Amount", ZERO) for x in lines if x not in discounts)
    subtotal = {
        "Amount": plain(sum(amounts, ZERO)),
        "DetailType": "SubTotalLineDetail",
        "SubTotalLineDetail": {},
    }
    return [*(x for x in lines if x not in discounts), subtotal, *discounts]


def _invoice(books: Books, row: Row) -> dict[str, Any]:
    payments = books.payments_of(row)
    return {
        "Line": _form_lines(books, row),
        # A credit memo that settled it never shows: only the payment of 0 does.
        "LinkedTxn": [{"TxnId": each.id, "TxnType": PAYMENT} for each in payments],
        "EmailStatus": row.fields.get("EmailStatus", "NotSet"),
        "PrintStatus": row.fields.get("PrintStatus", "NeedToPrint"),
        "TxnTaxDetail": _tax(books, row),
        **_money(books, row, TotalAmt=row.total, Balance=books.balance(row)),
    }


def _tax(books: Books, row: Row) -> Any:
    return _named(books, "", row.fields.get("TxnTaxDetail", {"TotalTax": ZERO}))


def _credit_memo(books: Books, row: Row) -> dict[str, Any]:
    left = books.balance(row)
    amounts = {"TotalAmt": row.total, "Balance": left, "RemainingCredit": left}
    return {
        "Line": _form_lines(books, row),
        "TxnTaxDetail": _tax(books, row),
        **_money(books, row, **amounts),
    }


def _payment(books: Books, row: Row) -> dict[str, Any]:
    lines: list[dict[str, Any]] = lines_of(row)
    for line, link in zip(lines, row.links, strict=True):
        target = books.rows[link.kind][link.id]
        line["Amount"] = plain(link.amount)
        values = {
            "txnId": link.id,
            "txnOpenBalance": str(plain(books.balance(target) + link.amount)),
            "txnReferenceNumber": target.fields.get("DocNumber"),
        }
        line["LineEx"] = {
            "any": [
                {
                    "name": "{http://schema.intuit.com/finance/v3}NameValue",
                    "value": {"Name": name, "Value": value},
                }
                for name, value in values.items()
                if value is not None
            ]
        }
    linked = [{"TxnId": row.deposit, "TxnType": "Deposit"}] if row.deposit else []
    amounts = {"TotalAmt": row.total, "UnappliedAmt": books.balance(row)}
    return {
        "Line": lines,
        "LinkedTxn": linked,
        "ProcessPayment": False,
        **_money(books, row, **amounts),
    }


def _other(books: Books, row: Row) -> dict[str, Any]:
    if row.kind in {ITEM, ACCOUNT}:
        return {"FullyQualifiedName": row.fields["Name"]}
    return _money(books, row, TotalAmt=row.total)


# The company -------------------------------------------------------------------------------


def company_info(
    books: Books, facts: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    """CompanyInfo: who the company is."""
    return {
        **facts,
        "DefaultTimeZone": books.zone.key,
        "SupportedLanguages": "en",
        **_singleton(at),
    }


def preferences(books: Books, at: datetime) -> dict[str, Any]:
    """Preferences: what bears on documents, currencies and closed periods."""
    accounting: dict[str, Any] = {"CustomerTerminology": "Customers"}
    if books.closed_through is not None:
        accounting["BookCloseDate"] = books.closed_through.isoformat()
    return {
        "AccountingInfoPrefs": accounting,
        "SalesFormsPrefs": {
            "CustomTxnNumbers": books.custom_numbers,
            "AllowDeposit": True,
            books.ways.auto_apply_name: books.auto_apply_credit,
        },
        "CurrencyPrefs": {
            "MultiCurrencyEnabled": books.multi_currency,
            "HomeCurrency": {"value": books.home_currency},
        },
        **_singleton(at),
    }


def _singleton(at: datetime) -> dict[str, Any]:
    times = {"CreateTime": stamp(at), "LastUpdatedTime": stamp(at)}
    own = {"domain": "QBO", "sparse": False, "Id": "1", "SyncToken": "0"}
    return {**own, "MetaData": times}


# Faults -------------------------------------------------------------------------------------


def fault(refused: Refusal) -> dict[str, Any]:
    """A refusal in the dialect of the business, without its frame."""
    message = MESSAGES[refused.code]
    detail = refused.detail or message
    if refused.code not in PLAIN_DETAIL and refused.detail:
        detail = f"{message} : {refused.detail}"
    error = {
        "Message": message,
        "Detail": detail,
        "code": refused.code,
        "element": refused.element,
    }
    is_rights = refused.code == AUTHORIZATION
    return {
        "Error": [error],
        "type": "AuthorizationFault" if is_rights else "ValidationFault",
    }


def gateway_fault(
    status: int, code: str, words: str, kind: str, *, detail: str = ""
) -> dict[str, Any]:
    """A refusal in the dialect of the gateway, without its frame."""
    message = f"message={words}; errorCode={code:0>6}; statusCode={status}"
    error = {"message": message, "detail": detail or words, "code": code}
    return {"error": [{**error, "element": None}], "type": kind}


# Bodies --------------------------------------------------------------------------------------


def answer(status: int, content: Mapping[str, Any], *, as_xml: bool) -> Response:
    """A reply: JSON where it was asked for, else XML, which is the vendor's default."""
    if not as_xml:
        kind, body = "application/json;charset=UTF-8", write_json(content)
    else:
        kind, body = "application/xml;charset=UTF-8", _document(content)
    return Response(status, (("Content-Type", kind),), body)


def framed_gateway_fault(
    told: Mapping[str, Any], at: datetime, *, as_xml: bool
) -> dict[str, Any]:
    """The gateway's frame: lower case and epoch milliseconds; as XML it is the other one."""
    if not as_xml:
        frame = {"warnings": None, "fault": told, "queryResponse": None}
        time = int(at.timestamp() * 1000)
        return {**frame, "batchItemResponse": [], "time": time}
    error = told["error"][0]
    names = {"message": "Message", "detail": "Detail", "code": "code"}
    shown = {name: error[old] for old, name in names.items()}
    return {"Fault": {"Error": [shown], "type": told["type"]}, "time": stamp(at)}


def _document(content: Mapping[str, Any]) -> bytes:
    schema = 'xmlns="http://schema.intuit.com/finance/v3"'
    inner = "".join(_element("IntuitResponse", content))
    tagged = inner.replace("<IntuitResponse", f"<IntuitResponse {schema}", 1)
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    return f"{head}{tagged}".encode()


def _element(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _element(name, each)
    elif isinstance(value, Mapping):
        own = {key: value[key] for key in value if key in _ATTRIBUTES}
        shown = "".join(f' {key}="{html.escape(_text(x))}"' for key, x in own.items())
        yield f"<{name}{shown}>"
        for key in value:
            if key not in own:
                yield from _element(key, value[key])
        yield f"</{name}>"
    else:
        yield f"<{name}>{html.escape(_text(value), quote=False)}</{name}>"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, "f") if isinstance(value, Decimal) else str(value)
