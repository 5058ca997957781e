"""The fake Tryton does what is known of the real one, traps included."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.serving import serve
from tieout.testing.fakes.tryton import FakeTryton
from tieout.transport import HTTPTransport
from tieout.wire import Request, Response

HOST = "https://books.example.com"
INVOICE, LINE, MOVE = "account.invoice", "account.move.line", "account.move"
RECONCILIATION = "account.move.reconciliation"
TODAY = date(2026, 3, 10)
NOTHING = {"decimal": "0", "__class__": "Decimal"}


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 10, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def money(amount: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": amount}


def day(on: date) -> dict[str, Any]:
    return {"__class__": "date", "year": on.year, "month": on.month, "day": on.day}


def moment(at: datetime) -> dict[str, Any]:
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}


def amount(value: Any) -> Decimal:
    assert value["__class__"] == "Decimal"
    return Decimal(value["decimal"])


def warning_key(name: str, *records: str) -> str:
    text = "|".join(records).encode()
    return f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.{name}"


class Refusal(Exception):
    """The ``error`` of an answer."""

    def __init__(self, error: list[Any]) -> None:
        self.error = error
        super().__init__(str(error))


class Client:
    """A signed-in client that sends what a test says, and nothing more."""

    def __init__(self, fake: FakeTryton) -> None:
        self.fake = fake
        old = fake.version == "7.0"
        self.root = f"{HOST}/" if old else f"{HOST}/rpc/"
        self.url = f"{self.root}{fake.database}/"
        if not old:
            self.url = f"{HOST}/{fake.database}/rpc/"
        self.session = fake.issue_session()
        self.context: dict[str, Any] = {}
        self.context = self("model.res.user.get_preferences", True)

    def post(self, body: Any, url: str = "", **headers: str) -> Response:
        signed = {"Authorization": self.session, "Content-Type": "application/json"}
        signed |= {name.replace("_", "-"): text for name, text in headers.items()}
        kept = {name: text for name, text in signed.items() if text}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.fake.send(
            Request("POST", url or self.url, (), kept, content=content), 30
        )

    def send(self, method: str, *params: Any, **context: Any) -> Response:
        given = [*params, {**self.context, **context}]
        return self.post({"id": 1, "method": method, "params": given})

    def __call__(self, method: str, *params: Any, **context: Any) -> Any:
        answer = self.send(method, *params, **context)
        assert answer.status == 200, answer.text()
        content = answer.json()
        assert content["id"] == 1
        if "error" in content:
            raise Refusal(content["error"])
        return content["result"]

    def error(self, method: str, *params: Any, **context: Any) -> Any:
        with pytest.raises(Refusal) as caught:
            self(method, *params, **context)
        return caught.value.error

    @staticmethod
    def error_of(do: Callable[[], Any]) -> Any:
        with pytest.raises(Refusal) as caught:
            do()
        return caught.value.error

    def search(self, model: str, domain: Any, *more: Any, **context: Any) -> Any:
        return self(f"model.{model}.search", domain, *more, **context)

    def read(self, model: str, key: int, *names: str) -> Any:
        return self(f"model.{model}.read", [key], list(names))[0]

    def invoice(self, key: int, *names: str) -> Any:
        return self.read(INVOICE, key, *names)

    def write(self, model: str, key: int, values: Any, **context: Any) -> Any:
        return self(f"model.{model}.write", [key], values, **context)

    def wizard(
        self, name: str, ids: list[int], *steps: tuple[str, Any], model: str = INVOICE
    ) -> Any:
        """All steps in one session; what the last one answers."""
        session, *_ = self(f"wizard.{name}.create")
        place: dict[str, Any] = {"active_model": model, "active_ids": ids}
        place["active_id"] = ids[0] if ids else None
        answer = None
        for state, data in steps:
            answer = self(f"wizard.{name}.execute", session, data, state, **place)
        self(f"wizard.{name}.delete", session)
        return answer

    def start(self, key: int, paid: str, **more: Any) -> dict[str, Any]:
        """The filled-in first form of the wizard that pays."""
        shown = self.wizard("account.invoice.pay", [key], ("start", {}))
        defaults = shown["view"]["defaults"]
        form = {name: value for name, value in defaults.items() if "." not in name}
        form |= {"amount": money(paid), "description": "from billing"}
        form["payment_method"] = self.fake.chart.payment_method
        return {"start": {**form, **more}}

    def pay(self, key: int, paid: str, kind: str = "", **more: Any) -> Any:
        """Both forms of the wizard that pays, the second only where it is asked for."""
        data = self.start(key, paid, **more)
        asked = self.wizard("account.invoice.pay", [key], ("choice", data))
        if not asked:
            return asked
        defaults = asked["view"]["defaults"]
        ask = {name: value for name, value in defaults.items() if "." not in name}
        ask["writeoff"] = self.fake.chart.write_off if kind == "writeoff" else None
        ask["type"] = kind or ask["type"]
        data["ask"] = ask
        return self.wizard("account.invoice.pay", [key], ("pay", data))

    def draft(self, customer: int, price: str = "100.00", **more: Any) -> int:
        """A new draft invoice, made as a client has to."""
        values = {**self.values(customer, price), **more}
        return int(self(f"model.{INVOICE}.create", [values])[0])

    def values(self, customer: int, price: str = "100.00") -> dict[str, Any]:
        chart = self.fake.chart
        line = {
            "type": "line",
            "account": chart.revenue,
            "company": chart.company,
            "currency": chart.currency,
            "description": "Services",
            "quantity": 1.0,
            "unit_price": money(price),
        }
        return {
            "type": "out",
            "company": chart.company,
            "currency": chart.currency,
            "journal": chart.revenue_journal,
            "account": chart.receivable,
            "party": customer,
            "invoice_address": self.read("party.party", customer, "addresses")[
                "addresses"
            ][0],
            "payment_term": chart.term_now,
            "invoice_date": day(TODAY),
            "reference": "INV-1",
            "lines": [["create", [line]]],
        }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeTryton:
    return FakeTryton(now=clock)


@pytest.fixture
def client(fake: FakeTryton) -> Client:
    return Client(fake)


@pytest.fixture
def acme(fake: FakeTryton) -> int:
    return fake.add_customer("Acme", "C-1", email="ar@acme.example")


@pytest.fixture
def old() -> Client:
    return Client(FakeTryton(now=Clock(), version="7.0"))


def log_in(client: Client, login: str, parameters: Any, url: str = "") -> Response:
    body = {"id": 7, "method": "common.db.login", "params": [login, parameters, "en"]}
    return client.post(body, url, Authorization="")


# The server, before anybody is known -----------------------------------------------------


def test_the_version_is_asked_at_the_root_without_signing_in(
    client: Client, old: Client
) -> None:
    ask = {"id": 1, "method": "common.server.version", "params": []}
    assert client.post(ask, client.root, Authorization="").json()["result"] == "8.2"
    assert old.post(ask, old.root, Authorization="").json()["result"] == "7.0.59"
    databases = {"id": 1, "method": "common.db.list", "params": []}
    assert client.post(databases, client.root).json()["result"] == ["ledger"]
    assert client.post(ask).json()["error"] == ["'server'", ""]


def test_each_version_listens_at_its_own_address(client: Client, old: Client) -> None:
    ask = {"id": 1, "method": "common.server.version", "params": []}
    assert client.post(ask, f"{HOST}/ledger/").status == 405
    assert old.post(ask, f"{HOST}/ledger/rpc/").status == 405
    moved = client.post(ask, f"{HOST}/ledger/rpc")
    assert (moved.status, moved.header("Location")) == (308, f"{HOST}/ledger/rpc/")
    got = client.fake.send(Request("GET", client.url), 30)
    assert (got.status, got.header("Allow")) == (405, "POST, OPTIONS")
    assert client.fake.send(Request("GET", "http://[bad"), 30).status == 400


def test_an_unknown_database_is_404_and_in_7_0_an_error_in_the_body(
    client: Client, old: Client
) -> None:
    answer = log_in(client, "connector", {"password": "secret"}, f"{HOST}/other/rpc/")
    assert answer.status == 404
    assert (answer.header("Content-Type") or "").startswith("text/html")
    answer = log_in(old, "connector", {"password": "secret"}, f"{HOST}/other/")
    assert answer.json()["error"] == ["Database 'other' doesn't exist!", ""]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "Unable to get RPC method"),
        (b"[]", 400, "Unable to get RPC method"),
        (b'{"id":1,"method":"model.party.party.search"}', 400, "RPC params"),
        (b'{"id":1,"method":"m","params":[{"__class__":"date"}]}', 400, "RPC method"),
    ],
)
def test_a_body_that_is_no_call_is_refused(
    client: Client, body: bytes, status: int, told: str
) -> None:
    answer = client.post(body)
    assert (answer.status, told in answer.text()) == (status, True)


def test_a_body_of_another_kind_or_too_large_is_refused(clock: Clock) -> None:
    client = Client(FakeTryton(now=clock, body_bytes_max=500))
    assert client.post(b"{}", Content_Type="text/plain").status == 400
    assert client.post(b" " * 501).status == 413


# Signing in ------------------------------------------------------------------------------


def test_a_login_gives_a_token_that_opens_the_database(client: Client) -> None:
    user, token, bus = log_in(client, "connector", {"password": "secret"}).json()[
        "result"
    ]
    assert (user, bus) == (2, None)
    text = f"connector:{user}:{token}"
    client.session = f"Session {base64.b64encode(text.encode()).decode()}"
    assert client.search("party.party", []) == [1]


def test_7_0_names_no_bus(old: Client) -> None:
    result = log_in(old, "connector", {"password": "secret"}).json()["result"]
    assert len(result) == 2


def test_five_wrong_passwords_are_borne_and_the_seventh_try_is_locked_out(
    client: Client, clock: Clock
) -> None:
    wrong = [log_in(client, "connector", {"password": "no"}) for _ in range(6)]
    assert {answer.status for answer in wrong} == {401}
    assert (wrong[0].header("Content-Type") or "").startswith("text/html")
    right = log_in(client, "connector", {"password": "secret"})
    assert (right.status, right.header("Retry-After")) == (429, None)
    assert log_in(client, "somebody", {"password": "no"}).status == 401
    clock.advance(301)
    assert log_in(client, "connector", {"password": "secret"}).status == 200


def test_a_right_password_in_time_forgets_the_wrong_ones(client: Client) -> None:
    for _ in range(5):
        log_in(client, "connector", {"password": "no"})
    assert log_in(client, "connector", {"password": "secret"}).status == 200
    assert log_in(client, "connector", {"password": "no"}).status == 401


def test_a_login_without_a_password_is_asked_for_one(client: Client) -> None:
    answer = log_in(client, "connector", {})
    asked = ["password", "Password for connector", "password"]
    assert answer.json() == {"id": 7, "error": ["LoginException", asked]}


@pytest.mark.parametrize(
    "header",
    ["", "Bearer abc", "Session !!!", "Session Y29ubmVjdG9yOjI6eHg=", "Basic YTpi"],
)
def test_no_good_session_is_401_without_a_body(client: Client, header: str) -> None:
    client.session = header
    answer = client.send("model.party.party.search", [])
    assert (answer.status, answer.body) == (401, b"")
    assert answer.header("WWW-Authenticate") == 'Basic realm="Tryton"'


def test_a_session_ends_by_its_age_by_logout_and_when_a_test_says_so(
    client: Client, clock: Clock
) -> None:
    clock.advance(30 * 24 * 3600)
    assert client.send("model.party.party.search", []).status == 401
    client.session = client.fake.issue_session()
    out = {"id": 1, "method": "common.db.logout", "params": []}
    assert client.post(out).json() == {"id": 1, "result": None}
    assert client.post(out).status == 401
    client.session = client.fake.issue_session()
    client.fake.expire()
    assert client.send("model.party.party.search", []).status == 401


def test_a_session_left_alone_reads_and_writes_and_dies_when_it_wants_to_pay(
    client: Client, clock: Clock
) -> None:
    clock.advance(299)
    assert client.search("party.party", []) == [1]
    clock.advance(299)
    assert client("wizard.account.invoice.pay.create")[1:] == ["start", "end"]
    clock.advance(300)
    assert client.search("party.party", []) == [1]
    answer = client.send("wizard.account.invoice.pay.create")
    assert (answer.status, b"Unauthorized" in answer.body) == (401, True)
    assert client.send("model.party.party.search", []).status == 401


def test_a_revoked_user_is_out_for_good(client: Client) -> None:
    client.fake.revoke()
    assert client.send("model.party.party.search", []).status == 401
    assert log_in(client, "connector", {"password": "secret"}).status == 401


def test_the_preferences_are_the_context(client: Client, old: Client) -> None:
    assert client.context["company"] == client.fake.chart.company
    assert client.context["company.rec_name"] == "Dunder Mifflin"
    assert (client.context["companies"], "companies" in old.context) == ([1], False)
    assert client("model.res.user.get_preferences", False)["name"] == "Connector"


# Envelopes and errors --------------------------------------------------------------------


def test_another_envelope_gets_its_results_bare_and_its_errors_as_statuses(
    client: Client,
) -> None:
    ask = {"method": "model.party.party.search", "params": [[], {}]}
    assert client.post(ask).json() == [1]
    assert client.post({**ask, "id": 1, "jsonrpc": "2.0"}).json() == [1]
    wrong = {"method": "model.party.party.read", "params": [[9], [], {}]}
    answer = client.post(wrong)
    assert (answer.status, b"trying to read" in answer.body) == (400, True)
    assert client.post({**ask, "method": "model.no.such.search"}).status == 500


def test_a_call_without_a_context_is_refused(client: Client, old: Client) -> None:
    ask = {"id": 1, "method": "model.party.party.search", "params": [[]]}
    answer = client.post(ask)
    assert (answer.status, b"Missing context argument" in answer.body) == (422, True)
    assert old.post(ask).json()["error"] == ["Missing context argument", ""]
    assert client.post({**ask, "params": {}}).status == 422


def test_unknown_models_fields_and_methods(client: Client) -> None:
    assert client.error("model.foo.bar.search", []) == ["'foo.bar'", ""]
    assert client.error("wizard.foo.create") == ["'foo'", ""]
    assert client.send("model.party.party.nope").status == 403
    assert client.send("wizard.account.invoice.pay.nope").status == 403
    read = "model.party.party.read"
    assert client.error(read, [1], ["nope"]) == ["'nope'", ""]
    assert client.error("model.party.party.create", [{"nope": 1}]) == ["'nope'", ""]
    assert client.error("nonsense")[0].startswith("not enough values")
    missing = "missing 1 required positional argument: 'domain'"
    assert client.error("model.party.party.search")[0].endswith(missing)


def test_unknown_ids_are_named_all_together(client: Client) -> None:
    kind, (message, more, domain) = client.error(
        "model.party.party.read", [1, 98, 99], ["name"]
    )
    assert kind == "UserError"
    assert message == (
        'You are trying to read records "98, 99" of "Party" that don\'t exist.'
    )
    assert (more, domain) == ("", None)


def test_errors_speak_the_language_of_the_context(clock: Clock) -> None:
    client = Client(FakeTryton(now=clock, language="fr"))
    assert client.context["language"] == "fr"
    kind, (message, _, _) = client.error("model.party.party.read", [99], ["name"])
    assert (kind, message.startswith("Vous essayez")) == ("UserError", True)


def test_a_denied_model_is_refused_with_the_groups(client: Client) -> None:
    client.fake.deny("party.party")
    kind, (message, more, _) = client.error("model.party.party.search", [])
    assert (kind, message) == ("UserError", 'You are not allowed to access "Party".')
    assert more.startswith("Within groups: ")
    assert client.error("model.currency.currency.create", [{}])[0] == "UserError"


def test_without_a_company_nothing_that_needs_one_is_made(
    client: Client, acme: int
) -> None:
    values = client.values(acme)
    del values["company"]
    ask = {"id": 1, "method": f"model.{INVOICE}.create", "params": [[values], {}]}
    kind, (message, _, _) = client.post(ask).json()["error"]
    assert (kind, "User in companies" in message) == ("UserError", True)


def test_long_answers_are_compressed_or_said_to_be(client: Client, old: Client) -> None:
    for made in (client, old):
        for number in range(60):
            made.fake.add_customer(f"A customer of some length {number}")
    ask = {"id": 1, "method": "model.party.party.search_read"}
    ask["params"] = [[], 0, None, None, ["name"], {}]
    packed = client.post(ask, Accept_Encoding="gzip, deflate")
    assert packed.header("Content-Encoding") == "gzip"
    assert b"some length 59" in gzip.decompress(packed.body)
    # The server's own bug: it says gzip to whoever does not accept it.
    bare = client.post(ask)
    assert (bare.header("Content-Encoding"), bare.body[:1]) == ("gzip", b"{")
    assert old.post(ask, Accept_Encoding="gzip").header("Content-Encoding") is None
    short = {**ask, "params": [[], 0, 1, None, ["name"], {}]}
    assert client.post(short).header("Content-Encoding") is None


# Reading ---------------------------------------------------------------------------------


def test_amounts_days_and_instants_have_classes(
    fake: FakeTryton, client: Client, acme: int, clock: Clock
) -> None:
    key = fake.add_invoice("", acme, "100.00", on=TODAY)
    found = client.invoice(key, "total_amount", "invoice_date", "write_date")
    assert found["total_amount"] == money("100.00")
    assert found["invoice_date"] == day(TODAY)
    assert found["write_date"] == moment(clock.at)
    line = client.read("account.invoice.line", 1, "quantity", "unit_price")
    assert (line["quantity"], line["unit_price"]) == (1.0, money("100.00"))


def test_dotted_names_are_nested_rows(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    key = fake.add_invoice("", acme, "100.00", on=TODAY)
    line = fake.pay(key, "100.00", TODAY)
    found = client.invoice(
        key,
        "party",
        "party.name",
        "currency.code",
        "company.currency",
        "payment_lines.move.origin",
        "move.lines.reconciliation.lines.date",
        "additional_moves.lines",
        "cancel_move.date",
    )
    assert found["party"] == acme
    assert found["party."] == {"id": acme, "name": "Acme"}
    assert found["currency."] == {"id": 1, "code": "USD"}
    assert found["company."] == {"id": 1, "currency": 1}
    origin = f"{INVOICE},{key}"
    assert found["payment_lines."][0]["move."]["origin"] == origin
    assert found["payment_lines."][0]["id"] == line
    assert (found["additional_moves."], found["cancel_move."]) == ([], None)
    closed, plain = found["move."]["lines."]
    assert plain["reconciliation."] is None
    days = [each["date"] for each in closed["reconciliation."]["lines."]]
    assert days == [day(TODAY), day(TODAY)]


def test_a_reference_is_a_text_and_can_be_followed(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    key = fake.add_invoice("", acme, "100.00", on=TODAY)
    move = client.invoice(key, "move")["move"]
    found = client.read(MOVE, move, "origin", "origin.number")
    assert found["origin"] == f"{INVOICE},{key}"
    assert found["origin."] == {"id": key, "number": "2026-00001"}


def test_dotting_what_has_no_dots_is_refused(client: Client) -> None:
    read = "model.party.party.read"
    told = "'Char' object has no attribute 'get_target'"
    assert client.error(read, [1], ["name.x"]) == [told, ""]
    assert client.error(read, [1], ["addresses.nope"]) == ["'nope'", ""]


def test_a_read_keeps_no_order_and_no_doubles_a_search_keeps_its_own(
    fake: FakeTryton, client: Client
) -> None:
    for name in ("Zoe", "Bert"):
        fake.add_customer(name)
    rows = client("model.party.party.read", [3, 2, 3], ["name"])
    assert [row["name"] for row in rows] == ["Zoe", "Bert"]
    rows = client("model.party.party.search_read", [], 0, None, None, ["name"])
    assert [row["name"] for row in rows] == ["Bert", "Dunder Mifflin", "Zoe"]


def test_what_can_be_read_can_be_asked(client: Client, old: Client) -> None:
    fields = client(f"model.{INVOICE}.fields_get", ["party", "total_amount", "nope"])
    assert fields["party"]["relation"] == "party.party"
    assert fields["total_amount"]["string"] == "Total"
    assert "nope" not in fields
    recent = "sequence_type_cache"
    assert recent in client(f"model.{INVOICE}.fields_get")
    assert old.error(f"model.{INVOICE}.search_read", [], 0, 1, None, [recent]) == [
        f"'{recent}'",
        "",
    ]


@pytest.fixture
def stocked(fake: FakeTryton, client: Client) -> Client:
    """Ids 1 to 5: posted, paid, draft, credit note, posted for another party."""
    acme, bolt = fake.add_customer("Acme", "C-1"), fake.add_customer("Bolt", "C-2")
    fake.add_invoice("A_1", acme, "100.00", on=date(2026, 3, 1), reference="PO_7")
    paid = fake.add_invoice("A-2", acme, "50.00", on=date(2026, 3, 2))
    fake.pay(paid, "20.00", date(2026, 3, 3))
    fake.pay(paid, "30.00", date(2026, 3, 4))
    fake.add_invoice("", acme, "70.00", on=date(2026, 3, 5), status="draft")
    fake.add_credit_note("A-4", acme, "36.00", on=date(2026, 3, 6))
    fake.add_invoice("a-5", bolt, "5.00", on=date(2026, 3, 7), reference="po 7%")
    return client


def null(name: str, how: str = "=") -> list[Any]:
    return [name, how, None]


@pytest.mark.parametrize(
    ("domain", "ids"),
    [
        ([], [1, 2, 3, 4, 5]),
        ([[]], [1, 2, 3, 4, 5]),
        ([["id", "in", [2, 99]]], [2]),
        ([["id", "in", []]], []),
        ([["id", "not in", []]], [1, 2, 3, 4, 5]),
        ([["state", "=", "posted"], ["total_amount", ">", money("10")]], [1]),
        (["OR", ["id", "=", 1], [["id", "=", 2], ["state", "=", "draft"]]], [1]),
        ([["state", "!=", "posted"], ["OR", ["id", "<", 3], ["id", ">=", 5]]], [2]),
        (["AND", ["id", ">", 1], ["id", "<=", 2]], [2]),
        ([["number", "like", "A-%"]], [2, 4]),
        ([["number", "ilike", "a-%"]], [2, 4, 5]),
        ([["number", "like", "A_2"]], [2]),
        ([["number", "like", "A\\_%"]], [1]),
        ([["number", "ilike", "a-"]], []),
        ([["reference", "like", "%7\\%"]], [5]),
        ([["number", "not like", "A%"]], [3, 5]),
        ([["number", "=", "A\\_1"]], []),
        ([null("number")], [3]),
        ([null("number", "!=")], [1, 2, 4, 5]),
        # A missing text counts as an empty one, for everything but null.
        ([["number", "!=", "A-2"]], [1, 3, 4, 5]),
        ([["number", "=", ""]], [3]),
        ([["number", "<", "A-2"]], [3]),
        ([["number", "in", ["A-2", None]]], [2, 3]),
        ([["number", "not in", ["A-2", None]]], [1, 4, 5]),
        ([["party.name", "=", "Bolt"]], [5]),
        ([["party", "=", 2]], [1, 2, 3, 4]),
        ([["party", "=", "Bolt"]], [5]),
        ([["party", "where", [["code", "=", "C-2"]]]], [5]),
        ([["currency.code", "=", "USD"], ["id", ">", 4]], [5]),
        ([["invoice_date", ">", day(date(2026, 3, 5))]], [4, 5]),
        ([["invoice_date", "=", "2026-03-05"]], [3]),
        ([["lines.quantity", "<", 0]], [4]),
        ([null("payment_lines")], [1, 3, 4, 5]),
        ([null("payment_lines", "!=")], [2]),
        ([["payment_lines.credit", "=", money("20")]], [2]),
        ([["payment_lines.date", ">=", day(date(2026, 3, 4))]], [2]),
        ([["move.lines.reconciliation.lines.date", ">=", day(TODAY)]], []),
        ([null("move.lines.reconciliation", "!=")], [2]),
        ([null("move.date")], []),
        # What points nowhere differs from every value.
        ([["move.date", "!=", day(date(2026, 3, 1))]], [2, 3, 4, 5]),
        ([null("move.date", "!=")], [1, 2, 4, 5]),
        ([["payment_lines.credit", "!=", money("20")]], [1, 2, 3, 4, 5]),
    ],
)
def test_domains(stocked: Client, domain: Any, ids: list[int]) -> None:
    assert stocked.search(INVOICE, domain, 0, None, [["id", "ASC"]]) == ids
    assert stocked(f"model.{INVOICE}.search_count", domain) == len(ids)


@pytest.mark.parametrize(
    ("domain", "told"),
    [
        ([["nope", "=", 1]], "'nope'"),
        ([["party.nope", "=", 1]], "'nope'"),
        ([["id", "~", 1]], "maximum recursion depth exceeded in __instancecheck__"),
        (
            [["id", "<", 3], "OR"],
            "maximum recursion depth exceeded in __instancecheck__",
        ),
        ("x", "maximum recursion depth exceeded in __instancecheck__"),
        ([["id", "=", 1, 2, 3]], "too many values to unpack (expected 3)"),
        (
            [["amount_to_pay", ">", money("0")]],
            'Missing search function for field "Amount to Pay" in "Account Invoice".',
        ),
        ([["id", "=", "x"]], "invalid literal for int() with base 10: 'x'"),
        ([["total_amount", "=", "x"]], "could not convert string to float: 'x'"),
        ([["id", "in", 3]], "'int' object is not iterable"),
    ],
)
def test_domains_that_are_none(client: Client, domain: Any, told: str) -> None:
    assert client.error(f"model.{INVOICE}.search", domain) == [told, ""]


def test_a_reference_in_a_domain_needs_its_model(stocked: Client) -> None:
    through = ["move.origin.id", "=", 2, INVOICE]
    found = stocked.search(LINE, [through], 0, None, [["id", "ASC"]])
    assert len(found) == 6
    named = [["move.origin.number", "=", "A-2", INVOICE]]
    assert stocked.search(LINE, named, 0, None, [["id", "ASC"]]) == found
    assert stocked.search(LINE, [["move.origin", "=", f"{INVOICE},2"]])
    told = stocked.error(f"model.{LINE}.search", [through[:3]])
    assert told == ["not enough values to unpack (expected 4, got 3)", ""]


def test_7_0_takes_null_for_what_it_is(old: Client) -> None:
    party = old.fake.add_customer("Acme")
    old.fake.add_invoice("", party, "1.00", status="draft")
    assert old.search(INVOICE, [["number", "!=", "A"]]) == []
    assert old.search(INVOICE, [["number", "=", ""]]) == []
    assert old.search(INVOICE, [null("number")]) == [1]


def test_order_offset_and_limit(stocked: Client) -> None:
    def listed(*order: list[Any]) -> Any:
        return stocked.search(INVOICE, [], 0, None, list(order))

    assert listed(["invoice_date", "DESC"]) == [5, 4, 3, 2, 1]
    assert listed(["party.name", "DESC"], ["id", "ASC"]) == [5, 1, 2, 3, 4]
    assert listed(["party", "DESC"], ["id", "DESC"]) == [5, 4, 3, 2, 1]
    # Newest number first where no order is given, and drafts before them.
    assert stocked.search(INVOICE, []) == [3, 5, 1, 4, 2]
    assert stocked.search(INVOICE, [], 1, 2, [["id", "ASC"]]) == [2, 3]
    assert listed(["number", "ASC NULLS FIRST"]) == [3, 2, 4, 1, 5]
    search = f"model.{INVOICE}.search"
    told = 'Missing order function for field "Total" in "Account Invoice".'
    assert stocked.error(search, [], 0, 1, [["total_amount", "ASC"]]) == [told, ""]
    assert stocked.error(search, [], 0, 1, [["id", "UP"]]) == ["'UP'", ""]
    assert stocked.error(search, [], 0, 1, ["id"])[0].startswith("not enough values")
    assert stocked.error(search, [], "a", 1) == ["invalid offset: 'a'", ""]


def test_sqlite_sorts_nulls_first_ignores_case_and_has_no_booleans(
    clock: Clock,
) -> None:
    order = [["number", "ASC"], ["id", "ASC"]]
    for sqlite, first in ((True, 2), (False, 1)):
        client = Client(FakeTryton(now=clock, sqlite=sqlite))
        party = client.fake.add_customer("Acme")
        client.fake.add_invoice("A", party, "1.00", on=TODAY)
        client.fake.add_invoice("", party, "1.00", on=TODAY, status="draft")
        assert client.search(INVOICE, [], 0, 1, order) == [first]
        assert bool(client.search(INVOICE, [["number", "like", "a"]])) is sqlite
        found = client.read("party.party", party, "active", "_timestamp")
        assert found["active"] == 1
        assert (found["active"] is True) is not sqlite
        whole = clock.at.timestamp()
        wanted = f"{whole:.5f}" if sqlite else f"{whole:.6f}"
        assert found["_timestamp"] == wanted


def test_archived_records_are_hidden_until_they_are_asked_for(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    client.write("party.party", acme, {"active": False})
    assert client.search("party.party", [["id", "=", acme]]) == []
    both = [["id", "=", acme], ["active", "in", [True, False]]]
    assert client.search("party.party", both) == [acme]
    hidden = [["id", "=", acme]]
    assert client.search("party.party", hidden, active_test=False) == [acme]
    assert client.read("party.party", acme, "active")["active"] is False


# Customers -------------------------------------------------------------------------------


def test_a_party_is_made_with_its_parts_and_numbered(client: Client) -> None:
    values = {
        "name": "Acme",
        "addresses": [["create", [{"street": "1 Main St", "city": "Scranton"}]]],
        "contact_mechanisms": [["create", [{"type": "email", "value": "a@b.c"}]]],
        "identifiers": [["create", [{"type": None, "code": "BILL-1"}]]],
    }
    keys = client("model.party.party.create", [values, {"name": "Bolt", "code": "B"}])
    found = client.read(
        "party.party", keys[0], "code", "email", "addresses.rec_name", "rec_name"
    )
    assert (found["code"], found["email"]) == ("2", "a@b.c")
    assert found["addresses."][0]["rec_name"] == "Acme, 1 Main St, Scranton"
    by_code = [["identifiers.code", "=", "BILL-1"]]
    assert client.search("party.party", by_code) == keys[:1]


def test_codes_are_unique_and_stay(client: Client, acme: int) -> None:
    kind, (message, _, _) = client.error(
        "model.party.party.create", [{"name": "Second", "code": "C-1"}]
    )
    assert (kind, message) == ("UserError", "The code on party must be unique.")
    kind, (message, _, _) = client.error(
        "model.party.party.write", [acme], {"code": "C-9"}
    )
    assert message.startswith('You are not allowed to modify the field "Code"')
    ein = {"name": "V", "identifiers": [["create", [{"type": "us_ein", "code": "x"}]]]}
    assert client.error("model.party.party.create", [ein])[0] == "UserError"


def test_editing_an_address_does_not_move_the_party(
    fake: FakeTryton, client: Client, acme: int, clock: Clock
) -> None:
    made = clock.at
    clock.advance(60)
    fake.edit_address(acme, city="Scranton")
    address = client.read("party.party", acme, "addresses")["addresses"][0]
    assert client.read("party.address", address, "write_date")["write_date"] == moment(
        clock.at
    )
    mechanism = {"party": acme, "type": "email", "value": "new@acme.example"}
    client("model.party.contact_mechanism.create", [mechanism])
    stamp = client.read("party.party", acme, "write_date")["write_date"]
    assert stamp == moment(made)
    fake.edit_customer(acme, name="Acme Ltd")
    stamp = client.read("party.party", acme, "write_date")["write_date"]
    assert stamp == moment(clock.at)


def test_a_party_that_is_used_cannot_be_deleted(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    fake.add_invoice("", acme, "1.00", status="draft")
    kind, (message, _, _) = client.error("model.party.party.delete", [acme])
    assert (kind, '"Invoice Address" of "Account Invoice"' in message) == (
        "UserError",
        True,
    )
    free = fake.add_customer("Free")
    client("model.party.party.delete", [free])
    assert client.search("party.address", [["party", "=", free]]) == []


def test_a_stale_timestamp_is_a_concurrency_exception(
    fake: FakeTryton, client: Client, acme: int, clock: Clock
) -> None:
    stamp = client.read("party.party", acme, "_timestamp")["_timestamp"]
    known = {"_timestamp": {f"party.party,{acme}": stamp}}
    clock.advance(1)
    client.write("party.party", acme, {"name": "Acme 2"}, **known)
    clock.advance(1)
    told = client.error("model.party.party.write", [acme], {"name": "x"}, **known)
    assert told == ["ConcurrencyException", "Records were modified in the meanwhile"]
    assert client.error("model.party.party.delete", [acme], **known) == told


def test_the_stamps_of_a_bulk_call_are_one_and_7_0_has_none_before_a_change(
    client: Client, old: Client, clock: Clock
) -> None:
    for each, wanted in ((client, moment(clock.at)), (old, None)):
        keys = each("model.party.party.create", [{"name": "A"}, {"name": "B"}])
        rows = each(
            "model.party.party.read", keys, ["create_date", "write_date", "name"]
        )
        assert {str(row["create_date"]) for row in rows} == {str(moment(clock.at))}
        assert [row["write_date"] for row in rows] == [wanted, wanted]
    client.write("party.party", 2, {"name": "A2"})
    keys = [2, 3]
    client("model.party.party.write", keys[:1], {"name": "x"}, keys[1:], {"name": "y"})
    assert client.read("party.party", 3, "name")["name"] == "y"


def test_a_change_may_be_seen_later_than_its_stamp(
    fake: FakeTryton, client: Client, acme: int, clock: Clock
) -> None:
    clock.advance(3600)
    fake.commit_late(90)
    client.write("party.party", acme, {"name": "Slow"})
    stamp = client.read("party.party", acme, "write_date")["write_date"]
    assert stamp == moment(clock.at - timedelta(seconds=90))
    client.write("party.party", acme, {"name": "Quick"})
    stamp = client.read("party.party", acme, "write_date")["write_date"]
    assert stamp == moment(clock.at)


# Invoices --------------------------------------------------------------------------------


def test_an_invoice_is_made_by_a_client_and_posted(
    client: Client, acme: int, clock: Clock
) -> None:
    key = client.draft(acme)
    found = client.invoice(key, "state", "number", "total_amount", "amount_to_pay")
    assert found["state"] == "draft"
    assert (found["number"], found["amount_to_pay"]) == (None, NOTHING)
    assert client(f"model.{INVOICE}.post", [key]) is None
    found = client.invoice(key, "state", "number", "amount_to_pay", "lines_to_pay")
    assert (found["state"], found["number"]) == ("posted", "2026-00001")
    assert found["amount_to_pay"] == money("100.00")
    line = client.read(
        LINE, found["lines_to_pay"][0], "debit", "maturity_date", "party"
    )
    assert line["debit"] == money("100.00")
    assert (line["maturity_date"], line["party"]) == (day(TODAY), acme)


def test_what_a_client_forgets_is_refused_and_a_float_is_not(
    client: Client, acme: int
) -> None:
    create = f"model.{INVOICE}.create"
    for name in ("party", "account", "invoice_address"):
        values = client.values(acme)
        del values[name]
        kind, (message, _, _) = client.error(create, [values])
        assert (kind, message.startswith("A value is required")) == ("UserError", True)
    values = client.values(acme) | {"account": client.fake.chart.cash}
    kind, (message, _, domain) = client.error(create, [values])
    assert "is not valid according to its domain" in message
    assert domain is not None
    values = client.values(acme) | {"invoice_address": 1}
    assert client.error(create, [values])[0] == "UserError"
    assert client.error(create, [client.values(acme) | {"state": "posted"}])
    assert client.error(create, [client.values(acme, "10.12345")])[0] == "UserError"
    assert client.search(INVOICE, []) == []
    values = client.values(acme)
    values["lines"][0][1][0]["unit_price"] = 10.5
    made = client(create, [values])[0]
    assert client.invoice(made, "total_amount")["total_amount"] == money("10.50")


def test_taxes_are_computed_by_the_server_and_halves_go_to_even(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    tax = fake.add_tax("VAT", "0.2")
    values = client.values(acme, "33.33")
    (line,) = values["lines"][0][1]
    line |= {"quantity": 3.0, "taxes": [["add", [tax]]]}
    note = {"type": "comment", "description": "thank you"}
    values["lines"] = [["create", [line, {**line, "unit_price": money("0.055")}, note]]]
    key = client(f"model.{INVOICE}.create", [values])[0]
    names = ("untaxed_amount", "tax_amount", "total_amount")
    found = client.invoice(key, *names, "taxes.base", "taxes.amount", "lines.amount")
    # 3 x 0.055 = 0.165 is 0.16, and a fifth of the whole is computed at once.
    assert [amount(each["amount"]) for each in found["lines."]] == [
        Decimal("99.99"),
        Decimal("0.16"),
        Decimal(0),
    ]
    assert [amount(found[name]) for name in names] == [
        Decimal("100.15"),
        Decimal("20.03"),
        Decimal("120.18"),
    ]
    assert found["taxes."] == [
        {"id": 1, "base": money("100.15"), "amount": money("20.03")}
    ]
    client(f"model.{INVOICE}.post", [key])
    assert amount(client.invoice(key, "amount_to_pay")["amount_to_pay"]) == Decimal(
        "120.18"
    )


def test_numbers_follow_days_and_credit_notes_share_them(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    first = fake.add_invoice("", acme, "1.00", on=date(2026, 3, 5))
    note = fake.add_credit_note("", acme, "1.00", on=date(2026, 3, 5))
    assert client.invoice(first, "number")["number"] == "2026-00001"
    found = client.invoice(
        note, "number", "total_amount", "sequence_type_cache", "type"
    )
    assert (found["number"], found["type"]) == ("2026-00002", "out")
    assert found["total_amount"] == money("-1.00")
    assert found["sequence_type_cache"] == "credit_note"
    late = fake.add_invoice("", acme, "1.00", on=date(2026, 3, 4), status="draft")
    kind, (message, _, _) = client.error(f"model.{INVOICE}.post", [late])
    assert kind == "UserError"
    assert message == (
        'To number the invoice "(3)", you must set an invoice date after "03/04/2026" '
        'because the sequence "2026" has already been used for invoice "2026-00001".'
    )
    before = fake.add_invoice("", acme, "1.00", on=date(2025, 12, 31))
    assert client.invoice(before, "number")["number"] == "2025-00001"


def test_posting_is_refused_whole_and_twice(
    fake: FakeTryton, client: Client, acme: int, old: Client
) -> None:
    first, second = client.draft(acme), client.draft(acme)
    client(f"model.{INVOICE}.post", [first])
    kind, (message, _, _) = client.error(f"model.{INVOICE}.post", [second, first])
    assert (kind, message) == (
        "UserError",
        'You can not call "post" on "2026-00001 [INV-1]" of "Account Invoice".',
    )
    assert client.invoice(second, "state")["state"] == "draft"
    client(f"model.{INVOICE}.post", [second])
    assert client.invoice(second, "number")["number"] == "2026-00002"
    # 7.0 passes over what it has posted before.
    key = old.draft(old.fake.add_customer("Acme"))
    assert old(f"model.{INVOICE}.post", [key]) is None
    assert old(f"model.{INVOICE}.post", [key]) is None


def test_a_closed_or_missing_period_is_refused(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    fake.lock_through(date(2026, 2, 28))
    closed = fake.add_invoice("", acme, "1", on=date(2026, 2, 5), status="draft")
    kind, (message, _, _) = client.error(f"model.{INVOICE}.post", [closed])
    assert kind == "UserError"
    assert message.startswith('To continue, you must reopen the period "2026-02"')
    missing = fake.add_invoice("", acme, "1", on=date(2020, 2, 5), status="draft")
    kind, (message, _, _) = client.error(f"model.{INVOICE}.post", [missing])
    assert message.startswith("To continue, you must create a period for the date")
    fake.lock_through(None)
    fake.edit_invoice(closed, invoice_date=date(2026, 3, 10))
    client(f"model.{INVOICE}.post", [closed])


def test_warnings_are_accepted_once_each_or_for_ever(client: Client, acme: int) -> None:
    post, skip = f"model.{INVOICE}.post", "model.res.user.warning.skip"
    key = client.draft(acme, invoice_date=day(date(2026, 3, 1)))
    kind, (told, message, more) = client.error(post, [key])
    assert (kind, more) == ("UserWarning", "")
    assert told == warning_key("invoice_payment_term", f"{INVOICE},{key}")
    # The number that is named was given in vain.
    assert '"2026-00001 [INV-1]" generates a payment date "03/01/2026"' in message
    assert client(skip, told, False) is None
    client(post, [key])
    assert client.search("res.user.warning", []) == []
    both = [client.draft(acme, invoice_date=day(date(2026, 3, 20))) for _ in range(2)]
    kind, (told, _, _) = client.error(post, both)
    records = [f"{INVOICE},{each}" for each in both]
    assert told == warning_key("invoice_date_future", *records)
    client(skip, told, True)
    client(post, both)
    assert len(client.search("res.user.warning", [])) == 1


def test_an_older_7_0_accepts_warnings_by_making_them(clock: Clock) -> None:
    client = Client(FakeTryton(now=clock, version="7.0", warnings_by_create=True))
    values = {"user": 2, "name": "x", "always": False}
    assert client("model.res.user.warning.create", [values]) == [1]
    assert client.send("model.res.user.warning.skip", "x", False).status == 403
    newer = Client(FakeTryton(now=clock, version="7.0"))
    assert newer.error("model.res.user.warning.create", [values])[0] == "UserError"


def test_a_vat_number_that_nobody_has_checked_warns(client: Client, acme: int) -> None:
    identifier = {"party": acme, "type": "eu_vat", "code": "BE0897290877"}
    client("model.party.identifier.create", [identifier])
    key = client.draft(acme)
    kind, (told, _, _) = client.error(f"model.{INVOICE}.post", [key])
    assert (kind, told.endswith(".account.invoice eu_vat valid")) == (
        "UserWarning",
        True,
    )


def test_what_is_posted_stays_as_it_is_but_for_its_texts(
    fake: FakeTryton, client: Client, acme: int, old: Client
) -> None:
    key = fake.add_invoice("", acme, "100.00", on=TODAY)
    client.write(INVOICE, key, {"reference": "PO-1", "comment": "as agreed"})
    write = f"model.{INVOICE}.write"
    _, (message, _, _) = client.error(write, [key], {"invoice_date": day(TODAY)})
    assert message == (
        'You are not allowed to modify the field "Invoice Date" in record '
        '"2026-00001 [PO-1]" of "Account Invoice".'
    )
    assert client.error(write, [key], {"state": "paid"})[0] == "UserError"
    assert client.error(f"model.{INVOICE}.delete", [key])[0] == "UserError"
    assert client.error(f"model.{INVOICE}.cancel", [key])[0] == "UserError"
    line = client.invoice(key, "lines")["lines"][0]
    dear = {"unit_price": money("1")}
    assert client.error("model.account.invoice.line.write", [line], dear)
    aged = old.fake.add_invoice("", old.fake.add_customer("A"), "1.00", on=TODAY)
    _, (message, _, _) = old.error(write, [aged], {"invoice_date": day(TODAY)})
    assert message.endswith("because it is posted, paid or cancelled.")


def test_drafts_are_cancelled_deleted_and_taken_back(client: Client, acme: int) -> None:
    key = client.draft(acme)
    client(f"model.{INVOICE}.validate_invoice", [key])
    assert client.invoice(key, "state")["state"] == "validated"
    _, (message, _, _) = client.error(f"model.{INVOICE}.delete", [key])
    assert message == 'To delete invoice "[INV-1]" you must cancel it.'
    client(f"model.{INVOICE}.draft", [key])
    client(f"model.{INVOICE}.cancel", [key])
    assert client.invoice(key, "state")["state"] == "cancelled"
    client(f"model.{INVOICE}.delete", [key])
    assert client.search(INVOICE, []) == []
    assert client.search("account.invoice.line", []) == []


def test_a_line_of_a_draft_does_not_move_the_draft(
    client: Client, acme: int, clock: Clock
) -> None:
    key = client.draft(acme)
    made = moment(clock.at)
    clock.advance(10)
    line = client.invoice(key, "lines")["lines"][0]
    client.write("account.invoice.line", line, {"unit_price": money("90")})
    found = client.invoice(key, "write_date", "total_amount")
    assert (found["write_date"], found["total_amount"]) == (made, money("90.00"))
    client.write(INVOICE, key, {"lines": [["write", [line], {"quantity": 2.0}]]})
    assert client.invoice(key, "write_date")["write_date"] == moment(clock.at)
    client.write(INVOICE, key, {"lines": [["delete", [line]]]})
    assert client.invoice(key, "lines")["lines"] == []


def test_an_invoice_over_nothing_is_paid_at_once(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    key = fake.add_invoice("", acme, "0", on=TODAY)
    found = client.invoice(key, "state", "reconciled", "lines_to_pay", "payment_lines")
    assert (found["state"], found["reconciled"]) == ("paid", day(TODAY))
    assert (len(found["lines_to_pay"]), found["payment_lines"]) == (1, [])


def test_two_invoices_may_have_one_reference(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    first, second = client.draft(acme), client.draft(acme)
    found = client.search(INVOICE, [["reference", "=", "INV-1"]], 0, None, None)
    assert sorted(found) == [first, second]


# Money -----------------------------------------------------------------------------------


def status(client: Client, key: int) -> tuple[str, Decimal]:
    found = client.invoice(key, "state", "amount_to_pay")
    return found["state"], amount(found["amount_to_pay"])


@pytest.fixture
def posted(fake: FakeTryton, acme: int) -> int:
    """An invoice over 100.00, due in 30 days."""
    return fake.add_invoice("", acme, "100.00", on=TODAY, term=fake.chart.term_30)


def test_the_wizard_pays_in_full_without_asking(client: Client, posted: int) -> None:
    shown = client.wizard("account.invoice.pay", [posted], ("start", {}))["view"]
    assert shown["defaults"]["amount"] == money("100.00")
    assert shown["defaults"]["company."] == {"rec_name": "Dunder Mifflin"}
    assert {each["state"] for each in shown["buttons"]} == {"end", "choice"}
    assert "payment_method" in shown["fields_view"]["fields"]
    assert client.pay(posted, "100.00", date=day(date(2026, 3, 9))) == {}
    assert status(client, posted) == ("paid", Decimal(0))
    found = client.invoice(posted, "payment_lines", "reconciliation_lines")
    assert found["payment_lines"] == found["reconciliation_lines"]
    line = client.read(
        LINE,
        found["payment_lines"][0],
        "date",
        "credit",
        "maturity_date",
        "move.origin",
        "move.description",
        "move.journal.type",
        "description",
        "invoice_payment",
        "invoice_payments",
    )
    assert (line["date"], line["credit"]) == (day(date(2026, 3, 9)), money("100.00"))
    assert line["move."]["origin"] == f"{INVOICE},{posted}"
    assert line["move."]["description"] == "from billing"
    assert line["move."]["journal."]["type"] == "cash"
    assert (line["description"], line["maturity_date"]) == (None, None)
    assert line["invoice_payment"] == posted
    assert line["invoice_payments"] == [posted]


def test_the_paid_day_is_a_trap(fake: FakeTryton, client: Client, posted: int) -> None:
    """8.2 tells the day it was due, where that is later; 7.0 does not."""
    fake.pay(posted, "100.00", TODAY)
    due = TODAY + timedelta(days=30)
    assert client.invoice(posted, "reconciled")["reconciled"] == day(due)
    assert fake.paid(posted) == (Decimal("100.00"), TODAY)
    old = FakeTryton(now=Clock(), version="7.0")
    key = old.add_invoice(
        "", old.add_customer("A"), "1.00", on=TODAY, term=old.chart.term_30
    )
    old.pay(key, "1.00", date(2026, 3, 11))
    assert Client(old).invoice(key, "reconciled")["reconciled"] == day(
        date(2026, 3, 11)
    )


def test_parts_are_asked_about_and_add_up(client: Client, posted: int) -> None:
    data = client.start(posted, "40.00")
    asked = client.wizard("account.invoice.pay", [posted], ("choice", data))["view"]
    assert (asked["state"], asked["defaults"]["type"]) == ("ask", "partial")
    assert asked["defaults"]["lines"] == asked["defaults"]["lines_to_pay"]
    assert status(client, posted) == ("posted", Decimal("100.00"))
    client.pay(posted, "40.00")
    assert status(client, posted) == ("posted", Decimal("60.00"))
    found = client.invoice(posted, "payment_lines", "reconciliation_lines")
    assert (len(found["payment_lines"]), found["reconciliation_lines"]) == (1, [])
    assert client.pay(posted, "60.00") == {}
    assert status(client, posted) == ("paid", Decimal(0))


def test_the_session_of_a_wizard_remembers_its_forms(
    client: Client, posted: int
) -> None:
    data = client.start(posted, "30.00")
    steps = (("choice", data), ("pay", {"ask": {"type": "partial"}}))
    assert client.wizard("account.invoice.pay", [posted], *steps) == {}
    assert status(client, posted) == ("posted", Decimal("70.00"))
    place = {"active_model": INVOICE, "active_id": posted, "active_ids": [posted]}
    told = client.error("wizard.account.invoice.pay.execute", 99, {}, "start", **place)
    assert told[1][0].startswith('You are trying to read records "99"')
    session = client("wizard.account.invoice.pay.create")[0]
    execute = "wizard.account.invoice.pay.execute"
    assert client.error(execute, session, {}, "nope", **place) == ["'nope'", ""]
    assert client.error(execute, session, {}, "start")[0].startswith("'NoneType'")
    assert client(execute, session, {}, "end", **place) == {}


def test_too_much_is_split_and_the_rest_hangs_on_nothing(
    client: Client, posted: int
) -> None:
    _, (message, _, _) = client.error_of(lambda: client.pay(posted, "130", "partial"))
    assert message.endswith('greater than the amount to pay "$100.00".')
    client.pay(posted, "130.00")
    assert status(client, posted) == ("paid", Decimal(0))
    found = client.invoice(posted, "payment_lines", "reconciliation_lines")
    assert found["payment_lines"] == found["reconciliation_lines"]
    through = [["move.origin.id", "=", posted, INVOICE], ["credit", ">", money("0")]]
    through.append(["account.type.receivable", "=", True])
    names = ["credit", "reconciliation"]
    rows = client(f"model.{LINE}.search_read", through, 0, None, [["id", "ASC"]], names)
    assert [amount(row["credit"]) for row in rows] == [Decimal(100), Decimal(30)]
    assert rows[1]["reconciliation"] is None
    told = client.error_of(lambda: client.pay(posted, "5.00", "overpayment"))
    assert "no more left to pay" in told[1][0]


def test_too_much_after_parts_leaves_the_parts_out(client: Client, posted: int) -> None:
    """Which lines are closed is a guess of the server's, and it prefers the new ones."""
    client.pay(posted, "30.00")
    client.pay(posted, "30.00")
    parts = client.invoice(posted, "payment_lines")["payment_lines"]
    client.pay(posted, "100.00")
    found = client.invoice(posted, "payment_lines", "reconciliation_lines")
    closing = [
        client.read(LINE, key, "credit") for key in found["reconciliation_lines"]
    ]
    assert [amount(line["credit"]) for line in closing] == [Decimal(40), Decimal(60)]
    assert not set(parts) & set(found["payment_lines"])
    line = client.read(LINE, parts[0], "reconciliation", "move.origin")
    assert line["reconciliation"] is None
    assert line["move."]["origin"] == f"{INVOICE},{posted}"


