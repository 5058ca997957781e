"""Webhook deliveries: who may be believed, which records they name, and what comes twice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import Code, ConfigError, Fault
from tieout.models import Ref
from tieout.webhooks import (
    AGE_MAX,
    AHEAD_MAX,
    BODY_MAX,
    CONNECTWISE,
    EVENTS_MAX,
    INVOICED,
    QUICKBOOKS,
    XERO,
    Delivery,
    Hint,
    RecentlySeen,
    Scheme,
    Webhook,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY = "s3cret-of-the-app"
TENANT, REALM, COMPANY = "6ad21e9c-8a35-4c57-9f0e-1f4b5a2c7d10", "310687", "Acme"
INVOICE_ID = "717f2bfc-c6d4-41fd-b238-3f2f0c0cf777"
CONTACT_ID = "0b4c3d7e-1c2b-4a5d-8e9f-aa0011223344"


# Bodies as the vendors word them --------------------------------------------------------


def xero_event(**other: Any) -> dict[str, Any]:
    """One of Xero's events."""
    return {
        "resourceUrl": f"https://api.xero.com/api.xro/2.0/Invoices/{INVOICE_ID}",
        "resourceId": INVOICE_ID,
        "eventDateUtc": "2026-03-02T11:59:39.902",
        "eventType": "UPDATE",
        "eventCategory": "INVOICE",
        "tenantId": TENANT,
        "tenantType": "ORGANISATION",
        **other,
    }


def xero_body(*events: Any) -> dict[str, Any]:
    """A delivery of Xero's."""
    numbers = {"firstEventSequence": 1, "lastEventSequence": len(events)}
    return {"events": list(events), **numbers, "entropy": "S0m3r4Nd0mt3xt"}


def cloud_event(**other: Any) -> dict[str, Any]:
    """One of Intuit's events of 2026."""
    return {
        "specversion": "1.0",
        "id": "88cd52aa-33b6-4351-9aa4-47572edbd068",
        "source": "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
        "type": "qbo.invoice.created.v1",
        "datacontenttype": "application/json",
        "time": "2026-03-02T11:31:25.179851517Z",
        "intuitentityid": "1234",
        "intuitaccountid": REALM,
        "data": {},
        **other,
    }


def entity(**other: Any) -> dict[str, Any]:
    """One of Intuit's events until 2026."""
    return {
        "id": "1234",
        "operation": "Create",
        "name": "Invoice",
        "lastUpdated": "2026-03-02T04:31:25-0700",
        **other,
    }


def old_body(realm: Any, *entities: Any) -> dict[str, Any]:
    """A part of Intuit's old body: the events of one company."""
    return {"realmId": realm, "dataChangeEvent": {"entities": list(entities)}}


def invoiced_event(**other: Any) -> dict[str, Any]:
    """One of Invoiced's events, which is a whole delivery."""
    return {
        "id": 11296106,
        "type": "invoice.paid",
        "timestamp": int(NOW.timestamp()) - 60,
        "data": {"object": {"id": 46225, "object": "invoice", "total": 51.15}},
        "previous": {"balance": 39},
        "user": {"id": -2},
        **other,
    }


def connectwise_event(**other: Any) -> dict[str, Any]:
    """One of ConnectWise's events, which is a whole delivery."""
    return {
        "Action": "updated",
        "CompanyId": "acme",
        "Entity": '{"id":77,"total":50.0}',
        "FromUrl": "na.myconnectwise.net",
        "ID": 77,
        "MemberId": "Ada",
        "MessageId": "6dd82302-5e46-47c0-8c84-702868125b76",
        "Metadata": {"key_url": "https://169.254.169.254/latest/meta-data"},
        "Type": "invoice",
        **other,
    }


# What the tests do with them ------------------------------------------------------------


@frozen
class Kit:
    """One system: how to read it, a good body, and its signature made independently."""

    webhook: Webhook
    body: Any
    sign: Callable[[bytes], str]

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers of a body that the vendor signed."""
        return {self.webhook.scheme.header: self.sign(body)}

    def read(self, body: Any, **options: Any) -> Delivery:
        """Read a body that the vendor signed."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.webhook.read(self.headers(raw), raw, NOW, **options)


def mac(body: bytes, key: bytes = KEY.encode()) -> bytes:
    """The HMAC-SHA256."""
    return hmac.new(key, body, hashlib.sha256).digest()


def in_base64(body: bytes) -> str:
    """As Xero and Intuit sign."""
    return base64.b64encode(mac(body)).decode()


def in_hex(body: bytes) -> str:
    """As Invoiced signs."""
    return mac(body).hex()


def of_hashed_key(body: bytes) -> str:
    """As ConnectWise signs."""
    hashed = hashlib.sha256(KEY.encode()).digest()
    return base64.b64encode(mac(body, hashed)).decode()


def kit(scheme: Scheme, company: str, body: Any, sign: Callable[[bytes], str]) -> Kit:
    """A system for a test."""
    return Kit(Webhook(scheme, "books", key=KEY, company=company), body, sign)


