"""The part of Autotask's REST API that tieout uses, after the vendor's Swagger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from described import Operation, listed, shaped

PREFIXES = ("/ATServicesRest/V1.0", "/atservicesrest/V1.0")
TEXT = {"type": "string"}
MAYBE = {"type": ["string", "null"]}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
INSTANT = {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"}
ANY = r".+"
SIGNED = {
    "ApiIntegrationCode!": ANY,
    "UserName!": ANY,
    "Secret!": ANY,
    "Content-Type": "application/json",
}

OPERATORS = [
    "eq",
    "noteq",
    "gt",
    "gte",
    "lt",
    "lte",
    "beginsWith",
    "endsWith",
    "contains",
    "exist",
    "notExist",
    "in",
    "notIn",
]
LEAF = {
    "type": "object",
    "properties": {"op": {"enum": OPERATORS}, "field": TEXT, "value": {}},
    "required": ["op", "field"],
    "additionalProperties": False,
}
GROUP = {
    "type": "object",
    "properties": {
        "op": {"enum": ["and", "or"]},
        "items": {"type": "array", "items": {"anyOf": [LEAF, {"type": "object"}]}},
    },
    "required": ["op", "items"],
    "additionalProperties": False,
}
QUERY = shaped(
    "filter",
    MaxRecords={"type": "integer", "minimum": 1, "maximum": 500},
    IncludeFields={"type": "array", "items": TEXT},
    filter={"type": "array", "items": {"anyOf": [LEAF, GROUP]}, "minItems": 1},
)
PAGES = {
    "type": "object",
    "properties": {
        "count": WHOLE,
        "requestCount": WHOLE,
        "prevPageUrl": MAYBE,
        "nextPageUrl": MAYBE,
    },
    "required": ["count", "requestCount", "prevPageUrl", "nextPageUrl"],
}


def found(item: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a query."""
    held = listed("items", item)
    held["properties"]["pageDetails"] = PAGES
    return {**held, "required": ["items", "pageDetails"]}


def row(required: str, **properties: Any) -> dict[str, Any]:
    """A record of an answer; it may hold more than is named here."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
    }


INVOICE = row(
    "id",
    id=WHOLE,
    companyID=WHOLE,
    invoiceNumber=MAYBE,
    invoiceDateTime=INSTANT,
    dueDate=INSTANT,
    invoiceTotal={"type": ["number", "null"]},
    totalTaxValue={"type": ["number", "null"]},
    isVoided={"type": ["boolean", "null"]},
    voidedDate=INSTANT,
    paidDate=INSTANT,
    webServiceDate=INSTANT,
)
COMPANY = row(
    "id",
    id=WHOLE,
    companyName=TEXT,
    companyNumber=MAYBE,
    isActive={"type": "boolean"},
    currencyID={"type": ["integer", "null"]},
)
CURRENCY = row("id name", id=WHOLE, name=TEXT)
ITEM = row("id invoiceID", id=WHOLE, invoiceID=WHOLE)
MADE = shaped("itemId", itemId=WHOLE)
PATCHED_INVOICE = shaped(
    "id",
    id=WHOLE,
    invoiceNumber={"type": "string", "maxLength": 100},
    paidDate=INSTANT,
    webServiceDate=INSTANT,
)
WRITTEN_COMPANY = {"type": "object", "properties": {"companyName": TEXT}}
THRESHOLD = row(
    "externalRequestThreshold requestThresholdTimeframe currentTimeframeRequestCount",
    externalRequestThreshold=WHOLE,
    requestThresholdTimeframe=WHOLE,
    currentTimeframeRequestCount=WHOLE,
)


def queried(item: Mapping[str, Any]) -> Operation:
    """A search whose conditions are posted."""
    return Operation({}, SIGNED, QUERY, found(item))


def further(item: Mapping[str, Any]) -> Operation:
    """The page behind one, at its own address, for the same conditions."""
    return Operation({"paging": ANY}, SIGNED, QUERY, found(item))


COUNTED = Operation(
    headers=SIGNED,
    body=QUERY,
    answer=shaped("queryCount", queryCount=WHOLE),
)
ZONE = shaped("url", zoneName=MAYBE, url=MAYBE, webUrl=MAYBE, ci=WHOLE)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/Invoices/query"): queried(INVOICE),
    ("POST", "/Companies/query"): queried(COMPANY),
    ("POST", "/Currencies/query"): queried(CURRENCY),
    ("POST", "/BillingItems/query"): queried(ITEM),
    ("GET", "/zoneInformation"): Operation({"user": ANY}, answer=ZONE),
    ("POST", "/Invoices/query/next"): further(INVOICE),
    ("POST", "/Companies/query/next"): further(COMPANY),
    ("POST", "/Invoices/query/count"): COUNTED,
    ("POST", "/Companies/query/count"): COUNTED,
    ("POST", "/Currencies/query/count"): COUNTED,
    ("PATCH", "/Invoices"): Operation(
        headers=SIGNED, body=PATCHED_INVOICE, answer=MADE
    ),
    ("POST", "/Companies"): Operation(
        headers=SIGNED, body=WRITTEN_COMPANY, answer=MADE
    ),
    ("PATCH", "/Companies"): Operation(
        headers=SIGNED, body=WRITTEN_COMPANY, answer=MADE
    ),
    ("GET", "/ThresholdInformation"): Operation(headers=SIGNED, answer=THRESHOLD),
}
FAILURE = {"anyOf": [listed("errors", {}), {"type": "object", "required": ["Message"]}]}