def test_a_write_off_closes_what_stays_open(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    client.pay(posted, "95.00", "writeoff")
    assert status(client, posted) == ("paid", Decimal(0))
    found = client.invoice(posted, "payment_lines", "reconciliation_lines")
    paid, off = found["reconciliation_lines"]
    assert found["payment_lines"] == [paid]
    line = client.read(LINE, off, "credit", "move.origin", "move.journal.type")
    assert (line["credit"], line["move."]["origin"]) == (money("5.00"), None)
    assert line["move."]["journal."]["type"] == "write-off"
    assert fake.paid(posted) == (Decimal("95.00"), TODAY)
    closed = client.read(LINE, off, "reconciliation")["reconciliation"]
    kind, (told, _, _) = client.error(f"model.{RECONCILIATION}.delete", [closed])
    assert kind == "UserWarning"
    assert told == warning_key("delete.write-off", f"{RECONCILIATION},{closed}")


def test_7_0_stumbles_over_a_field_that_was_not_sent() -> None:
    fake = FakeTryton(now=Clock(), version="7.0")
    client = Client(fake)
    key = fake.add_invoice("", fake.add_customer("A"), "100.00", on=TODAY)
    data = client.start(key, "130.00")
    data["ask"] = {"type": "overpayment", "lines": client.invoice(key, "lines_to_pay")}
    data["ask"]["lines"] = data["ask"]["lines"]["lines_to_pay"]

    def pay() -> Any:
        return client.wizard("account.invoice.pay", [key], ("pay", data))

    told = "'account.invoice.pay.ask' Model has no attribute 'writeoff'"
    assert client.error_of(pay)[0].startswith(told)
    data["ask"]["writeoff"] = None
    assert pay() == {}
    del data["start"]["description"]
    assert "no attribute 'description'" in client.error_of(pay)[0]


def test_instalments_are_closed_one_by_one(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    term = fake.add_term("halves", (10, "0.5"), (40, "0.5"))
    key = fake.add_invoice("", acme, "99.99", on=TODAY, term=term)
    own = client.invoice(key, "lines_to_pay.debit", "lines_to_pay.maturity_date")
    parts = [amount(line["debit"]) for line in own["lines_to_pay."]]
    assert parts == [Decimal("50.00"), Decimal("49.99")]
    assert client.pay(key, "50.00") == {}
    assert status(client, key) == ("posted", Decimal("49.99"))
    found = client.invoice(key, "reconciled", "reconciliation_lines")
    assert (found["reconciled"], len(found["reconciliation_lines"])) == (None, 1)
    assert fake.paid(key) == (Decimal("50.00"), TODAY)


def test_a_payment_that_is_reversed_stays_linked_and_is_in_the_way(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    line = fake.pay(posted, "100.00", TODAY)
    fake.unreconcile(posted)
    # Open, with nothing to pay: the money still hangs on it.
    assert status(client, posted) == ("posted", Decimal(0))
    move = client.read(LINE, line, "move")["move"]
    cancel = ("cancel", {"default": {"reversal": True, "description": None}})

    def reverse() -> Any:
        return client.wizard("account.move.cancel", [move], cancel, model=MOVE)

    kind, (told, _, more) = client.error_of(reverse)
    assert (kind, more != "") == ("UserWarning", True)
    assert told == warning_key("cancel_invoice_move", f"{MOVE},{move}")
    client("model.res.user.warning.skip", told, False)
    stamp = client.invoice(posted, "write_date")["write_date"]
    assert reverse() == {}
    assert status(client, posted) == ("posted", Decimal("100.00"))
    found = client.invoice(posted, "payment_lines", "write_date")
    assert (found["payment_lines"], found["write_date"]) == ([line], stamp)
    other = client.search(LINE, [["origin", "=", f"{LINE},{line}"]])[0]
    names = ("debit", "reconciliation", "move.origin")
    reversal = client.read(LINE, other, *names)
    assert reversal["debit"] == money("100.00")
    assert reversal["move."]["origin"] == f"{MOVE},{move}"
    assert fake.paid(posted) == (Decimal(0), None)
    told = client.error_of(lambda: client.pay(posted, "100.00"))
    assert "can not be greater than the invoice amount" in told[1][0]
    client.write(INVOICE, posted, {"payment_lines": [["remove", [line]]]})
    assert client.pay(posted, "100.00") == {}
    assert status(client, posted) == ("paid", Decimal(0))


def test_a_payment_that_closed_an_invoice_is_opened_before_it_is_reversed(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    line = fake.pay(posted, "100.00", TODAY)
    move = client.read(LINE, line, "move")["move"]
    form = {"default": {"reversal": True, "description": None}}

    def reverse() -> Any:
        return client.wizard(
            "account.move.cancel", [move], ("cancel", form), model=MOVE
        )

    told = client.error_of(reverse)
    assert told[1][0].startswith("You cannot reconcile already reconciled line")
    fake.void_payment(line)
    assert status(client, posted) == ("posted", Decimal("100.00"))


def test_a_reversal_can_be_entered_by_hand(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    line = fake.pay(posted, "40.00", TODAY)
    chart = fake.chart
    own = client.read(LINE, line, "move.lines", "move.period", "move")
    lines = [
        {"account": chart.receivable, "party": 2, "debit": money("40.00")},
        {"account": chart.cash, "credit": money("40.00")},
    ]
    values = {"journal": chart.cash_journal, "date": day(TODAY), "company": 1}
    values |= {"origin": f"{MOVE},{own['move']}", "period": own["move."]["period"]}
    create = f"model.{MOVE}.create"
    bad = [{**values, "lines": [["create", lines[:1]]]}]
    unbalanced = client(create, bad)
    told = client.error(f"model.{MOVE}.post", unbalanced)
    assert "must balance all its lines" in told[1][0]
    nobody = [{**values, "lines": [["create", [{**lines[0], "party": None}]]]}]
    assert "you must set a party" in client.error(create, nobody)[1][0]
    made = client(create, [{**values, "lines": [["create", lines]]}])
    client(f"model.{MOVE}.post", made)
    other = client.search(
        LINE, [["move", "in", made], ["account", "=", chart.receivable]]
    )
    done = client.wizard(
        "account.move.reconcile_lines", [line, *other], ("start", {}), model=LINE
    )
    assert done == {}
    assert status(client, posted) == ("posted", Decimal("100.00"))
    assert client.error(f"model.{MOVE}.delete", made)[0] == "UserError"
    assert client.error(f"model.{LINE}.write", other, {"debit": money("1")})


# Credit ----------------------------------------------------------------------------------


def credit(client: Client, key: int, *, refund: bool) -> int:
    form = {"with_refund": refund, "with_refund_allowed": True}
    data = {"start": {**form, "invoice_date": day(TODAY)}}
    done = client.wizard("account.invoice.credit", [key], ("credit", data))
    return int(done["actions"][0][1]["res_id"][0])


def test_crediting_with_a_refund_cancels_the_invoice(
    client: Client, posted: int
) -> None:
    shown = client.wizard("account.invoice.credit", [posted], ("start", {}))
    assert shown["view"]["defaults"] == {
        "with_refund": True,
        "with_refund_allowed": True,
    }
    note = credit(client, posted, refund=True)
    assert status(client, posted) == ("cancelled", Decimal(0))
    assert status(client, note) == ("paid", Decimal(0))
    names = ("reference", "origin_invoices", "total_amount", "lines.quantity", "number")
    found = client.invoice(note, *names)
    assert (found["reference"], found["origin_invoices"]) == (None, [posted])
    assert found["total_amount"] == money("-100.00")
    assert found["lines."][0]["quantity"] == -1.0
    assert found["number"] == "2026-00002"
    found = client.invoice(posted, "reconciled", "payment_lines", "cancel_move")
    assert found["reconciled"] is not None
    assert found["cancel_move"] == client.invoice(note, "move")["move"]
    draft = client.draft(2)
    told = client.error_of(lambda: credit(client, draft, refund=True))
    assert told[1][0] == 'You cannot refund invoice "[INV-1]" because it is not posted.'


def test_opening_what_cancelled_an_invoice_posts_it_again(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    fake.void_invoice(posted)
    assert status(client, posted) == ("cancelled", Decimal(0))
    fake.unreconcile(posted)
    assert status(client, posted) == ("posted", Decimal("100.00"))
    assert client.invoice(posted, "cancel_move")["cancel_move"] is None


def test_crediting_without_a_refund_makes_a_draft_that_is_applied_in_full(
    client: Client, posted: int
) -> None:
    note = credit(client, posted, refund=False)
    assert status(client, note) == ("draft", Decimal(0))
    client(f"model.{INVOICE}.post", [note])
    assert status(client, note) == ("posted", Decimal("-100.00"))
    own = [
        client.invoice(key, "lines_to_pay")["lines_to_pay"] for key in (posted, note)
    ]
    lines = [*own[0], *own[1]]

    def apply() -> Any:
        name = "account.move.reconcile_lines"
        return client.wizard(name, lines, ("start", {}), model=LINE)

    assert apply() == {}
    assert status(client, posted) == status(client, note) == ("paid", Decimal(0))
    settled = client.invoice(posted, "payment_lines", "reconciliation_lines")
    assert (settled["payment_lines"], settled["reconciliation_lines"]) == ([], own[1])
    assert client.error_of(apply)[0] == "UserError"
    assert client.send(f"model.{LINE}.reconcile", lines).status == 403


def test_a_smaller_note_is_linked_and_still_looks_open(
    fake: FakeTryton, client: Client, acme: int, posted: int
) -> None:
    note = fake.add_credit_note("", acme, "36.00", on=TODAY)
    lines = client.invoice(note, "lines_to_pay")["lines_to_pay"]
    shown = client.wizard(
        "account.move.reconcile_lines",
        [*client.invoice(posted, "lines_to_pay")["lines_to_pay"], *lines],
        ("start", {}),
        model=LINE,
    )
    assert shown["view"]["state"] == "writeoff"
    assert shown["view"]["defaults"]["amount"] == money("64.00")
    client.write(INVOICE, posted, {"payment_lines": [["add", lines]]})
    assert status(client, posted) == ("posted", Decimal("64.00"))
    assert status(client, note) == ("posted", Decimal("-36.00"))
    assert client.read(LINE, lines[0], "write_date")["write_date"] is None
    second = fake.add_invoice("", acme, "50.00", on=TODAY)
    write, added = f"model.{INVOICE}.write", {"payment_lines": [["add", lines]]}
    told = client.error(write, [second], added)
    assert told[1][0] == "A payment line can be linked to only one invoice."
    client.write(INVOICE, posted, {"payment_lines": [["remove", lines]]})
    small = fake.add_invoice("", acme, "10.00", on=TODAY)
    told = client.error(write, [small], added)
    assert told[1][0].startswith("Payment lines amount on invoice")
    same = fake.add_invoice("", acme, "36.00", on=TODAY)
    client.write(INVOICE, same, added)
    assert status(client, same) == ("posted", Decimal(0))


def test_a_note_applied_in_full_lets_go_of_earlier_payments(
    fake: FakeTryton, client: Client, acme: int, posted: int
) -> None:
    paid = fake.pay(posted, "40.00", TODAY)
    note = fake.add_credit_note("", acme, "100.00", on=TODAY)
    own = [
        *client.invoice(posted, "lines_to_pay")["lines_to_pay"],
        *client.invoice(note, "lines_to_pay")["lines_to_pay"],
    ]
    client.wizard("account.move.reconcile_lines", own, ("start", {}), model=LINE)
    assert status(client, posted) == ("paid", Decimal(0))
    assert client.invoice(posted, "payment_lines")["payment_lines"] == []
    assert client.read(LINE, paid, "reconciliation")["reconciliation"] is None


def test_a_bookkeeper_applies_notes_whole(
    fake: FakeTryton, client: Client, acme: int, posted: int
) -> None:
    small = fake.add_credit_note("", acme, "36.00", on=TODAY)
    with pytest.raises(ValueError, match="whole: 36"):
        fake.allocate(small, posted, "30.00")
    fake.allocate(small, posted)
    assert fake.paid(posted) == (Decimal("36.00"), TODAY)
    rest = fake.add_credit_note("", acme, "64.00", on=TODAY)
    fake.allocate(rest, posted)
    assert {status(client, key)[0] for key in (posted, small, rest)} == {"paid"}
    assert [row["id"] for row in fake.credit_notes()] == [small, rest]


def test_a_credit_note_is_paid_back_with_a_negative_amount(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    note = fake.add_credit_note("", acme, "100.00", on=TODAY)
    wrong = client.error_of(lambda: client.pay(note, "30.00"))
    assert "is not valid according to its domain" in wrong[1][0]
    assert client.pay(note, "-100.00") == {}
    assert status(client, note) == ("paid", Decimal(0))


# What moves when -------------------------------------------------------------------------


def moved(client: Client, clock: Clock, keys: dict[str, int], do: Any) -> set[str]:
    """Which of the records were stamped by what was done."""
    clock.advance(60)
    do()
    found = set()
    for name, key in keys.items():
        model = LINE if name.startswith("line") else INVOICE
        if client.read(model, key, "write_date")["write_date"] == moment(clock.at):
            found.add(name)
    return found


@pytest.mark.parametrize("worker", [False, True])
def test_what_moves_the_stamps(clock: Clock, worker: bool) -> None:
    fake = FakeTryton(now=clock, worker=worker)
    client = Client(fake)
    acme = fake.add_customer("Acme")
    first = fake.add_invoice("", acme, "100.00", on=TODAY)
    second = fake.add_invoice("", acme, "100.00", on=TODAY)
    note = fake.add_credit_note("", acme, "100.00", on=TODAY)
    keys = {"invoice": first, "other": second, "note": note}
    own = client.invoice(first, "lines_to_pay")["lines_to_pay"][0]
    keys["line"] = own
    part = []
    assert moved(client, clock, keys, lambda: part.append(fake.pay(first, "40"))) == {
        "invoice"
    }
    assert moved(client, clock, keys, lambda: fake.void_payment(part[0])) == set()
    paid: list[int] = []
    client.write(INVOICE, first, {"payment_lines": [["remove", part]]})
    pay = moved(client, clock, keys, lambda: paid.append(fake.pay(first, "100")))
    assert pay == {"invoice", "line"}
    late = set() if worker else {"invoice"}
    opened = moved(client, clock, keys, lambda: fake.unreconcile(first))
    assert opened == {"line"} | late
    both = set() if worker else {"other", "note"}
    assert moved(client, clock, keys, lambda: fake.allocate(note, second)) == both


def test_with_a_worker_the_state_follows_when_it_works(clock: Clock) -> None:
    fake = FakeTryton(now=clock, worker=True)
    client = Client(fake)
    acme = fake.add_customer("Acme")
    key = fake.add_invoice("", acme, "100.00", on=TODAY)
    fake.pay(key, "100.00", TODAY)
    assert status(client, key) == ("posted", Decimal(0))
    assert client.invoice(key, "reconciled")["reconciled"] == day(TODAY)
    other = fake.add_invoice("", acme, "50.00", on=TODAY)
    note = fake.void_invoice(other)
    assert note is not None
    assert status(client, other) == ("cancelled", Decimal(0))
    assert status(client, note) == ("posted", Decimal(0))
    kind, (message, _, _) = client.error(f"model.{INVOICE}.process", [key, other])
    assert (kind, message.startswith('You can not call "process"')) == (
        "UserError",
        True,
    )
    client(f"model.{INVOICE}.process", [key])
    assert status(client, key)[0] == "paid"
    fake.work()
    assert status(client, note)[0] == "paid"


# Currencies ------------------------------------------------------------------------------


def test_an_invoice_in_another_currency_keeps_both_amounts(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    fake.add_currency("EUR", "0.5")
    key = fake.add_invoice("", acme, "100.00", on=TODAY, currency="EUR")
    own = client.invoice(key, "lines_to_pay")["lines_to_pay"][0]
    names = ("debit", "amount_second_currency", "second_currency.code", "amount")
    line = client.read(LINE, own, *names)
    assert (line["debit"], line["amount"]) == (money("200.00"), money("100.00"))
    assert line["amount_second_currency"] == money("100.00")
    assert line["second_currency."]["code"] == "EUR"
    client.pay(key, "40.00")
    assert status(client, key) == ("posted", Decimal("60.00"))
    client.pay(key, "90.00")
    assert status(client, key) == ("paid", Decimal(0))
    assert fake.paid(key) == (Decimal("100.00"), TODAY)
    line = client.invoice(key, "lines")["lines"][0]
    wrong = client.values(acme) | {"currency": 2}
    told = client.error(f"model.{INVOICE}.create", [wrong])
    assert 'field "Lines"' in told[1][0]


def test_a_rate_that_has_moved_leaves_a_difference_of_exchange(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    euro = fake.add_currency("EUR", "0.5")
    key = fake.add_invoice("", acme, "100.00", on=date(2026, 3, 9), currency="EUR")
    rate = {"currency": euro, "date": TODAY, "rate": Decimal("0.4")}
    fake._do(lambda: fake.books.insert("currency.currency.rate", rate))
    fake.pay(key, "100.00", TODAY)
    assert status(client, key) == ("paid", Decimal(0))
    closing = client.invoice(key, "reconciliation_lines")["reconciliation_lines"]
    names = ("debit", "credit", "amount_second_currency", "move.journal.type")
    paid, exchange = (client.read(LINE, each, *names) for each in closing)
    assert (paid["credit"], exchange["debit"]) == (money("250.00"), money("50.00"))
    assert exchange["amount_second_currency"] == NOTHING
    assert exchange["move."]["journal."]["type"] == "write-off"
    assert fake.paid(key) == (Decimal("100.00"), TODAY)


def test_yen_have_no_cents_and_dinars_three(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    for code, given, wanted in (("JPY", "100.6", "101"), ("BHD", "1.2345", "1.234")):
        key = fake.add_invoice("", acme, given, on=TODAY, currency=code)
        assert client.invoice(key, "total_amount")["total_amount"] == money(wanted)


# Troubles --------------------------------------------------------------------------------


def test_calls_are_throttled_and_fail_before_or_after(
    fake: FakeTryton, client: Client, acme: int
) -> None:
    fake.throttle(retry_after=7)
    answer = client.send("model.party.party.search", [])
    assert (answer.status, answer.header("Retry-After")) == (429, "7")
    fake.fail(status=504, body=b"gateway")
    answer = client.send("model.party.party.create", [{"name": "Before"}])
    assert (answer.status, answer.body) == (504, b"gateway")
    fake.fail(after=True)
    answer = client.send("model.party.party.create", [{"name": "After"}])
    assert answer.status == 500
    names = [row["name"] for row in fake.customers()]
    assert names == ["Acme", "After"]


def test_an_answer_is_lost_after_the_write_that_is_meant(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    fake.lose(of="wizard.account.invoice.pay.execute")
    data = client.start(posted, "100.00")
    with pytest.raises(Fault) as lost:
        client.wizard("account.invoice.pay", [posted], ("choice", data))
    assert (lost.value.code, lost.value.fate) == (Code.ANSWER_LOST, Fate.UNCLEAR)
    assert status(client, posted) == ("paid", Decimal(0))
    mark = [["move.description", "=", "from billing"], ["invoice_payment", "!=", None]]
    assert len(client.search(LINE, mark)) == 1


def test_calls_requests_and_writes_are_counted(
    fake: FakeTryton, client: Client, posted: int
) -> None:
    fake.calls.clear()
    requests, writes = fake.requests, fake.writes
    client.search(INVOICE, [])
    client.pay(posted, "40.00")
    client.wizard("account.invoice.pay", [posted], ("start", {}), ("end", {}))
    assert fake.calls["model.account.invoice.search"] == 1
    assert fake.calls["wizard.account.invoice.pay.create"] == 4
    assert fake.requests - requests == sum(fake.calls.values())
    # Only the two steps that may pay could change something.
    assert fake.writes - writes == 2


def test_its_own_clock_moves_with_each_change_and_by_hand() -> None:
    fake = FakeTryton()
    client = Client(fake)
    keys = [fake.add_customer(name) for name in ("A", "B")]
    rows = client("model.party.party.read", keys, ["create_date"])
    seconds = [row["create_date"]["second"] for row in rows]
    assert seconds[1] - seconds[0] == 1
    fake.advance(3600)
    later = fake.add_customer("C")
    found = client.read("party.party", later, "create_date")["create_date"]
    assert found["hour"] == rows[0]["create_date"]["hour"] + 1


def test_a_companys_day_is_its_own(clock: Clock) -> None:
    clock.at = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    fake = FakeTryton(now=clock, timezone="Pacific/Auckland")
    client = Client(fake)
    found = client.read("company.company", 1, "timezone", "party.name")
    assert found["timezone"] == "Pacific/Auckland"
    assert found["party."] == {"id": 1, "name": "Dunder Mifflin"}
    key = fake.add_invoice("", fake.add_customer("A"), "1.00")
    on = client.invoice(key, "invoice_date")["invoice_date"]
    assert on == day(date(2026, 3, 11))


def test_the_views_of_a_test(fake: FakeTryton, acme: int, posted: int) -> None:
    note = fake.add_credit_note("CN-1", acme, "5.00", on=TODAY)
    paid = fake.pay(posted, "10.00", TODAY, "cheque 7")
    assert [row["id"] for row in fake.invoices()] == [posted]
    assert fake.invoice(note)["number"] == "CN-1"
    assert fake.invoice(posted)["amount_to_pay"] == Decimal("90.00")
    (payment,) = fake.payments()
    assert (payment["id"], payment["credit"]) == (paid, Decimal("10.00"))
    assert payment["move."]["description"] == "cheque 7"
    assert fake.paid(posted) == (Decimal("10.00"), TODAY)
    assert fake.customers()[0]["code"] == "C-1"
    draft = fake.add_invoice("", acme, lines=["1.00", "2.00"], status="draft")
    assert fake.invoice(draft)["total_amount"] == Decimal("3.00")
    assert fake.void_invoice(draft) is None
    fake.delete_invoice(draft)
    taxed = fake.add_invoice("", acme, "12.00", tax="2.00", on=TODAY, due=TODAY)
    assert fake.invoice(taxed)["total_amount"] == Decimal("12.00")
    bill = fake.add_invoice("", acme, "9.00", on=TODAY, kind="in")
    assert fake.invoice(bill)["amount_to_pay"] == Decimal("9.00")


def test_it_serves_several_threads_and_loopback_http(fake: FakeTryton) -> None:
    client = Client(fake)

    def make(number: int) -> Any:
        return client("model.party.party.create", [{"name": f"P{number}"}])

    with ThreadPoolExecutor(8) as pool:
        made = sorted(each[0] for each in pool.map(make, range(40)))
    assert made == list(range(2, 42))
    ask = {"id": 1, "method": "model.party.party.search_read"}
    ask["params"] = [[], 0, None, None, ["name", "write_date"], {}]
    with serve(fake) as served:
        transport = HTTPTransport()
        headers = {"Authorization": client.session, "Content-Type": "application/json"}
        url = f"{served.url}/ledger/rpc/"
        answer = transport.send(Request("POST", url, (), headers, json=ask), 10)
        moved = transport.send(Request("POST", url[:-1], (), headers, json=ask), 10)
        transport.close()
    assert len(answer.json()["result"]) == 41
    assert moved.header("Location") == url


def test_a_feed_goes_on_after_the_last_row_of_a_bulk_change(
    client: Client, clock: Clock
) -> None:
    names = [{"name": name} for name in "ABCD"]
    first, second, *rest = client("model.party.party.create", names)
    at = moment(clock.at)
    clock.advance(1)
    client.write("party.party", first, {"name": "A2"})
    after = [[["write_date", "=", at], ["id", ">", second]]]
    domain = ["OR", [["write_date", ">", at]], *after]
    order = [["write_date", "ASC"], ["id", "ASC"]]
    assert client.search("party.party", domain, 0, 3, order) == [*rest, first]
    # An instant may be a text, and a day its midnight.
    assert client.search("party.party", [["write_date", ">", "2026-03-10 12:00:01"]])
    through = [["write_date", ">=", day(date(2026, 3, 11))]]
    assert client.search("party.party", through) == []
    wrong = [["write_date", ">", "soon"]]
    told = client.error("model.party.party.search", wrong)
    assert told == ["Invalid isoformat string: 'soon'", ""]


def test_lists_of_ids_stand_in_domains(stocked: Client) -> None:
    (line,) = stocked.search(LINE, [["credit", "=", money("20")]])
    one = [["payment_lines", "in", [line]]]
    assert stocked.search(INVOICE, one) == [2]
    others = [["payment_lines", "!=", line], ["id", "<", 3]]
    assert stocked.search(INVOICE, others, 0, None, [["id", "ASC"]]) == [1, 2]
    search = f"model.{INVOICE}.search"
    assert stocked.error(search, [["number.x", "=", 1]])[0].startswith("'int' object")
    unknown = [["move.origin.id", "=", 1, "no.such"]]
    assert stocked.error(f"model.{LINE}.search", unknown) == ["'no.such'", ""]


def test_lists_of_records_are_changed_by_commands(client: Client, acme: int) -> None:
    address = client.read("party.party", acme, "addresses")["addresses"][0]
    other = client("model.party.party.create", [{"name": "Other"}])[0]
    client.write("party.party", other, {"addresses": [["add", [address]]]})
    assert client.read("party.party", acme, "addresses")["addresses"] == []
    told = client.error(
        "model.party.party.write", [other], {"addresses": [["remove", [address]]]}
    )
    assert told[1][0].startswith('A value is required for field "Party"')
    write = "model.party.party.write"
    assert client.error(write, [other], {"addresses": [["no", [1]]]}) == ["'no'", ""]
    assert client.error(write, 2, {})[0] == "'int' object is not iterable"
    assert client.error(write, [99], {})[1][0].startswith("You are trying to write")
    create = "model.party.party.create"
    assert client.error(create, {"name": "x"})[0].startswith("'str' object")
    smoke = {"party": other, "type": "smoke", "value": "x"}
    told = client.error("model.party.contact_mechanism.create", [smoke])
    assert told[1][0].endswith("is not one of the allowed options.")
    nobody = {"party": 99, "type": "email", "value": "x"}
    assert client.error("model.party.contact_mechanism.create", [nobody])


def test_lines_of_what_is_posted_stay(
    fake: FakeTryton, client: Client, acme: int, old: Client
) -> None:
    key = fake.add_invoice("", acme, "1.00", on=TODAY)
    line = client.invoice(key, "lines")["lines"][0]
    client.write("account.invoice.line", line, {"description": "said better"})
    told = client.error("model.account.invoice.line.delete", [line])
    assert told[1][0].startswith("You cannot modify line")
    values = client.values(acme)["lines"][0][1][0] | {"invoice": key}
    told = client.error("model.account.invoice.line.create", [values])
    assert 'modify the field "Invoice"' in told[1][0]
    del values["unit_price"]
    told = client.error("model.account.invoice.line.create", [values])
    assert told[1][0].startswith('A value is required for field "Unit Price"')
    own = client.invoice(key, "move", "lines_to_pay")
    client.write(LINE, own["lines_to_pay"][0], {"maturity_date": day(TODAY)})
    late = {"move": own["move"], "account": fake.chart.cash, "debit": money("1")}
    told = client.error(f"model.{LINE}.create", [late])
    assert told[1][0].startswith("You cannot modify posted move")
    aged = old.fake.add_invoice("", old.fake.add_customer("A"), "1.00", on=TODAY)
    found = old.invoice(aged, "lines", "move", "lines_to_pay")
    for model, ids in (
        ("account.invoice.line", found["lines"]),
        (LINE, found["lines_to_pay"]),
        (MOVE, [found["move"]]),
    ):
        told = old.error(f"model.{model}.write", ids, {"description": "x"})
        assert told[1][0].startswith("You cannot modify")


def test_periods_are_closed_by_whoever_may(client: Client, acme: int) -> None:
    (march,) = client.search("account.period", [["name", "=", "2026-03"]])
    client("model.account.period.close", [march])
    key = client.draft(acme)
    assert client.error(f"model.{INVOICE}.post", [key])[0] == "UserError"
    client("model.account.period.reopen", [march])
    client(f"model.{INVOICE}.post", [key])


def test_lines_are_reconciled_with_a_write_off_and_opened_again(
    fake: FakeTryton, client: Client, acme: int, posted: int
) -> None:
    note = fake.add_credit_note("", acme, "99.00", on=TODAY)
    own = [client.invoice(key, "lines_to_pay") for key in (posted, note)]
    lines = [each["lines_to_pay"][0] for each in own]
    name = "account.move.reconcile_lines"

    def reconcile(way: int | None) -> Any:
        form = {"date": day(TODAY), "writeoff": way, "description": None}
        last = ("reconcile", {"writeoff": form})
        return client.wizard(name, lines, ("start", {}), last, model=LINE)

    told = client.error_of(lambda: reconcile(None))
    assert told[1][0].startswith('To reconcile lines with "$1.00" write-off')
    assert reconcile(fake.chart.write_off) == {}
    assert status(client, posted)[0] == status(client, note)[0] == "paid"
    assert fake.paid(posted) == (Decimal("99.00"), TODAY)
    closed = client.read(LINE, lines[0], "reconciliation.number")["reconciliation."]
    key = warning_key("delete.write-off", f"{RECONCILIATION},{closed['id']}")
    client("model.res.user.warning.skip", key, False)
    name = "account.move.unreconcile_lines"
    client.wizard(name, lines, ("unreconcile", {}), model=LINE)
    assert status(client, posted) == ("posted", Decimal("100.00"))
    told = client.error(f"model.{RECONCILIATION}.write", [closed["id"]], {})
    assert told[1][0] == "You cannot modify any reconciliation."
    name = "account.move.reconcile_lines"
    assert client.wizard(name, [], ("start", {}), model=LINE) == {}
    cash = client.search(LINE, [["account", "!=", fake.chart.receivable]], 0, 1)
    mixed = [lines[0], *cash]
    told = client.error_of(
        lambda: client.wizard(name, mixed, ("reconcile", {}), model=LINE)
    )
    assert "its account" in told[1][0]
    bolt = fake.add_invoice("", fake.add_customer("Bolt"), "100.00", on=TODAY)
    mixed = [lines[0], *client.invoice(bolt, "lines_to_pay")["lines_to_pay"]]
    told = client.error_of(
        lambda: client.wizard(name, mixed, ("reconcile", {}), model=LINE)
    )
    assert 'its party "Bolt" is different from "Acme"' in told[1][0]


def test_forms_that_are_not_filled_in(client: Client, posted: int) -> None:
    def choose(**form: Any) -> Any:
        data = {"start": {**client.start(posted, "100.00")["start"], **form}}
        name = "account.invoice.pay"
        return client.error_of(lambda: client.wizard(name, [posted], ("choice", data)))

    assert choose(amount=None) == ["bad operand type for unary -: 'NoneType'", ""]
    assert choose(currency=99) == ["", ""]
    assert "debit_account" in choose(payment_method=None)[0]
    # The day alone may be left out.
    assert client.pay(posted, "100.00", date=None) == {}
    move = client.invoice(posted, "move")["move"]
    shown = client.wizard("account.move.cancel", [move], ("default", {}), model=MOVE)
    assert shown["view"]["defaults"] == {"reversal": True}
    client.fake.deny("account.invoice.pay")
    assert client.error("wizard.account.invoice.pay.create")[0] == "UserError"


def test_terms_are_made_by_a_client_too(client: Client, acme: int) -> None:
    fixed: dict[str, Any] = {"type": "fixed", "amount": money("10"), "sequence": 1}
    lines: list[dict[str, Any]] = [fixed, {"type": "remainder", "sequence": 2}]
    lines[1]["relativedeltas"] = [["create", [{"weeks": 1, "days": 1}]]]
    values = {"name": "Deposit", "lines": [["create", lines]]}
    (term,) = client("model.account.invoice.payment_term.create", [values])
    for payment_term, wanted in ((term, ["10", "90.00"]), (None, ["100.00"])):
        key = client.draft(acme, payment_term=payment_term)
        client(f"model.{INVOICE}.post", [key])
        found = client.invoice(key, "lines_to_pay.debit", "lines_to_pay.maturity_date")
        parts = [each["debit"]["decimal"] for each in found["lines_to_pay."]]
        assert parts == wanted
    assert found["lines_to_pay."][0]["maturity_date"] == day(TODAY)


def test_moves_are_posted_once_and_not_empty(client: Client, posted: int) -> None:
    chart = client.fake.chart
    (period,) = client.search("account.period", [["name", "=", "2026-03"]])
    values = {"journal": chart.cash_journal, "period": period, "date": day(TODAY)}
    made = client(f"model.{MOVE}.create", [values])
    told = client.error(f"model.{MOVE}.post", made)
    assert told[1][0].endswith("you must fill in its lines.")
    client(f"model.{MOVE}.delete", made)
    move = client.invoice(posted, "move")["move"]
    assert client(f"model.{MOVE}.post", [move]) is None


def test_what_else_a_test_can_arrange(fake: FakeTryton, client: Client) -> None:
    acme = fake.add_customer("Acme")
    fake.idle()
    assert client.send("wizard.account.invoice.pay.create").status == 401
    client.session = fake.issue_session()
    checked = fake.add_invoice("", acme, "1.00", status="validated")
    assert status(client, checked) == ("validated", Decimal(0))
    gone = fake.add_invoice("", acme, "1.00", status="cancelled")
    assert status(client, gone) == ("cancelled", Decimal(0))
    assert client(f"model.{INVOICE}.draft", [gone]) is None
    values: dict[str, Any] = {"name": "Duty", "type": "fixed", "amount": money("3")}
    values |= {"invoice_account": fake.chart.tax_account}
    (tax,) = client("model.account.tax.create", [values])
    line = client.invoice(gone, "lines")["lines"][0]
    taxed = {"lines": [["write", [line], {"taxes": [["add", [tax]]]}]]}
    client.write(INVOICE, gone, taxed)
    assert client.invoice(gone, "tax_amount")["tax_amount"] == money("3.00")
    taxed["lines"][0][2] = {"taxes": [["remove", [tax]]]}
    client.write(INVOICE, gone, taxed)
    assert client.invoice(gone, "tax_amount")["tax_amount"] == money("0.00")
    client.write(INVOICE, gone, {"lines": None})


def test_an_id_that_was_taken_back_is_given_again_by_sqlite_alone() -> None:
    for sqlite, wanted in ((True, 3), (False, 4)):
        client = Client(FakeTryton(sqlite=sqlite))
        client.fake.add_customer("Acme", "C-1")
        twice = [{"name": "Again", "code": "C-1"}]
        assert client.error("model.party.party.create", twice)[0] == "UserError"
        assert client.fake.add_customer("Next") == wanted


def test_the_ends_of_the_server(client: Client) -> None:
    ask = {"id": 1, "method": "common.nope", "params": []}
    assert client.post(ask, client.root).json()["error"] == ["'common.nope'", ""]
    bare = {"id": 1, "method": "common.db.login", "params": ["connector"]}
    assert "missing 1 required" in client.post(bare).json()["error"][0]