KITS: Mapping[str, Kit] = {
    "xero": kit(XERO, TENANT, xero_body(xero_event()), in_base64),
    "quickbooks": kit(QUICKBOOKS, REALM, [cloud_event()], in_base64),
    "quickbooks before": kit(
        QUICKBOOKS,
        REALM,
        {"eventNotifications": [old_body(REALM, entity())]},
        in_base64,
    ),
    "invoiced": kit(INVOICED, "", invoiced_event(), in_hex),
    "connectwise": kit(CONNECTWISE, COMPANY, connectwise_event(), of_hashed_key),
}
XERO_KIT, NEW, OLD, INVOICED_KIT, CONNECTWISE_KIT = KITS.values()
EACH = pytest.mark.parametrize("system", KITS)
DATED = pytest.mark.parametrize("system", [each for each in KITS if "wise" not in each])


def names(delivery: Delivery) -> list[str]:
    """Kind and id of each hint."""
    return [f"{hint.ref.kind} {hint.ref.id}" for hint in delivery.hints]


def refused(code: Code, call: Callable[[], object]) -> Fault:
    """The fault that a call ends in."""
    with pytest.raises(Fault) as caught:
        call()
    assert caught.value.code is code
    return caught.value


# Whom to believe ------------------------------------------------------------------------


def test_a_delivery_of_each_system_names_its_invoice() -> None:
    """The vendors' own samples, signed as each of them signs."""
    assert {name: names(each.read(each.body)) for name, each in KITS.items()} == {
        "xero": [f"Invoice {INVOICE_ID}"],
        "quickbooks": ["Invoice 1234"],
        "quickbooks before": ["Invoice 1234"],
        "invoiced": ["Invoice 46225"],
        "connectwise": ["Invoice 77", "CreditNote 77"],
    }


def test_the_signatures_of_a_known_body() -> None:
    """Figures made with OpenSSL, so that both sides of the tests cannot be wrong alike."""
    body = b'{"test":true}'
    assert (
        XERO.signature("key", body) == b"UwTZDutnPDYFAHJDdr8bNl3pfH4JkYRvW7SewJ1bS/A="
    )
    assert (
        INVOICED.signature("key", body)
        == b"5304d90eeb673c360500724376bf1b365de97c7e0991846f5bb49ec09d5b4bf0"
    )
    assert (
        CONNECTWISE.signature("key", body)
        == b"IyusGzXYKLZQkqu4YT/wVm2WQ5WEFncoQMAWeurMOKE="
    )


@EACH
@given(data=st.data())
def test_any_changed_byte_of_the_body_is_refused(system: str, data: Any) -> None:
    """Also one that JSON would not notice, such as a space."""
    good = KITS[system]
    body = json.dumps(good.body).encode()
    headers = good.headers(body)
    at = data.draw(st.integers(0, len(body)))
    cut = data.draw(st.integers(0, len(body) - at))
    other = body[:at] + data.draw(st.binary(max_size=4)) + body[at + cut :]
    if other == body:
        other += b" "
    refused(Code.BAD_SIGNATURE, lambda: good.webhook.read(headers, other, NOW))


@EACH
@given(data=st.data())
def test_any_changed_sign_of_the_signature_is_refused(system: str, data: Any) -> None:
    """Also one that decodes to the same bytes: the last sign of base64 has idle bits."""
    good = KITS[system]
    body = json.dumps(good.body).encode()
    signature = good.sign(body)
    at = data.draw(st.integers(0, len(signature)))
    cut = data.draw(st.integers(0, 2))
    other = signature[:at] + data.draw(st.text(max_size=2)) + signature[at + cut :]
    if other == signature:
        other += "="
    headers = {good.webhook.scheme.header: other}
    refused(Code.BAD_SIGNATURE, lambda: good.webhook.read(headers, body, NOW))


@EACH
def test_another_apps_signature_is_refused(system: str) -> None:
    """A good signature of another key."""
    good = KITS[system]
    body = json.dumps(good.body).encode()
    other = evolve(good.webhook, key="another")
    refused(Code.BAD_SIGNATURE, lambda: other.read(good.headers(body), body, NOW))


@EACH
def test_the_name_of_the_header_may_be_in_any_case(system: str) -> None:
    """HTTP does not tell them apart; other headers are not looked at."""
    good = KITS[system]
    body = json.dumps(good.body).encode()
    name, signature = good.webhook.scheme.header, good.sign(body)
    pairs = [("Host", "example.com"), (name.title(), signature), ("Cookie", "a=b")]
    assert good.webhook.read(pairs, body, NOW).hints
    assert good.webhook.read({name.upper(): signature}, body, NOW).hints


@EACH
def test_a_signature_that_is_missing_or_came_twice_is_refused(system: str) -> None:
    """Also the same one twice: who knows which one others in between have looked at."""
    good = KITS[system]
    body = json.dumps(good.body).encode()
    name, signature = good.webhook.scheme.header, good.sign(body)
    missing = refused(Code.BAD_SIGNATURE, lambda: good.webhook.read({}, body, NOW))
    assert name in missing.text
    assert "missing" in missing.text
    for pairs in (
        [(name, signature), (name.title(), signature)],
        [(name, signature), (name, "forged")],
        [(name, f"{signature}, {signature}")],
    ):
        refused(Code.BAD_SIGNATURE, lambda p=pairs: good.webhook.read(p, body, NOW))  # type: ignore[misc]
    both = {name: signature, name.upper(): signature}
    refused(Code.BAD_SIGNATURE, lambda: good.webhook.read(both, body, NOW))


