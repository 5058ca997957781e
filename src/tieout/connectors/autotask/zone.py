"""
Who asks, and where: an API user's keys, and the zone that its database lives in.

No key goes to the address where the zone is asked for, nor to a host that is none of the
vendor's.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from tieout.auth import Grant
from tieout.connector import Fields, judge
from tieout.connectors.autotask.errors import KEYS, USER, ZONE_RULES, explain
from tieout.errors import Code, Fate, Fault
from tieout.wire import Answer, Flow, Request, Response

ZONE_LASTS = timedelta(hours=24)
"""How long a zone is believed; where a database moves meanwhile, the old one says 401."""

DISCOVERY = "https://webservices2.autotask.net/atservicesrest/"
QUESTION = "zoneInformation"
"""Which database is a user's, and where it lives: every zone answers it."""


@frozen
class ZoneKeys:
    """
    The keys of an API user, and the zone in which its database lives.

    The zone is asked for without keys: at first, after a day, and when the one that is
    known refuses them. They go nowhere but to hosts that end with ``domain``, or to the
    very host that was asked.
    """

    user: str = field(repr=False)
    secret: str = field(repr=False)
    code: str = field(repr=False)
    base_url: str
    domain: str

    def first(self) -> Grant:
        """To be discovered. Its values are there so that other keys void what is stored."""
        values = {"user": self.user, "secret": self.secret, "code": self.code}
        place = urlsplit(self.base_url)
        hosts = (f"{place.scheme}://{place.netloc}",)
        return Grant(self.base_url, values, hosts=hosts, signed_in=False)

    def sign(self, request: Request, grant: Grant) -> Request:
        if not grant.signed_in:
            text = "no zone is known yet"
            raise Fault(Code.SIGN_IN_REFUSED, text, fate=Fate.NOT_SENT)
        keys = {"ApiIntegrationCode": self.code, "UserName": self.user}
        keys |= {"Secret": self.secret, "Content-Type": "application/json"}
        return evolve(request, headers=(*request.headers, *keys.items()))

    def renew(self, grant: Grant, now: datetime) -> Flow[Grant]:
        """Ask for the zone; where it has not moved, the keys were refused for good."""
        try:
            url = f"{self.base_url}V1.0/{QUESTION}"
            zone = self._zone((yield Request("GET", url, {"user": self.user})))
        except Fault as fault:
            fault.fate = Fate.NOT_SENT  # whatever waits for the grant has not left
            raise
        base = f"{zone}V1.0/"
        current = grant.expires_at is not None and now < grant.expires_at
        if grant.signed_in and current and base == grant.base_url:
            text = "the user, the secret or the integration code was refused"
            raise KEYS.fault(text, fate=Fate.NOT_SENT)
        fresh = grant.renewed({}, expires_at=now + ZONE_LASTS, base_url=base)
        return evolve(fresh, previous={})

    def _zone(self, response: Response) -> str:
        """The address of the zone, to which the keys may be sent."""
        verdict = judge(response, ZONE_RULES, *explain(response))
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        url = Fields(response.json()).text("url")
        if not url:
            raise USER.fault("the user has no zone")
        home, place = urlsplit(self.base_url), urlsplit(url)
        host, known = place.netloc.lower(), home.netloc.lower()
        sound = re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", url, re.ASCII)
        safe = place.scheme == "https" or home.scheme == "http"
        ours = host == known or host.partition(":")[0].endswith(self.domain)
        if not (sound and safe and ours):
            text = f"the zone {url[:60]!r} is outside of {self.domain}"
            raise Fault(Code.FOREIGN_LINK, text)
        return url if url.endswith("/") else f"{url}/"
