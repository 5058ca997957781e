"""
An API member of ConnectWise: its keys on each request, and where its company's API is.

Facts come from public clients of the API. Nothing here knows a record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from attrs import evolve

from tieout.auth import Grant
from tieout.connector import judge
from tieout.connectors.connectwise.errors import COMPANY, SITE_RULES
from tieout.errors import Code, ConfigError, Fate, Fault
from tieout.wire import Answer, Flow, Request, Response

HOSTED = (".myconnectwise.net", ".connectwisedev.com")
"""The vendor's own sites: their API has the site's host name with ``api-`` before it."""


def host_of(site: str) -> str:
    """The host of a site, whichever way it was written."""
    host = site.strip().lower().removeprefix("https://").partition("/")[0]
    if not re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?", host, re.ASCII):
        raise ConfigError("site is the host name that people sign in to")
    return host.removeprefix("api-") if host.endswith(HOSTED) else host


class MemberKeys:
    """
    The keys of an API member, and where its company's API is found.

    The company's code base moves at upgrades: `renew` asks the site for it, without keys.
    """

    def __init__(
        self, site: str, company: str, base_url: str, headers: Mapping[str, str]
    ) -> None:
        self._site, self._base_url = f"https://{site}", base_url.rstrip("/")
        self._api = f"https://api-{site}" if site.endswith(HOSTED) else self._site
        self._asks = f"{self._site}/login/companyinfo/{quote(company, safe='')}"
        self._headers = tuple(headers.items())

    def first(self) -> Grant:
        """Signed in where the base address is given, else to be discovered."""
        if self._base_url:
            return Grant(self._base_url)
        return Grant(self._site, hosts=(self._site,), signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        """With the member's keys; the question for the code base goes without."""
        headers = () if request.url == self._asks else self._headers
        return evolve(request, headers=(*request.headers, *headers))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Ask the site for the company's code base."""
        if self._base_url:
            return grant
        response = yield Request("GET", self._asks)
        try:
            base = f"{self._api}/{_code_base(response)}/apis/3.0"
        except Fault as fault:
            # Whatever waits for the grant has certainly not been sent.
            fault.fate = Fate.NOT_SENT
            raise
        return grant.renewed({}, base_url=base)


def _code_base(response: Response) -> str:
    """Such as ``v2025_1``, out of the company's information."""
    verdict = judge(response, SITE_RULES)
    if verdict.answer is not Answer.OK:
        raise verdict.fault()
    info = response.json()
    if info is None:
        raise COMPANY.fault("the site does not know the company id")
    # It becomes a part of the address that the keys are sent to.
    told = info.get("Codebase") if isinstance(info, Mapping) else None
    found = re.fullmatch(r"(\w+)/?", str(told or ""), re.ASCII)
    if found is None:
        raise Fault(Code.BAD_PAYLOAD, "no code base in the company's information")
    return found[1]