@EACH
def test_the_signature_is_looked_at_before_anything_is_read(system: str) -> None:
    """A forged body is not parsed: it could be anything."""
    good = KITS[system]
    headers = {good.webhook.scheme.header: "forged"}
    for body in (b"{", b"\xff\xfe", b"[" * 100_000, b""):
        refused(Code.BAD_SIGNATURE, lambda b=body: good.webhook.read(headers, b, NOW))  # type: ignore[misc]


def test_a_digest_in_base64_can_be_set() -> None:
    """Where an account of Invoiced should sign otherwise than its sources say."""
    webhook = Webhook(evolve(INVOICED, digest="base64"), "books", key=KEY)
    body = json.dumps(invoiced_event()).encode()
    headers = {"X-Invoiced-Signature": in_base64(body)}
    assert webhook.read(headers, body, NOW).hints
    in_hex_headers = {"X-Invoiced-Signature": in_hex(body)}
    refused(Code.BAD_SIGNATURE, lambda: webhook.read(in_hex_headers, body, NOW))


def test_a_header_of_another_name_can_be_set() -> None:
    """In any case, as a person writes it."""
    webhook = Webhook(evolve(INVOICED, header="X-Signature"), "books", key=KEY)
    body = json.dumps(invoiced_event()).encode()
    assert webhook.read({"x-signature": in_hex(body)}, body, NOW).hints


def test_xeros_intent_to_receive() -> None:
    """Good and bad signatures over no events: the first is fine, the second is a 401."""
    body = json.dumps(xero_body()).encode()
    assert XERO_KIT.read(body) == Delivery(())
    headers = {"x-xero-signature": in_base64(body + b" ")}
    refused(Code.BAD_SIGNATURE, lambda: XERO_KIT.webhook.read(headers, body, NOW))


# Secrets --------------------------------------------------------------------------------


@EACH
def test_no_secret_is_shown(system: str) -> None:
    """Neither the key nor a good signature, nor what a body says, gets into a text."""
    good = KITS[system]
    assert KEY not in repr(good.webhook)
    assert KEY not in str(good.webhook)
    body = json.dumps(good.body).encode()
    other = b'{"secret":"in the body"'
    faults = [
        refused(c, lambda h=h, b=b: good.webhook.read(h, b, NOW))  # type: ignore[misc]
        for c, h, b in (
            (Code.BAD_SIGNATURE, good.headers(body), other),
            (Code.BAD_PAYLOAD, good.headers(other), other),
        )
    ]
    for fault in faults:
        told = f"{fault} {fault.remedy} {fault.__cause__} {fault.args}"
        for secret in (KEY, good.sign(body), good.sign(other), "in the body"):
            assert secret not in told


@pytest.mark.parametrize(
    "key", ["", " ", "\n", "key\n", " key", "a\nb", "a\x00b", "\ud800"]
)
@EACH
def test_a_key_that_can_be_none_is_refused(system: str, key: str) -> None:
    """An empty key would let anybody sign; the others were copied badly."""
    with pytest.raises(ConfigError, match="key"):
        evolve(KITS[system].webhook, key=key)


@pytest.mark.parametrize(
    ("wrong", "scheme", "company"),
    [("connection", XERO, TENANT), ("company", XERO, ""), ("company", INVOICED, "x")],
)
def test_what_cannot_be_is_refused_when_it_is_made(
    wrong: str, scheme: Scheme, company: str
) -> None:
    """Without a company, another tenant's events would be ours."""
    connection = "" if wrong == "connection" else "books"
    with pytest.raises(ConfigError, match=wrong):
        Webhook(scheme, connection, key=KEY, company=company)


def test_an_age_of_nothing_is_refused() -> None:
    """Every delivery would be too old."""
    with pytest.raises(ConfigError, match="age_max"):
        Webhook(INVOICED, "books", key=KEY, age_max=timedelta(0))


@pytest.mark.parametrize("body", ["{}", bytearray(b"{}"), {"events": []}, None])
def test_a_body_that_has_been_read_is_refused(body: Any) -> None:
    """Written anew it would have another signature, and the vendor would be blamed."""
    with pytest.raises(ConfigError, match="body"):
        XERO_KIT.webhook.read({}, body, NOW)


def test_a_time_without_a_zone_is_refused() -> None:
    """The caller's own mistake."""
    body = json.dumps(XERO_KIT.body).encode()
    with pytest.raises(ConfigError, match="time zone"):
        XERO_KIT.webhook.read(XERO_KIT.headers(body), body, NOW.replace(tzinfo=None))


# What is named --------------------------------------------------------------------------


