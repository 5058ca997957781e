"""Whole answers that are wrong, as bytes on the wire; pure data."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TypeAlias

from attrs import frozen
from fault_rows import EMAIL, TOKEN
from loopback import odd_reply

from tieout.errors import Code
from tieout.wire import Response

BODY_MAX = 2_000_000
"""What the transport of these tests takes; the default is 25 times that."""

Wire: TypeAlias = Callable[[], Iterable[bytes]]


class At(Enum):
    """Which request is answered so: method, and the end of its path."""

    LEDGER_TOKEN = "POST", "/connect/token"
    LEDGER_CHECK = "GET", "/Organisation"
    LEDGER_PAGE = "GET", "/Invoices"
    LEDGER_PAYMENTS = "GET", "/Payments"
    BILLING_CHECK = "GET", "/system/info"
    BILLING_FETCH = "GET", "/finance/invoices"


@frozen
class Answer:
    """
    One wrong answer, given each time that it is asked for: the run ends with ``code``;
    None where it is right after all.
    """

    name: str
    at: At
    wire: Wire
    code: Code | None

    @property
    def ids(self) -> list[str]:
        """The ids of the catalogue that the row shows."""
        return self.name.split(":")[0].replace(",", " ").split()


def reply(body: bytes, status: int = 200, **headers: str) -> Wire:
    """One whole answer; ``Retry_After`` is the header ``Retry-After``."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    usual = (
        () if headers.get("Content_Type") else (("Content-Type", "application/json"),)
    )
    return lambda: odd_reply(Response(status, (*usual, *pairs), body))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DEEP = 100_000
PAGE = f"<html><script>alert('{TOKEN}')</script>Sign in as {EMAIL}</html>".encode()

