"""Grants, the two auths that need no sign-in, and what a token endpoint may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from doubles import BASE, drive

from tieout.auth import (
    LIFETIME_DEFAULT,
    LIFETIME_MAX,
    Grant,
    Headers,
    NoAuth,
    OAuth2,
)
from tieout.errors import Code, Fault
from tieout.wire import Request, Response

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def test_a_grant_does_not_show_its_secrets() -> None:
    """X19: not the values, and not those before the last renewal."""
    grant = Grant(BASE, {"token": "CANARY-1"}).renewed({"token": "CANARY-2", "b": "c"})
    assert "CANARY" not in repr(grant)
    assert "CANARY" not in f"{grant}"
    assert "<2 secrets>" in repr(grant)


def test_a_renewed_grant_keeps_the_values_before() -> None:
    """A3: a vendor may accept them for a while after an answer was lost."""
    first = Grant(
        BASE, {"token": "1"}, hosts=("https://other.example",), signed_in=False
    )
    second = first.renewed({"token": "2"}, expires_at=NOW)
    assert second.values == {"token": "2"}
    assert second.previous == {"token": "1"}
    assert second.serial == first.serial + 1
    assert second.signed_in
    assert second.expires_at == NOW
    assert (second.base_url, second.hosts) == (BASE, ("https://other.example",))
    third = second.renewed({"token": "3"}, base_url="https://eu.vendor.example")
    assert third.base_url == "https://eu.vendor.example"
    assert third.expires_at is None
    assert third.previous == {"token": "2"}


def test_a_grant_is_not_changed_from_outside() -> None:
    """What a caller does to its own mapping afterwards is nothing to the grant."""
    values = {"token": "1"}
    grant = Grant(BASE).renewed(values)
    values["token"] = "changed"
    assert grant.values == {"token": "1"}


def test_fixed_headers_are_added_to_every_request() -> None:
    """An API key; what the connector asked for stays."""
    auth = Headers(BASE, {"X-Key": "CANARY"})
    grant = auth.first()
    signed = auth.sign(Request("GET", "x", headers={"Accept": "a/b"}), grant)
    assert signed.headers == (("Accept", "a/b"), ("X-Key", "CANARY"))
    assert (grant.base_url, grant.signed_in) == (BASE, True)
    assert "CANARY" not in repr(auth)
    assert "X-Key" in repr(auth)


def test_fixed_headers_need_no_renewal() -> None:
    """It asks for nothing, and gives the grant back as it is."""
    auth = Headers(BASE, {"X-Key": "k"})
    assert drive(auth.renew(auth.first(), NOW)) == ([], auth.first())


def test_the_hosts_own_app_needs_no_credentials() -> None:
    """Nothing is signed, nothing renewed."""
    auth = NoAuth()
    request = Request("GET", "x")
    assert auth.sign(request, auth.first()) is request
    assert drive(auth.renew(auth.first(), NOW)) == ([], Grant(""))


def oauth(body: bytes, status: int = 200) -> Grant:
    """What a token endpoint's answer brings."""
    auth = OAuth2(BASE, "https://id.example/token", "app", "CANARY-1", "CANARY-2")
    return drive(auth.renew(auth.first(), NOW), Response(status, {}, body))[1]


@pytest.mark.parametrize(
    ("told", "lasts"),
    [
        ("-5", LIFETIME_DEFAULT),
        ("0", LIFETIME_DEFAULT),
        ("99999999999999999", LIFETIME_MAX),
    ],
)
def test_a_lifetime_that_cannot_be_is_not_believed(told: str, lasts: float) -> None:
    """A5: none that ended already, and none beyond all calendars."""
    grant = oauth(f'{{"access_token":"a","expires_in":{told}}}'.encode())
    assert grant.expires_at == NOW + timedelta(seconds=lasts - 60)


def test_a_refusal_that_repeats_the_secrets_is_told_without_them() -> None:
    """X19, B157: the text is kept and logged."""
    with pytest.raises(Fault) as caught:
        oauth(b'{"error":"invalid_grant","was":"CANARY-2 of CANARY-1"}', 400)
    assert caught.value.code is Code.RECONNECT_NEEDED
    assert "CANARY" not in caught.value.text