def test_a_hint_says_which_when_and_by_which_event() -> None:
    """Times are UTC, and cut to microseconds."""
    (hint,) = NEW.read([cloud_event()]).hints
    assert hint == Hint(
        Ref("books", "Invoice", "1234"),
        datetime(2026, 3, 2, 11, 31, 25, 179851, tzinfo=UTC),
        "88cd52aa-33b6-4351-9aa4-47572edbd068",
    )
    (old,) = OLD.read(OLD.body).hints
    assert old.at == datetime(2026, 3, 2, 11, 31, 25, tzinfo=UTC)
    (cloud,) = XERO_KIT.read(XERO_KIT.body).hints
    assert cloud.at == datetime(2026, 3, 2, 11, 59, 39, 902000, tzinfo=UTC)
    (paid,) = INVOICED_KIT.read(INVOICED_KIT.body).hints
    assert (paid.at, paid.event) == (NOW - timedelta(minutes=1), "11296106")
    both = CONNECTWISE_KIT.read(CONNECTWISE_KIT.body).hints
    assert {(hint.at, hint.event) for hint in both} == {
        (None, "6dd82302-5e46-47c0-8c84-702868125b76")
    }


@pytest.mark.parametrize(
    "body", [XERO_KIT.body, OLD.body], ids=["xero", "quickbooks before"]
)
def test_a_delivery_without_ids_is_known_by_its_body(body: Any) -> None:
    """The same delivery has the same body; the SHA-256 is of what was signed."""
    system = XERO_KIT if "events" in body else OLD
    raw = json.dumps(body).encode()
    (hint,) = system.read(raw).hints
    assert hint.event == hashlib.sha256(raw).hexdigest()


def test_a_connectwise_event_without_a_message_id() -> None:
    """Older versions have none."""
    event = connectwise_event()
    del event["MessageId"]
    raw = json.dumps(event).encode()
    assert CONNECTWISE_KIT.read(raw).hints[0].event == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("category", "kind"),
    [("INVOICE", "Invoice"), ("CREDITNOTE", "CreditNote"), ("CONTACT", "Customer")],
)
def test_xeros_categories(category: str, kind: str) -> None:
    """The three that are records of ours."""
    found = XERO_KIT.read(xero_body(xero_event(eventCategory=category)))
    assert names(found) == [f"{kind} {INVOICE_ID}"]


@pytest.mark.parametrize("category", ["SUBSCRIPTION", "PREPAYMENT", "PAYMENT", ""])
def test_xeros_other_categories_are_counted(category: str) -> None:
    """A subscription's tenant is the app: it is of no company, and not a foreign one."""
    event = xero_event(eventCategory=category, tenantId=CONTACT_ID)
    assert XERO_KIT.read(xero_body(event)) == Delivery((), unknown=1)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("invoice", "Invoice"),
        ("creditmemo", "CreditNote"),
        ("payment", "Payment"),
        ("customer", "Customer"),
    ],
)
@pytest.mark.parametrize("verb", ["created", "updated", "deleted", "voided", "emailed"])
def test_intuits_entities(word: str, kind: str, verb: str) -> None:
    """In the new body; the old one writes them with capitals."""
    event = cloud_event(type=f"qbo.{word}.{verb}.v1")
    assert names(NEW.read([event])) == [f"{kind} 1234"]
    capital = {"creditmemo": "CreditMemo"}.get(word, word.title())
    body = {"eventNotifications": [old_body(REALM, entity(name=capital))]}
    assert names(OLD.read(body)) == [f"{kind} 1234"]


@pytest.mark.parametrize(
    "kind",
    [
        "qbo.bill.created.v1",
        "qbo.",
        "qbo.invoice",
        "payroll.invoice.created.v1",
        "invoice",
    ],
)
def test_intuits_other_events_are_counted(kind: str) -> None:
    """Another product's invoice is not ours."""
    assert NEW.read([cloud_event(type=kind)]) == Delivery((), unknown=1)


def test_a_merge_names_both_customers() -> None:
    """The one that stays first: links of the other one have to move there."""
    merge = cloud_event(type="qbo.customer.merged.v1", data={"deletedid": "27"})
    assert names(NEW.read([merge])) == ["Customer 1234", "Customer 27"]
    old = entity(name="Customer", operation="Merge", deletedId="27")
    body = {"eventNotifications": [old_body(REALM, old)]}
    assert names(OLD.read(body)) == ["Customer 1234", "Customer 27"]
    merged = {"object": {"id": 9, "original_customer": {"id": 8, "name": "Bob"}}}
    found = INVOICED_KIT.read(invoiced_event(type="customer.merged", data=merged))
    assert names(found) == ["Customer 9", "Customer 8"]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("invoice.viewed", ["Invoice 46225"]),
        ("credit_note.updated", ["CreditNote 46225"]),
        ("payment.deleted", ["Payment 46225"]),
        ("customer.created", ["Customer 46225"]),
        ("charge.failed", []),
        ("transaction.created", []),
        ("", []),
    ],
)
def test_invoiceds_types(kind: str, named: list[str]) -> None:
    """By the word before the point."""
    found = INVOICED_KIT.read(invoiced_event(type=kind))
    assert names(found) == named
    assert found.unknown == (not named)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("Invoice", ["Invoice 77", "CreditNote 77"]),
        ("company", ["Customer 77"]),
        ("ticket", []),
    ],
)
def test_connectwises_types(kind: str, named: list[str]) -> None:
    """A credit memo is an invoice there: both are named, a look shows which it is."""
    found = CONNECTWISE_KIT.read(connectwise_event(Type=kind))
    assert names(found) == named
    assert found.unknown == (not named)


# Whose events ---------------------------------------------------------------------------


