"""QuickBooks' rows and answers, hand-made in the shapes of its sheet, and a driver of flows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TypeVar

from tieout.connectors.quickbooks import QuickBooks
from tieout.models import Ref
from tieout.wire import Flow, Request, Response

T = TypeVar("T")

CONNECTION = "quickbooks:1234"
SINCE = datetime(2026, 3, 10, 9, 30, 15, 999, tzinfo=UTC)
SINCE_TOLD = "2026-03-10T09:30:15+00:00"
MARK = "TO-ABCDEFGHIJKLM"
TIME = "2026-03-20T05:00:00.123-07:00"


def quickbooks(**options: Any) -> QuickBooks:
    """A connector to company 1234, with an item for its lines."""
    held: dict[str, Any] = {
        "realm_id": "1234",
        "client_id": "client",
        "client_secret": "hush-hush",
        "refresh_token": "refresh-0",
        "item": "7",
    }
    return QuickBooks(**{**held, **options})


def ref(kind: str, identity: str) -> Ref:
    return Ref(CONNECTION, kind, identity)


def drive(flow: Flow[T], *answers: Response) -> tuple[list[Request], T]:
    """The requests of a flow that is given these answers, and what it returned."""
    asked: list[Request] = []
    try:
        request = next(flow)
        for answer in answers:
            assert isinstance(request, Request)
            asked.append(request)
            request = flow.send(answer)
    except StopIteration as stop:
        assert len(asked) == len(answers), "not all answers were asked for"
        return asked, stop.value
    raise AssertionError(f"one more request: {request} {params(request)}")  # type: ignore[arg-type]


def params(request: Request) -> dict[str, str]:
    return dict(request.params)


def query(request: Request) -> str:
    """The query that a request asks, in its address or its body."""
    return (request.content or b"").decode() or params(request)["query"]


# Answers ----------------------------------------------------------------------------


def ok(body: Any) -> Response:
    return Response(200, {}, json.dumps(body))


def answer(entity: str, *rows: Any, **more: Any) -> Response:
    """A query's answer; without rows QuickBooks does not name the entity."""
    told = {entity: rows, "startPosition": 1, "maxResults": len(rows)} if rows else {}
    return ok({"QueryResponse": told, "time": TIME, **more})


def feed(*, time: str = TIME, **rows: Any) -> Response:
    """The change feed's answer: a block for each entity, empty where nothing changed."""
    blocks = [
        {name: each, "startPosition": 1, "maxResults": len(each)} if each else {}
        for name, each in rows.items()
    ]
    return ok({"CDCResponse": [{"QueryResponse": blocks}], "time": time})


def gone(identity: str) -> dict[str, Any]:
    meta = {"LastUpdatedTime": "2026-03-11T03:00:00-07:00"}
    return {"status": "Deleted", "Id": identity, "MetaData": meta, "domain": "QBO"}


def fault(
    code: str, detail: str = "", *, message: str = "Error", element: str = ""
) -> dict[str, Any]:
    """A business fault, as it stands in an answer or in a part of a batch's answer."""
    error = {"Message": message, "Detail": detail, "code": code, "element": element}
    return {"Fault": {"Error": [error], "type": "ValidationFault"}, "time": TIME}


def gateway(code: str, text: str, kind: str = "AUTHENTICATION") -> dict[str, Any]:
    """A fault of the gateway's, in its own dialect."""
    error = {"message": text, "detail": "refused", "code": code, "element": None}
    return {
        "warnings": None,
        "fault": {"error": [error], "type": kind},
        "queryResponse": None,
        "batchItemResponse": [],
        "time": 1741761950669,
    }


def refusal(body: Any, status: int = 400) -> Response:
    return Response(status, {"intuit_tid": "1-abc"}, json.dumps(body))


# Rows -------------------------------------------------------------------------------


def meta(changed: str = "2026-03-10T03:00:00-07:00") -> dict[str, Any]:
    return {"MetaData": {"CreateTime": changed, "LastUpdatedTime": changed}}


def sale(amount: Any, **detail: Any) -> dict[str, Any]:
    """A line that sells something."""
    held = {"ItemRef": {"value": "7", "name": "Hours"}, **detail}
    return {
        "Id": "1",
        "LineNum": 1,
        "Description": "Hours",
        "Amount": amount,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": held,
    }


def bill(identity: str = "10", **fields: Any) -> dict[str, Any]:
    """An invoice of 300, nothing of it paid."""
    return {
        "Id": identity,
        "SyncToken": "0",
        "domain": "QBO",
        "sparse": False,
        **meta(),
        "DocNumber": "1001",
        "TxnDate": "2026-03-01",
        "DueDate": "2026-03-31",
        "CustomerRef": {"value": "5", "name": "Ada"},
        "CurrencyRef": {"value": "USD", "name": "United States Dollar"},
        "TotalAmt": 300.00,
        "Balance": 300.00,
        "LinkedTxn": [],
        "Line": [
            sale(300.00),
            {"Amount": 300, "DetailType": "SubTotalLineDetail"},
        ],
        **fields,
    }


def paying(*identities: str) -> dict[str, Any]:
    """The link of an invoice to payments."""
    return {"LinkedTxn": [{"TxnId": i, "TxnType": "Payment"} for i in identities]}


def part(amount: Any, kind: str, identity: str) -> dict[str, Any]:
    """A line of a payment."""
    return {"Amount": amount, "LinkedTxn": [{"TxnId": identity, "TxnType": kind}]}


def payment(identity: str = "20", **fields: Any) -> dict[str, Any]:
    """A payment of 100 for invoice 10."""
    return {
        "Id": identity,
        "SyncToken": "0",
        **meta(),
        "TxnDate": "2026-03-05",
        "CustomerRef": {"value": "5", "name": "Ada"},
        "CurrencyRef": {"value": "USD"},
        "TotalAmt": 100.00,
        "UnappliedAmt": 0,
        "Line": [part(100.00, "Invoice", "10")],
        **fields,
    }


def credit_link(identity: str = "30", **fields: Any) -> dict[str, Any]:
    """A payment of nothing that puts 40 of credit memo 31 to invoice 10."""
    held = {
        "TotalAmt": 0,
        "PrivateNote": "Created by QB Online to link credits to charges.",
        "Line": [part(40, "Invoice", "10"), part(40, "CreditMemo", "31")],
    }
    return payment(identity, **{**held, **fields})


def memo(identity: str = "31", **fields: Any) -> dict[str, Any]:
    """A credit memo of 40, all of it left."""
    held = bill(identity, DocNumber="CM-1", TotalAmt=40, Balance=40, RemainingCredit=40)
    del held["DueDate"], held["LinkedTxn"]
    return {**held, "Line": [sale(40)], **fields}


def ada(identity: str = "5", **fields: Any) -> dict[str, Any]:
    """A customer."""
    return {
        "Id": identity,
        "SyncToken": "0",
        **meta(),
        "DisplayName": "Ada",
        "FullyQualifiedName": "Ada",
        "PrintOnCheckName": "Ada",
        "PrimaryEmailAddr": {"Address": "ada@example.com"},
        "CurrencyRef": {"value": "USD"},
        "Active": True,
        **fields,
    }
