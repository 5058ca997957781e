"""
What a vendor's API takes and gives, as data: operations with JSON Schemas, and a check.

A description is a small part of a vendor's own machine-readable one (Xero's OpenAPI,
Autotask's Swagger), written anew from what is documented: the operations that tieout
uses. `Described` lies between a session and a server, and writes down whatever is not in
it: an unknown address or parameter, a body of another shape, an answer of another shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator

from tieout.wire import Request, Response, Transport

OK = range(200, 300)


def listed(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """An object that holds a list of items under a name."""
    held = {name: {"type": "array", "items": item}}
    return {"type": "object", "properties": held, "required": [name]}


def shaped(required: str = "", **properties: Any) -> dict[str, Any]:
    """An object of exactly these properties, some of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


@dataclass(frozen=True)
class Operation:
    """
    One method of one path: its query ``parameters`` by name with a pattern each, the
    ``body`` that it takes and the ``answer`` that it gives, as JSON Schemas.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Patterns of headers, where they are sent; a required one ends its name with ``!``."""
    body: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None


@dataclass
class Described:
    """A transport that compares what passes with a description."""

    inner: Transport
    operations: Mapping[tuple[str, str], Operation]
    """By method and path template, such as ``("GET", "/Invoices/{id}")``."""
    prefixes: tuple[str, ...]
    """What stands before the paths in an address; others are not described (sign-in)."""
    failure: Mapping[str, Any] | None = None
    """The shape of the answers that are no 2xx, where they are JSON at all."""
    wrong: list[str] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)

    def send(self, request: Request, timeout: float) -> Response:
        """Send it on, and compare both ways."""
        path = urlsplit(request.url).path
        prefix = next((each for each in self.prefixes if path.startswith(each)), None)
        found = self._operation(request.method, path.removeprefix(prefix or ""))
        if prefix is not None and found is None:
            self.wrong.append(f"{request.method} {path} is not described")
        if found is not None:
            self._compare_request(found[0], found[1], request)
        answer = self.inner.send(request, timeout)
        if found is not None:
            self._compare_answer(found[0], found[1], answer)
        return answer

    def close(self) -> None:
        """Close what it lies upon."""
        self.inner.close()

    def _operation(
        self, method: str, path: str
    ) -> tuple[tuple[str, str], Operation] | None:
        for (verb, template), operation in self.operations.items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if verb == method and re.fullmatch(pattern, path):
                self.used.add((verb, template))
                return (verb, template), operation
        return None

    def _compare_request(
        self, name: tuple[str, str], operation: Operation, request: Request
    ) -> None:
        where = " ".join(name)
        query = [*parse_qsl(urlsplit(request.url).query), *request.params]
        for key, value in query:
            pattern = operation.parameters.get(key)
            if pattern is None or not re.fullmatch(pattern, value, re.DOTALL):
                self.wrong.append(f"{where}: parameter {key}={value!r}")
        for key, pattern in operation.headers.items():
            value = request.header(key.removesuffix("!")) or ""
            if (value or key.endswith("!")) and not re.fullmatch(pattern, value):
                self.wrong.append(f"{where}: header {key} {value!r}")
        body = request.body()
        if operation.body is None and body:
            self.wrong.append(f"{where}: a body where none is taken")
        elif operation.body is not None:
            self._compare(f"{where} takes", operation.body, body)

    def _compare_answer(
        self, name: tuple[str, str], operation: Operation, answer: Response
    ) -> None:
        schema = operation.answer if answer.status in OK else self.failure
        if schema is not None and answer.body.lstrip()[:1] in (b"{", b"["):
            self._compare(f"{' '.join(name)} gives", schema, answer.body)

    def _compare(self, where: str, schema: Mapping[str, Any], body: bytes) -> None:
        try:
            value = json.loads(body)
        except ValueError:
            self.wrong.append(f"{where} what is no JSON")
            return
        for error in Draft202012Validator(schema).iter_errors(value):
            self.wrong.append(f"{where} {error.json_path}: {error.message}"[:300])