def test_other_companies_events_are_left_out_and_counted() -> None:
    """One delivery may mix the companies of an app."""
    other = xero_event(tenantId=CONTACT_ID)
    found = XERO_KIT.read(xero_body(other, xero_event(), other))
    assert (names(found), found.foreign) == ([f"Invoice {INVOICE_ID}"], 2)
    companies: list[Any] = ["1", None, "", [], True]
    strangers = [cloud_event(intuitaccountid=each) for each in companies]
    found = NEW.read([*strangers, cloud_event()])
    assert (names(found), found.foreign) == (["Invoice 1234"], 5)
    body = {"eventNotifications": [old_body("1", entity()), old_body(REALM, entity())]}
    found = OLD.read(body)
    assert (names(found), found.foreign) == (["Invoice 1234"], 1)
    found = CONNECTWISE_KIT.read(connectwise_event(CompanyId="acme2"))
    assert found == Delivery((), foreign=1)


def test_a_companys_name_may_be_in_either_case_or_a_number() -> None:
    """ConnectWise writes the company as people signed in; a realm may come as a number."""
    assert CONNECTWISE_KIT.read(connectwise_event(CompanyId="ACME")).hints
    assert XERO_KIT.read(xero_body(xero_event(tenantId=TENANT.upper()))).hints
    assert NEW.read([cloud_event(intuitaccountid=int(REALM))]).hints


def test_a_hint_is_of_our_connection() -> None:
    """Two connections that read one delivery never meet."""
    other = evolve(NEW.webhook, connection="other", company="1")
    body = json.dumps([cloud_event(), cloud_event(intuitaccountid="1")]).encode()
    ours = NEW.webhook.read(NEW.headers(body), body, NOW).hints
    theirs = other.read(NEW.headers(body), body, NOW).hints
    assert [hint.ref.connection for hint in (*ours, *theirs)] == ["books", "other"]


def test_a_foreign_company_spoils_nothing() -> None:
    """What of its part cannot be read is counted, and ours is read."""
    strange: list[Any] = [
        {"realmId": "1"},
        {"realmId": "1", "dataChangeEvent": []},
        None,
        7,
    ]
    body = {"eventNotifications": [*strange, old_body(REALM, entity())]}
    found = OLD.read(body)
    assert (names(found), found.unreadable) == (["Invoice 1234"], 4)


# When -----------------------------------------------------------------------------------


def dated(system: str, at: datetime) -> Any:
    """A body whose event is of an instant."""
    text = at.isoformat().replace("+00:00", "Z")
    match system:
        case "xero":
            return xero_body(xero_event(eventDateUtc=text))
        case "quickbooks":
            return [cloud_event(time=text)]
        case "invoiced":
            return invoiced_event(timestamp=int(at.timestamp()))
    return {"eventNotifications": [old_body(REALM, entity(lastUpdated=text))]}


@DATED
def test_an_old_delivery_is_refused(system: str) -> None:
    """To the second: what is exactly as old as it may be is taken."""
    good = KITS[system]
    assert good.read(dated(system, NOW - AGE_MAX)).hints
    old = dated(system, NOW - AGE_MAX - timedelta(seconds=1))
    fault = refused(Code.STALE_DELIVERY, lambda: good.read(old))
    assert "2026-02-27T11:59:59+00:00" in fault.text


@DATED
def test_a_delivery_of_the_future_is_refused(system: str) -> None:
    """Kept today, it could be sent again for as long as it is ahead."""
    good = KITS[system]
    assert good.read(dated(system, NOW + AHEAD_MAX)).hints
    ahead = dated(system, NOW + AHEAD_MAX + timedelta(seconds=1))
    refused(Code.STALE_DELIVERY, lambda: good.read(ahead))


def test_a_delivery_is_as_old_as_its_newest_event() -> None:
    """It cannot have been signed before that: old events among new ones came late."""
    late = xero_event(eventDateUtc="2026-02-01T00:00:00")
    assert len(XERO_KIT.read(xero_body(late, xero_event(), late)).hints) == 3
    refused(Code.STALE_DELIVERY, lambda: XERO_KIT.read(xero_body(late, late)))


def test_foreign_and_unknown_events_date_nothing() -> None:
    """Only what is read for us is looked at; a delivery of none of ours is no trouble."""
    old = "2020-01-01T00:00:00"
    foreign = xero_event(eventDateUtc=old, tenantId=CONTACT_ID)
    unknown = xero_event(eventDateUtc=old, eventCategory="SUBSCRIPTION")
    found = XERO_KIT.read(xero_body(foreign, unknown))
    assert found == Delivery((), foreign=1, unknown=1)


def test_the_age_can_be_set() -> None:
    """Shorter, or so long that nothing is too old."""
    body = json.dumps(dated("xero", NOW - timedelta(hours=2))).encode()
    headers = XERO_KIT.headers(body)
    hour = evolve(XERO_KIT.webhook, age_max=timedelta(hours=1))
    refused(Code.STALE_DELIVERY, lambda: hour.read(headers, body, NOW))
    ever = evolve(XERO_KIT.webhook, age_max=timedelta.max)
    assert ever.read(headers, body, NOW).hints


