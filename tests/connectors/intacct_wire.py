"""Answers in the shape of Sage Intacct's, made by hand, and a look at what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tieout.connectors.intacct import Intacct
from tieout.errors import Fault
from tieout.wire import Flow, Request, Response

T = TypeVar("T")
CONNECTION = "intacct:acme"
DATE = {"Date": "Fri, 20 Mar 2026 12:00:00 GMT"}


def intacct(**options: Any) -> Intacct:
    """A connector to the company acme."""
    held: dict[str, Any] = {
        "company": "acme",
        "user": "billing",
        "password": "hush-hush",
        "sender": "sender",
        "sender_password": "hush-more",
    }
    return Intacct(**{**held, **options})


# Answers --------------------------------------------------------------------------------


def error(number: str, text: str, more: str = "", correction: str = "") -> str:
    """One error of an answer."""
    return (
        f"<error><errorno>{number}</errorno><description>{more}</description>"
        f"<description2>{text}</description2><correction>{correction}</correction></error>"
    )


def result(
    control_id: str,
    *rows: Mapping[str, Any],
    function: str = "query",
    of: str = "arinvoice",
    remaining: int | None = 0,
    key: str = "",
) -> str:
    """The result of a function that was carried out."""
    told = f' numremaining="{remaining}"' if remaining is not None else ""
    listed = "".join(f"<{of}>{fields(row)}</{of}>" for row in rows)
    named = f"<key>{key}</key>" if key else ""
    return (
        f"<result><status>success</status><function>{function}</function>"
        f"<controlid>{control_id}</controlid>{named}"
        f'<data listtype="{of}" count="{len(rows)}"{told}>{listed}</data></result>'
    )


def failure(
    control_id: str, *errors: str, function: str = "query", count: int | None = None
) -> str:
    """The result of a function that failed."""
    data = f'<data listtype="objects" count="{count}"/>' if count is not None else ""
    return (
        f"<result><status>failure</status><function>{function}</function>"
        f"<controlid>{control_id}</controlid>{data}"
        f"<errormessage>{''.join(errors)}</errormessage></result>"
    )


def fields(row: Mapping[str, Any]) -> str:
    """A row's fields; a mapping is an object inside it, a list is several of a name."""
    told = []
    for name, value in row.items():
        for each in value if isinstance(value, list) else [value]:
            inner = fields(each) if isinstance(each, Mapping) else escape(str(each))
            told.append(f"<{name}>{'' if each is None else inner}</{name}>")
    return "".join(told)


def answer(*results: str, **headers: str) -> Response:
    """An answer of these results, from a session that is good."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><response>'
        "<control><status>success</status><controlid>x</controlid></control>"
        "<operation><authentication><status>success</status><companyid>acme</companyid>"
        "<sessiontimestamp>2026-03-20T11:59:00+00:00</sessiontimestamp>"
        "</authentication>" + "".join(results) + "</operation></response>"
    )
    return Response(200, {**DATE, **headers}, body)


def page(*rows: Mapping[str, Any], remaining: int | None = 0) -> Response:
    """One page of a list."""
    return answer(result("page", *rows, remaining=remaining))


def refused(
    *errors: str, level: str = "sign-in", status: int = 200, **headers: str
) -> Response:
    """An answer that failed as a whole: at the gate, or while signing in."""
    told = f"<errormessage>{''.join(errors)}</errormessage>"
    control = "success" if level == "sign-in" else "failure"
    signed = "<authentication><status>failure</status></authentication>"
    operation = f"<operation>{signed}{told}</operation>" if level == "sign-in" else told
    body = (
        f"<response><control><status>{control}</status></control>{operation}</response>"
    )
    return Response(status, headers, body)


# Requests -------------------------------------------------------------------------------


def drive(flow: Flow[T], *answers: Response | Fault) -> tuple[list[Request], T]:
    """The requests of a flow that is given these answers, and what it returned."""
    asked: list[Request] = []
    try:
        request = next(flow)
        for each in answers:
            assert isinstance(request, Request)
            asked.append(request)
            request = flow.throw(each) if isinstance(each, Fault) else flow.send(each)
    except StopIteration as stop:
        assert len(asked) == len(answers), "not all answers were asked for"
        return asked, stop.value
    raise AssertionError(f"one more request: {request}")


def functions(request: Request) -> dict[str, ET.Element]:
    """The functions of a request, by control id."""
    root = ET.fromstring(b"<content>" + request.body() + b"</content>")
    assert [each.tag for each in root] == ["function"] * len(root)
    return {each.attrib["controlid"]: each[0] for each in root}


def written(element: ET.Element | None) -> str:
    """An element as text."""
    assert element is not None
    return ET.tostring(element, encoding="unicode")


def query(request: Request, control_id: str = "page") -> tuple[str, list[str], str]:
    """The object, the fields and the filter of one query."""
    asked = functions(request)[control_id]
    assert asked.tag == "query"
    selected = [each.text or "" for each in asked.findall("select/field")]
    condition = asked.find("filter")
    assert condition is not None
    return asked.findtext("object", ""), selected, written(condition[0])


def has(field: str, *values: str) -> str:
    """That a field has one of these values, as a query has it."""
    told = "".join(f"<value>{escape(each)}</value>" for each in values)
    name = "in" if len(values) > 1 else "equalto"
    return f"<{name}><field>{field}</field>{told}</{name}>"
