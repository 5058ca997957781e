"""
The envelope around what is asked, the sign-in, and the one address to which all goes.

The only place that knows a secret. A connector's request holds its functions and nothing
else; `IntacctSession.sign` puts the sender and the session around them. Nothing here
knows what a function does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from tieout.auth import Grant
from tieout.connector import Fields, enveloped, iso_instant
from tieout.connectors.intacct.replies import Reply, judged, read
from tieout.connectors.intacct.xml import Element, elements
from tieout.errors import Code, Fate, Fault
from tieout.wire import Answer, Flow, Request

UNIQUE = "Tieout-Unique"
"""A header that never leaves: `sign` takes it out and sets ``uniqueid`` by it."""

LOGIN = "login"
"""The control id of the sign-in's one function."""

HOME = ".intacct.com"
"""Where a host has to end that the vendor's own sign-in sends us to."""

_HEADERS = {"Content-Type": "application/xml", "Accept": "application/xml"}
_DECLARED = b'<?xml version="1.0" encoding="UTF-8"?>'

Functions = Iterable[tuple[str, Element]]


def asking(functions: Functions, *, effect: bool = False) -> Request:
    """
    The request for some functions, each with its control id.

    With an ``effect``, a control id that was carried out before is refused.
    """
    content = "".join(
        Element("function", [body], {"controlid": control_id}).text()
        for control_id, body in functions
    )
    headers = {UNIQUE: "true"} if effect else {}
    return Request("POST", "", headers=headers, content=content.encode(), effect=effect)


@frozen
class IntacctSession:
    """
    Signs in as a company's user, and wraps what is asked for the sender and the session.

    ``location`` is the entity that every call is for; empty means the top level. A grant's
    base URL is the whole address that the sign-in named: all calls go to exactly that,
    their own URL is empty.
    """

    url: str
    company: str
    user: str
    password: str = field(repr=False)
    sender: str
    sender_password: str = field(repr=False)
    location: str = ""

    def first(self) -> Grant:
        """Not signed in; the values are there so that other arguments void what is stored."""
        names = ("company", "user", "password", "sender", "sender_password", "location")
        values = {name: str(getattr(self, name)) for name in names}
        home = urlsplit(self.url)
        hosts = (f"{home.scheme}://{home.netloc}",)
        return Grant(self.url, values, hosts=hosts, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """The request in its envelope."""
        session = grant.values.get("session", "")
        if not session:
            raise Fault(Code.SIGN_IN_REFUSED, "not signed in", fate=Fate.NOT_SENT)
        unique = request.header(UNIQUE) == "true"
        kept = {n: v for n, v in request.headers if n != UNIQUE}
        signer = [Element("sessionid", session)]
        content = self._envelope(signer, request.content or b"", unique=unique)
        return evolve(request, headers={**_HEADERS, **kept}, content=content)

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """
        Sign in anew; a refused password is never tried a second time.

        Raises `Fault` SIGN_IN_REFUSED or PERMISSION_MISSING (the sender is not authorised),
        WRONG_COMPANY, and FOREIGN_LINK where the sign-in names a foreign address.
        """
        login = elements(
            ("userid", self.user),
            ("companyid", self.company),
            ("password", self.password),
            ("locationid", self.location),
        )
        asked = asking([(LOGIN, Element("getAPISession"))])
        signer = [Element("login", login)]
        content = self._envelope(signer, asked.content or b"", unique=False)
        response = yield Request("POST", self.url, headers=_HEADERS, content=content)
        verdict = judged(response)
        if verdict.answer is not Answer.OK:
            text = self.hushed(verdict.text)
            raise evolve(verdict, text=text).fault()
        # Not by way of `replied`: an answer to a sign-in holds a secret.
        reply = read(response.body)
        row = enveloped(lambda: _given(reply))
        self._check_company(reply.company, row["location"])
        # The passwords, and a session that has ended, are not kept.
        fresh = grant.renewed(
            {"session": row["session"]},
            expires_at=_expiry(reply, now),
            base_url=self._own(row["endpoint"] or self.url),
        )
        return evolve(fresh, previous={})

    def hushed(self, text: str) -> str:
        """A text without our passwords: some gateways repeat the request."""
        for secret in (self.password, self.sender_password):
            text = text.replace(secret, "***") if secret else text
        return text

    def _envelope(
        self, signer: list[Element], functions: bytes, *, unique: bool
    ) -> bytes:
        control = Element(
            "control",
            [
                Element("senderid", self.sender),
                Element("password", self.sender_password),
                # It only says which answer is to which request.
                Element("controlid", hashlib.sha256(functions).hexdigest()[:32]),
                Element("uniqueid", "true" if unique else "false"),
                Element("dtdversion", "3.0"),
                Element("includewhitespace", "false"),
            ],
        )
        told = (control, Element("authentication", signer))
        before, signed = (each.text().encode() for each in told)
        return b"".join(
            (
                *(_DECLARED, b"<request>", before, b'<operation transaction="false">'),
                *(signed, b"<content>", functions, b"</content></operation></request>"),
            )
        )

    def _check_company(self, company: str, location: str) -> None:
        """Refuse a session of another company or entity than was asked for."""
        for what, wanted, got in (
            ("company", self.company, company),
            ("entity", self.location, location),
        ):
            if wanted and got and wanted.casefold() != got.casefold():
                text = f"the session is of the {what} {got}, not of {wanted}"
                raise Fault(Code.WRONG_COMPANY, text)

    def _own(self, endpoint: str) -> str:
        """The address that the sign-in named, if it is the vendor's or the configured one."""
        home, place = urlsplit(self.url), urlsplit(endpoint)
        host = (place.hostname or "").lower()
        same = (place.scheme, place.netloc.lower()) == (
            home.scheme,
            home.netloc.lower(),
        )
        vendors = (
            place.scheme == "https"
            and host.endswith(HOME)
            and place.netloc.lower() == host
        )
        if not (same or vendors):
            text = (
                f"the sign-in leads to {host or 'no address'}, which is not Intacct's"
            )
            raise Fault(Code.FOREIGN_LINK, text)
        return endpoint


def _given(reply: Reply) -> dict[str, str]:
    """What the sign-in's one function tells."""
    rows = [row for row in reply.of(LOGIN).rows if isinstance(row, Mapping)]
    row = Fields(rows[0] if rows else {}, "getAPISession")
    return {
        "session": row.id("SESSIONID"),
        "endpoint": row.text("ENDPOINT"),
        "location": row.text("LOCATIONID"),
    }


def _expiry(reply: Reply, now: datetime) -> datetime | None:
    """
    When the session ends, by our clock; None where that is not told.

    Each call moves it on, so this is the earliest. A minute before, so that it does not
    end in the middle of a call.
    """
    try:
        until = iso_instant(reply.timeout)
    except Fault:
        return None
    try:
        begun = iso_instant(reply.timestamp)
    except Fault:
        return until.astimezone(UTC)
    lifetime = max((until - begun).total_seconds(), 0.0)
    return now + timedelta(seconds=max(lifetime - 60, lifetime / 2))