def test_now_may_be_in_any_zone() -> None:
    """An instant is an instant."""
    body = json.dumps(dated("xero", NOW - AGE_MAX)).encode()
    there = NOW.astimezone(timezone(timedelta(hours=-9)))
    assert XERO_KIT.webhook.read(XERO_KIT.headers(body), body, there).hints


def test_connectwise_events_have_no_age() -> None:
    """There is no time in them that is not the record's: only their ids tell them apart."""
    assert CONNECTWISE_KIT.read(CONNECTWISE_KIT.body).hints[0].at is None


BAD_TIMES = [
    None,
    "",
    "yesterday",
    "2026-03-02",
    "2026-03-02T25:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-W10-1T12:00:00Z",
    "20260302T120000Z",
    "2026-03-02T12:00:00.1234567890Z",
    "٢٠٢٦-03-02T12:00:00Z",
    "0001-01-01T00:00:00+23:00",
    20260302,
    True,
    ["2026-03-02T12:00:00Z"],
]


@pytest.mark.parametrize("at", BAD_TIMES)
def test_an_event_that_does_not_say_when_is_counted(at: Any) -> None:
    """Without a time it would never be too old."""
    assert XERO_KIT.read(xero_body(xero_event(eventDateUtc=at))).unreadable == 1
    assert NEW.read([cloud_event(time=at)]).unreadable == 1


@pytest.mark.parametrize("at", [None, "1772452800", 1772452740.5, True, 10**300])
def test_an_event_of_invoiced_that_does_not_say_when(at: Any) -> None:
    """Whole seconds since 1970, and a year that there is."""
    assert INVOICED_KIT.read(invoiced_event(timestamp=at)) == Delivery((), unreadable=1)


def test_intuits_times_have_a_zone() -> None:
    """Xero's are UTC by their name; nothing says so of Intuit's."""
    assert NEW.read([cloud_event(time="2026-03-02T11:00:00")]).unreadable == 1


# Twice ----------------------------------------------------------------------------------


@EACH
def test_a_delivery_that_comes_again_gives_no_hints(system: str) -> None:
    """Vendors send again where an answer was late, and so may others."""
    good, seen = KITS[system], RecentlySeen()
    first = good.read(good.body, seen=seen)
    assert first.hints
    assert good.read(good.body, seen=seen) == Delivery((), repeated=1)
    assert good.read(good.body).hints == first.hints  # nobody remembers


def test_events_are_told_apart_one_by_one() -> None:
    """A new delivery may repeat some of an old one."""
    seen = RecentlySeen()
    one, two = cloud_event(id="one"), cloud_event(id="two", intuitentityid="2")
    NEW.read([one], seen=seen)
    found = NEW.read([one, two, two], seen=seen)
    assert (names(found), found.repeated) == (["Invoice 2", "Invoice 2"], 1)


def test_a_merge_is_one_event() -> None:
    """Its second record is not taken for a replay of its first."""
    merge = cloud_event(type="qbo.customer.merged.v1", data={"deletedid": "27"})
    seen = RecentlySeen()
    assert len(NEW.read([merge], seen=seen).hints) == 2
    assert NEW.read([merge], seen=seen) == Delivery((), repeated=1)


def test_events_that_only_share_a_delivery_are_all_named() -> None:
    """Where events have no ids, it is the delivery that is known or not."""
    seen = RecentlySeen()
    body = xero_body(xero_event(), xero_event(resourceId=CONTACT_ID))
    assert len(XERO_KIT.read(body, seen=seen).hints) == 2
    assert XERO_KIT.read(body, seen=seen) == Delivery((), repeated=2)


def test_one_memory_serves_many_connections() -> None:
    """Invoiced counts its events; two systems may use one number."""
    seen = RecentlySeen()
    other = evolve(INVOICED_KIT, webhook=evolve(INVOICED_KIT.webhook, connection="b"))
    assert INVOICED_KIT.read(invoiced_event(), seen=seen).hints
    assert other.read(invoiced_event(), seen=seen).hints


class Table:
    """A host's memory, which tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, datetime]] = []

    def add(self, event: str, at: datetime) -> bool:
        """Remember."""
        known = any(event == each for each, _ in self.asked)
        self.asked.append((event, at))
        return not known


def test_a_hosts_own_memory_is_asked_once_for_each_event_of_ours() -> None:
    """With the connection's name, and the instant at which it came in."""
    table = Table()
    other = cloud_event(id="theirs", intuitaccountid="1")
    NEW.read([cloud_event(id="a"), cloud_event(id="a"), other], seen=table)
    assert table.asked == [("books a", NOW)]


@EACH
def test_nothing_is_remembered_of_what_was_refused(system: str) -> None:
    """Else a forgery could make us deaf for the true event."""
    good, table = KITS[system], Table()
    body = json.dumps(good.body).encode()
    forged = {good.webhook.scheme.header: "forged"}
    options = (body, NOW, table)
    refused(Code.BAD_SIGNATURE, lambda: good.webhook.read(forged, *options))
    if "wise" not in system:
        later = (body, NOW + timedelta(days=9), table)
        headers = good.headers(body)
        refused(Code.STALE_DELIVERY, lambda: good.webhook.read(headers, *later))
    assert table.asked == []