NO_JSON: dict[str, bytes] = {
    "H15: an empty body": b"",
    "H15: white space": b" \r\n\t ",
    "H15: a page of HTML": PAGE,
    "H15: XML": b"<?xml version='1.0'?><Response><Status>OK</Status></Response>",
    "H15, X6: a billion laughs": b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>',
    "H15: JSON that was cut off": b'{"Invoices": [{"InvoiceID": "a", "Total": 1',
    "H15: two documents": b"{} {}",
    "H15: something behind": b'{"Invoices": []} and more',
    "H15: single quotes": b"{'Invoices': []}",
    "H15: a comment": b'{"Invoices": [] /* none */}',
    "H15: a last comma": b'{"Invoices": [],}',
    "H15: a warning before": b"<b>Warning</b>: mysql_connect() in /var/www {}",
    "H15: text": f"Internal error for {EMAIL}, key {TOKEN}".encode(),
    "H15: a callback": b'callback({"Invoices": []})',
    "D5, X10: NaN": b'{"Invoices": [{"Total": NaN}]}',
    "D5, X10: Infinity": b'{"Invoices": [{"Total": Infinity}]}',
    "D5, X10: -Infinity": b'{"Invoices": [{"Total": -Infinity}]}',
    "D6, X10: five thousand digits": b'{"Invoices": [{"Total": ' + b"9" * 5000 + b"}]}",
    "D6, X10: five thousand decimals": b'{"Invoices": [{"Total": 0.'
    + b"9" * 5000
    + b"}]}",
    "D6, X10: an exponent of five thousand digits": b'{"Invoices": [{"Total": 1e'
    + b"9" * 5000
    + b"}]}",
    "D7: a plus sign": b'{"Invoices": [{"Total": +1}]}',
    "D7: a leading zero": b'{"Invoices": [{"Total": 007}]}',
    "D7: hexadecimal": b'{"Invoices": [{"Total": 0x64}]}',
    "X10: lists, a hundred thousand deep": b"[" * DEEP + b"]" * DEEP,
    "X10: objects, a hundred thousand deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "X10: lists that never end": b"[" * DEEP,
    "X10: UTF-16": '{"Invoices": []}'.encode("utf-16"),
    "X10: UTF-16 without a mark": '{"Invoices": []}'.encode("utf-16-le"),
    "X10: UTF-32": '{"Invoices": []}'.encode("utf-32"),
    "X10: bytes that are no UTF-8": b'{"Invoices": ["\xff\xfe"]}',
    "X10: an overlong slash": b'{"Invoices": ["\xc0\xaf"]}',
    "X10: half a character as bytes": b'{"Invoices": ["\xed\xa0\x80"]}',
    "X10: a NUL": b'{"Invoices": ["a\x00b"]}',
    "X10: a control character": b'{"Invoices": ["a\nb"]}',
    "X10: only a byte order mark": b"\xef\xbb\xbf",
    "X10: two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "X22: a pickle": b"\x80\x04\x95\x17\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix.",
    "X22: YAML": b"!!python/object/apply:os.system ['true']",
}
"""Answers that say 200 and are no JSON."""

NO_LIST: dict[str, bytes] = {
    "D32: null": b"null",
    "D32: true": b"true",
    "D32: a number": b"5",
    "D32: a text": b'"none"',
    "D32: an object without a list": b"{}",
    "D32: a list that is null": b'{"Invoices": null}',
    "D32: a list that is an object": b'{"Invoices": {}}',
    "D32: a list that is a text": b'{"Invoices": "none"}',
    "D32: a list that is false": b'{"Invoices": false}',
    "D32, P10: a list of another case": b'{"invoices": []}',
    "D8: two lists": b'{"Invoices": [], "Invoices": [1]}',
    "P10: an error that says 200": f'{{"error": "no access for {EMAIL}", "token": "{TOKEN}"}}'.encode(),
}
"""JSON without the list of records."""

STATUSES: dict[int, Code] = {
    402: Code.PERMISSION_MISSING, 403: Code.PERMISSION_MISSING, 404: Code.NO_SUCH_RESOURCE,
    408: Code.ANSWER_LOST, 410: Code.NO_SUCH_RESOURCE,
    500: Code.SERVER_ERROR, 502: Code.SERVER_ERROR, 503: Code.SERVER_ERROR,
    504: Code.SERVER_ERROR, 520: Code.SERVER_ERROR, 599: Code.SERVER_ERROR,
    300: Code.FOREIGN_LINK, 301: Code.FOREIGN_LINK, 302: Code.FOREIGN_LINK,
    303: Code.FOREIGN_LINK, 307: Code.FOREIGN_LINK, 308: Code.FOREIGN_LINK,
}  # fmt: skip
"""What a status alone comes to; a redirect leads to a stranger."""

ECHO = f"bad request: Authorization: Bearer {TOKEN}, mail {EMAIL}\r\n2026 ERROR fake \x1b[31m"
"""What some gateways say: the request again, and more than a line."""


def squeezed(times: int, size: int = 20_000_000) -> bytes:
    """A bomb: so many zeros, compressed so many times."""
    body = b"\x00" * size
    for _ in range(times):
        body = gzip.compress(body)
    return body


def endless(piece: bytes, head: bytes = HEAD) -> Wire:
    """A beginning, and then a piece that never ends."""

    def pieces() -> Iterator[bytes]:
        yield head + b"Transfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)

    return pieces


def raw(*pieces: bytes) -> Wire:
    """Exactly these bytes."""
    return lambda: pieces


BOMBS: dict[str, tuple[Wire, Code]] = {
    "X8: twenty megabytes in twenty kilobytes": (reply(squeezed(1), Content_Encoding="gzip"), Code.TOO_LARGE),
    "X8: compressed twice": (reply(squeezed(2), Content_Encoding="gzip, gzip"), Code.BAD_PAYLOAD),
    "X8: deflated": (reply(zlib.compress(b"\x00" * 20_000_000), Content_Encoding="deflate"), Code.TOO_LARGE),
    "X8: not compressed at all": (reply(b"not gzip", Content_Encoding="gzip"), Code.BAD_PAYLOAD),
    "X8: compressed, and cut off": (reply(gzip.compress(PAGE)[:-12], Content_Encoding="gzip"), Code.BAD_PAYLOAD),
    "X9: too much": (reply(b" " * (BODY_MAX + 1)), Code.TOO_LARGE),
    "X9: a body that never ends": (endless(b" " * 65_536), Code.TOO_LARGE),
    "X9: three hundred headers": (raw(HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n{}"), Code.TOO_LARGE),
    "X9: a header of a megabyte": (raw(HEAD + b"X-Big: " + b"x" * 1_000_000 + b"\r\n\r\n{}"), Code.TOO_LARGE),
    "X9: a hundred thousand headers": (raw(HEAD, *[b"X-More: 1\r\n" * 1000] * 100, b"\r\n{}"), Code.TOO_LARGE),
    "H15: a length that is too long": (raw(HEAD + b"Content-Length: 5000\r\n\r\n{}"), Code.ANSWER_LOST),
    "H15: a length that is no number": (raw(HEAD + b"Content-Length: many\r\n\r\n{}"), Code.ANSWER_LOST),
    "H15: a length below zero": (raw(HEAD + b"Content-Length: -5\r\n\r\n{}"), Code.ANSWER_LOST),
    "H15: a chunk of no size": (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"), Code.ANSWER_LOST),
    "H15: no HTTP at all": (raw(b"220 mail.example ESMTP\r\n"), Code.ANSWER_LOST),
    "H15: a status that is no number": (raw(b"HTTP/1.1 OK 200\r\n\r\n{}"), Code.ANSWER_LOST),
    "H20: nothing": (raw(b""), Code.ANSWER_LOST),
    "H20: half a line": (raw(b"HTTP/1.1 2"), Code.ANSWER_LOST),
}  # fmt: skip

SOME = (
    "H15: a p",
    "H15: an e",
    "H15: te",
    "D5, X10: N",
    "D6, X10: five thousand di",
    "X10: lists, a",
    "X10: UTF-16",
    "D32: n",
    "D32: an",
    "P10",
    "D8",
)
"""Beginnings of those that also go to other requests than a page of the ledger."""

# fmt: off
ROWS: list[Answer] = [
    *[Answer(f"{name} for a page of the ledger", At.LEDGER_PAGE, reply(body), Code.BAD_PAYLOAD) for name, body in {**NO_JSON, **NO_LIST, "D32: a list alone": b"[]"}.items()],
    *[Answer(f"{name} for billing's invoices", At.BILLING_FETCH, reply(body), Code.BAD_PAYLOAD) for name, body in {**NO_JSON, **NO_LIST}.items() if name.startswith(SOME)],
    *[Answer(f"{name} for a sign-in", At.LEDGER_TOKEN, reply(body), Code.BAD_PAYLOAD) for name, body in {**{k: v for k, v in NO_JSON.items() if k.startswith(SOME)}, "D32: null": b"null", "D32: no token": b"{}", "D31: a token that is a number": b'{"access_token": 1.5}', "P10: an empty token": b'{"access_token": ""}'}.items()],
    *[Answer(f"H13, X3: status {status} for a page of the ledger", At.LEDGER_PAGE, reply(ECHO.encode(), status, Location="https://evil.example/x", Content_Type="text/plain"), code) for status, code in STATUSES.items()],
    *[Answer(f"H13, X3: status {status} for billing's invoices", At.BILLING_FETCH, reply(ECHO.encode(), status, Location="//evil.example/x", api_current_version="1", Content_Type="text/plain"), code) for status, code in STATUSES.items() if status in (403, 500, 503, 302, 307)],
    *[Answer(f"X3: status {status} for a sign-in", At.LEDGER_TOKEN, reply(b"", status, Location="https://evil.example/x"), code) for status, code in STATUSES.items() if status in (500, 503, 301, 302, 307, 308)],
    *[Answer(f"{name} for a page of the ledger", At.LEDGER_PAGE, wire, code) for name, (wire, code) in BOMBS.items()],
    *[Answer(f"{name} for billing's invoices", At.BILLING_FETCH, wire, code) for name, (wire, code) in BOMBS.items() if name.startswith("X")],
    Answer("D32: an empty page", At.LEDGER_PAYMENTS, reply(b'{"Payments": []}'), None),
    Answer("X10: a byte order mark before good JSON", At.LEDGER_PAYMENTS, reply(b'\xef\xbb\xbf{"Payments": []}'), None),
    Answer("H15: good JSON called HTML", At.LEDGER_PAYMENTS, reply(b'{"Payments": []}', Content_Type="text/html"), None),
    Answer("X8: good JSON, compressed", At.LEDGER_PAYMENTS, reply(gzip.compress(b'{"Payments": []}'), Content_Encoding="gzip"), None),
    Answer("D8: a field twice where nobody looks", At.LEDGER_PAYMENTS, reply(b'{"Payments": [], "Id": 1, "Id": 2}'), None),
    *[Answer(f"X10: an error inside {depth} lists", At.LEDGER_PAYMENTS, reply(b'{"Payments": [], "x": ' + b"[" * depth + b'"ERROR"' + b"]" * depth + b"}"), None) for depth in (300, 700, 900)],
    Answer("P10: paging that is a list", At.LEDGER_PAGE, reply(b'{"Invoices": [{}], "pagination": []}'), Code.BAD_PAYLOAD),
    Answer("P10: paging that counts to a word", At.LEDGER_PAGE, reply(b'{"Invoices": [{}], "pagination": {"pageCount": "many"}}'), Code.BAD_PAYLOAD),
    Answer("P10: books without a currency", At.LEDGER_CHECK, reply(b'{"Organisations": [{}]}'), Code.BAD_PAYLOAD),
    Answer("P10: books that are a text", At.LEDGER_CHECK, reply(b'{"Organisations": "none"}'), Code.BAD_PAYLOAD),
    Answer("P10: books in no currency", At.LEDGER_CHECK, reply(b'{"Organisations": [{"BaseCurrency": "GOLD"}]}'), Code.BAD_PAYLOAD),
    *[Answer(f"{name} for the books", At.LEDGER_CHECK, reply(body), Code.BAD_PAYLOAD) for name, body in {k: v for k, v in {**NO_JSON, **NO_LIST}.items() if k.startswith(("H15: a p", "D32: n", "D32: a te", "X10: U", "D5"))}.items()],
    *[Answer(f"{name} for billing's own information", At.BILLING_CHECK, reply(body), Code.BAD_PAYLOAD) for name, body in NO_JSON.items() if name.startswith(("H15: a p", "X10: U", "D5"))],
]
# fmt: on

LINKS = (
    "{evil}/v2025_1/apis/3.0/finance/invoices?page=2",
    "//{evil_host}/v2025_1/apis/3.0/finance/invoices",
    "http://localhost:{port}/v2025_1/apis/3.0/finance/invoices",
    "http://localhost:{evil_port}/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1:{port}@{evil_host}/v2025_1/apis/3.0/finance/invoices",
    "http://user:secret@127.0.0.1:{port}/v2025_1/apis/3.0/finance/invoices",
    "http://user@127.0.0.1:{port}/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1:{port}.evil.example/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1.evil.example:{port}/v2025_1/apis/3.0/finance/invoices",
    "https://127.0.0.1:{port}/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1:0/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1:99999/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.1:x/v2025_1/apis/3.0/finance/invoices",
    "http://0x7f.1:{evil_port}/v2025_1/apis/3.0/finance/invoices",
    "http://2130706433:{evil_port}/v2025_1/apis/3.0/finance/invoices",
    "http://0177.0.0.1:{evil_port}/v2025_1/apis/3.0/finance/invoices",
    "http://[::1]:{evil_port}/v2025_1/apis/3.0/finance/invoices",
    "http://[::ffff:127.0.0.1]:{evil_port}/v2025_1/apis/3.0/finance/invoices",
    "http://[::ffff:127.0.0.1]:{port}/v2025_1/apis/3.0/finance/invoices",
    "http://[::1/v2025_1/apis/3.0/finance/invoices",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/v2025_1/apis/3.0/finance/invoices",
    "http://127.0.0.\u00b9:{port}/v2025_1/apis/3.0/finance/invoices",
    "http://\u00e9vil.example/v2025_1/apis/3.0/finance/invoices",
    "http://xn--vil-bla.example/v2025_1/apis/3.0/finance/invoices",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "ftp://127.0.0.1:{port}/v2025_1/apis/3.0/finance/invoices",
    "javascript:alert(1)//",
    "data:application/json,[]",
    "ldap://127.0.0.1:{port}/",
    "/admin",
    "/v2025_1/apis/3.0x/finance/invoices",
    "/v2025_1/apis/3.0/../../../admin",
    "../../../admin",
    "/v2025_1/apis/3.0/%2e%2e/%2e%2e/admin",
    "/v2025_1/apis/3.0/..%2f..%2fadmin",
    "/v2025_1/apis/3.0/..%252f..%252fadmin",
    "/v2025_1/apis/3.0/..;/..;/admin",
    "/v2025_1/apis/3.0/..\\..\\admin",
    "/v2025_1/apis/3.0/%5c..%5c..%5cadmin",
    "/v2025_1/apis/3.0/finance%00/invoices",
    "/v2025_1/apis/3.0/finance%0d%0aX-Evil:1/invoices",
    "\\\\{evil_host}\\v2025_1\\apis\\3.0",
    "http:\\\\{evil_host}\\v2025_1\\apis\\3.0",
    "/\\{evil_host}/v2025_1/apis/3.0",
    "/v2025_1/apis/4.0/finance/invoices",
)
"""X2, X4: addresses that are not the connection's own, however they are dressed up."""

PAUSES: dict[str, float | None] = {
    # seconds that are waited; None: the run ends cleanly instead
    "": 1, "0": 1, "1": 1, "-1": 1, "-5.5": 1, "7": 7, "2.5": 2.5, "119": 119, "120": 120,
    "abc": 1, "soon": 1, "1e3": 1, "NaN": 1, "Infinity": 1, "0x10": 1, "5,6": 1, "5 seconds": 1,
    "--5": 1, "+5": 1, "1 2": 1, "\u00b9": 1, "9" * 400: 1, "a\tb": 1,
    "Fri, 20 Mar 2026 12:00:05 GMT": 5, "Fri, 20 Mar 2026 11:59:00 GMT": 1,
    "Fri, 20 Mar 2026 12:00:05": 1, "Fri, 99 Foo 2026": 1, "20 March 2026": 1,
    "Wed, 31 Dec 9999 23:59:59 GMT": None, "121": None, "3600": None, "315360000": None,
    "1000000000": None, "999999999999999": None, "Fri, 20 Mar 2026 13:00:00 GMT": None,
}  # fmt: skip
"""H7, X29: what a server may say of a pause, and how long is waited."""
SENT = "Fri, 20 Mar 2026 12:00:00 GMT"