@given(
    adds=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), min_size=1, max_size=40
    )
)
def test_what_is_remembered_is_what_a_list_would_remember(
    adds: list[tuple[str, int]],
) -> None:
    """The last two, for two hours; a clock may go back."""
    seen = RecentlySeen(size_max=2, age_max=timedelta(hours=2))
    kept: list[tuple[str, datetime]] = []
    for event, hours in adds:
        at = NOW + timedelta(hours=hours)
        while kept and at - kept[0][1] > timedelta(hours=2):
            kept.pop(0)
        known = [each for each in kept if each[0] == event]
        assert seen.add(event, at) is not bool(known)
        others = [each for each in kept if each[0] != event]
        kept = [*others[-1:], (event, at)]
        assert len(seen) == len(kept)


def test_the_oldest_is_forgotten_first() -> None:
    """What comes again is the newest again."""
    seen = RecentlySeen(size_max=2)
    assert [seen.add(each, NOW) for each in "abacab"] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_an_event_is_remembered_as_long_as_it_would_be_taken() -> None:
    """From the future by five minutes, it is taken for 72 hours and five minutes."""
    seen = RecentlySeen()
    body = dated("quickbooks", NOW + AHEAD_MAX)
    raw = json.dumps(body).encode()
    headers = NEW.headers(raw)
    assert NEW.webhook.read(headers, raw, NOW, seen).hints
    last = NOW + AHEAD_MAX + AGE_MAX
    assert NEW.webhook.read(headers, raw, last, seen) == Delivery((), repeated=1)
    after = last + timedelta(seconds=1)
    refused(Code.STALE_DELIVERY, lambda: NEW.webhook.read(headers, raw, after, seen))


@pytest.mark.parametrize(
    "options", [{"size_max": 0}, {"age_max": timedelta(0)}], ids=["size", "age"]
)
def test_a_memory_of_nothing_is_refused(options: dict[str, Any]) -> None:
    """It would know nothing again."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        RecentlySeen(**options)


@pytest.fixture
def eager() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager")
def test_threads_share_a_memory() -> None:
    """Of many that bring one event at once, one is told that it is new."""
    seen, gate = RecentlySeen(), threading.Barrier(8)
    told: list[bool] = []

    def bring() -> None:
        gate.wait()
        told.extend([seen.add(str(each), NOW) for each in range(2000)])

    threads = [threading.Thread(target=bring) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (told.count(True), len(told), len(seen)) == (2000, 16_000, 2000)


# Bad bodies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe{", b"[NaN]", b"[" * 100_000, b"<html>", b"1" * 9000]
)
@EACH
def test_a_signed_body_that_is_no_json(system: str, body: bytes) -> None:
    """It is the vendor's, and cannot be read."""
    fault = refused(Code.BAD_PAYLOAD, lambda: KITS[system].read(body))
    assert "next sync" in fault.remedy
    assert str(len(body)) in fault.text


@pytest.mark.parametrize("body", [b"null", b"7", b'"text"', b"{}x", b'{"events":{}}'])
@EACH
def test_a_signed_body_of_another_form(system: str, body: bytes) -> None:
    """JSON, and nothing that the vendor is known to send."""
    if body.startswith(b'{"events"') and KITS[system].body is not XERO_KIT.body:
        body = b"true"
    refused(Code.BAD_PAYLOAD, lambda: KITS[system].read(body))


BAD_IDS: list[Any] = [
    None,
    "",
    " 1",
    "1\n",
    "../admin",
    "1/../2",
    "1?x=1",
    "1'",
    "1,2",
    "٣",
    "é",
    "a" * 65,
    -0.5,
    True,
    [],
    {},
    10**90,
]


@pytest.mark.parametrize("identity", BAD_IDS)
def test_an_event_that_does_not_say_which_is_counted(identity: Any) -> None:
    """An id becomes a part of an address; its neighbours are read."""
    found = XERO_KIT.read(xero_body(xero_event(resourceId=identity), xero_event()))
    assert (len(found.hints), found.unreadable) == (1, 1)
    bad = {"object": {"id": identity}}
    assert INVOICED_KIT.read(invoiced_event(data=bad)) == Delivery((), unreadable=1)
    found = CONNECTWISE_KIT.read(connectwise_event(ID=identity))
    assert found == Delivery((), unreadable=1)


@pytest.mark.parametrize("identity", ["", "a\nb", "a" * 256, [], True])
def test_an_event_whose_own_id_is_none_is_counted(identity: Any) -> None:
    """Without it a replay would not be noticed."""
    assert NEW.read([cloud_event(id=identity)]) == Delivery((), unreadable=1)


@pytest.mark.parametrize("event", [None, 7, "x", [], {}, {"eventCategory": 7}])
def test_an_event_of_another_form_is_counted(event: Any) -> None:
    """And its neighbours are read."""
    found = XERO_KIT.read(xero_body(event, xero_event()))
    assert (len(found.hints), found.unreadable) == (1, 1)
    assert NEW.read([event]).unreadable == 1


def test_a_key_given_twice_is_not_guessed() -> None:
    """Two readers of one body could else act on two invoices."""
    raw = json.dumps(XERO_KIT.body).replace(
        '"resourceId":', '"resourceId": "another", "resourceId":'
    )
    assert XERO_KIT.read(raw.encode()) == Delivery((), unreadable=1)


@EACH
def test_a_body_beyond_the_limit_is_refused_unread(system: str) -> None:
    """Whoever signed it."""
    good = KITS[system]
    body = json.dumps(good.body).encode()
    padded = body + b" " * (BODY_MAX - len(body))
    assert good.read(padded).hints
    fault = refused(Code.TOO_LARGE, lambda: good.read(padded + b" "))
    assert str(BODY_MAX + 1) in fault.text
    forged = {good.webhook.scheme.header: "forged"}
    refused(Code.TOO_LARGE, lambda: good.webhook.read(forged, padded + b" ", NOW))


def test_more_events_than_the_limit_are_refused() -> None:
    """Counted whatever they are; a sync by time is the better way then."""
    event = cloud_event(type="qbo.bill.created.v1", intuitaccountid="1", data=None)
    assert NEW.read([event] * EVENTS_MAX).unknown == EVENTS_MAX
    refused(Code.TOO_LARGE, lambda: NEW.read([event] * (EVENTS_MAX + 1)))
    # Counted across the companies of a delivery.
    half = old_body("1", *[entity()] * (EVENTS_MAX // 2))
    assert OLD.read({"eventNotifications": [half] * 2}).foreign == EVENTS_MAX
    body = {"eventNotifications": [half, half, old_body("1", entity())]}
    refused(Code.TOO_LARGE, lambda: OLD.read(body))


# Laws -----------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([TENANT, REALM, COMPANY, INVOICE_ID, "2026-03-02T12:00:00Z"])
    | st.sampled_from(["INVOICE", "qbo.invoice.created.v1", "invoice.paid"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *xero_body(),
                    *xero_event(),
                    *cloud_event(),
                    *old_body("1"),
                    *entity(),
                    *invoiced_event(),
                    *connectwise_event(),
                    "eventNotifications",
                    "entities",
                    "object",
                    "deletedid",
                    "original_customer",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@st.composite
def mangled(draw: st.DrawFn, value: Any) -> Any:
    """A good body in which some parts are something else."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ANYTHING)
    if isinstance(value, dict):
        return {key: draw(mangled(item)) for key, item in value.items()}
    if isinstance(value, list):
        return [draw(mangled(item)) for item in value]
    return value


@EACH
@given(body=st.binary(max_size=60) | ANYTHING)
def test_signed_bytes_of_any_kind_raise_nothing_but_our_faults(
    system: str, body: Any
) -> None:
    """Whatever a vendor may have signed."""
    try:
        found = KITS[system].read(body)
    except Fault as fault:
        assert fault.code in (Code.BAD_PAYLOAD, Code.STALE_DELIVERY)  # noqa: PT017
    else:
        assert isinstance(found, Delivery)


@EACH
@given(data=st.data())
def test_a_body_with_anything_in_its_parts_is_counted_whole(
    system: str, data: Any
) -> None:
    """Every event is named, or counted under one of the reasons why not; none is both."""
    good = KITS[system]
    body = data.draw(mangled(good.body))
    try:
        found = good.read(body, seen=RecentlySeen())
    except Fault as fault:
        assert fault.code in (Code.BAD_PAYLOAD, Code.STALE_DELIVERY)  # noqa: PT017
        return
    assert all(hint.ref.connection == "books" for hint in found.hints)
    left = found.foreign + found.unknown + found.repeated + found.unreadable
    events = count_of_events(system, body)
    assert (events > left) == bool(found.hints)
    assert events >= left


def count_of_events(system: str, body: Any) -> int:
    """How many events a body holds that was not refused."""
    if system == "xero":
        return len(body["events"])
    if isinstance(body, list):
        return len(body)
    if "before" in system:
        return sum(map(of_one_company, body["eventNotifications"]))
    return 1


def of_one_company(part: Any) -> int:
    """The events of one company in Intuit's old body; one where they cannot be counted."""
    try:
        found = part["dataChangeEvent"]["entities"]
    except (KeyError, TypeError, IndexError):
        return 1
    return len(found) if isinstance(found, list) else 1


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["INVOICE", "CONTACT", "SUBSCRIPTION"]),
            st.sampled_from([TENANT, CONTACT_ID]),
            st.sampled_from([INVOICE_ID, "no id"]),
        ),
        max_size=8,
    )
)
def test_each_event_is_counted_once(events: list[tuple[str, str, str]]) -> None:
    """Hints and counts together make the number of events."""
    body = xero_body(
        *(
            xero_event(eventCategory=kind, tenantId=whose, resourceId=which)
            for kind, whose, which in events
        )
    )
    found = XERO_KIT.read(body)
    assert len(events) == (
        len(found.hints) + found.foreign + found.unknown + found.unreadable
    )
    assert found.unknown == sum(kind == "SUBSCRIPTION" for kind, _, _ in events)


@given(name=st.text(max_size=40), value=st.text(max_size=60) | st.just("\ud800"))
def test_headers_of_any_kind_are_refused(name: str, value: str) -> None:
    """Also signs that are no ASCII, and halves of characters."""
    body = json.dumps(XERO_KIT.body).encode()
    pairs = [(name, value), ("X-Xero-Signature", value)]
    refused(Code.BAD_SIGNATURE, lambda: XERO_KIT.webhook.read(pairs, body, NOW))
