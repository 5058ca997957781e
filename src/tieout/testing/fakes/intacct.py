"""
A stateful double of Sage Intacct's XML gateway: it *is* a `tieout.wire.Transport`.

It is written from the vendor's sheet alone, keeps the vendor's traps, and never raises for
a bad request. Tests play the bookkeeper through its Python methods. It knows neither the
REST API nor asynchronous requests.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from tieout.errors import Code, Fate, Fault
from tieout.testing.fakes.intacct_books import Books, Setup
from tieout.testing.fakes.intacct_functions import (
    READS,
    Functions,
    label,
    misplaced,
    text,
)
from tieout.testing.fakes.intacct_queries import catch_all
from tieout.testing.fakes.intacct_records import (
    ADJUSTMENT,
    ADVANCE,
    GENERIC,
    INVOICE,
    RECEIPT,
    Document,
    Order,
    Part,
    Payment,
    Problem,
    Refusal,
    refusal,
)
from tieout.testing.fakes.intacct_shapes import KINDS, Look, Scope, Shapes, element
from tieout.wire import Request, Response

ENTRY_PATH = "/ia/xml/xmlgw.phtml"
"""Where one signs in; what a session may do, it may do at its own endpoint alone."""
DEFAULT_RATES: Mapping[str, Decimal] = {
    "EUR": Decimal("1.1"),
    "GBP": Decimal("1.25"),
    "CAD": Decimal("0.75"),
}
SIGN_IN, BAD_KEYS = "XL03000006", "XMLGW_JPP0002"
BUSY, TOO_FAST, BAD_REQUEST = "XMLGW_JPP0001", "GW-0010", "GW-0011"
NOT_XML, ROLLED_BACK, EXPIRED = "XL03000003", "XL03000009", "PL04000055"
OFFLINE = Problem(
    "XL03000000", "Please Try Again Later", "The Service is Temporarily Off-line"
)

_XML = ("Content-Type", "application/xml; charset=UTF-8")
_HTML = ("Content-Type", "text/html")
HTML_PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body>Error</html>"


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What a test asked to go wrong, for requests with a function called ``of``."""

    of: str
    answer: Response | None
    """None where the answer is lost on its way."""
    after: bool
    cut: bool = False
    """The true answer goes out, but not all of it."""

    def concerns(self, labels: Sequence[str]) -> bool:
        """Whether this request is meant; signing in never is unless it is named."""
        if self.of:
            return any(name.startswith(self.of) for name in labels)
        return labels != ["getAPISession"]


@dataclass(slots=True)
class _Session:
    """Somebody who is signed in."""

    scope: Scope
    expires: datetime


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request, taken apart."""

    origin: str
    path: str
    root: Element
    functions: tuple[Element, ...]

    def control(self, name: str, default: str = "") -> str:
        """An element of ``<control>``."""
        return text(self.root, f"control/{name}") or default


class _NoSignIn(Exception):
    """The sign-in is refused."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class _NotXml(Exception):
    """The body cannot be read."""


class _RollBack(Exception):
    """One function of a transaction failed."""


class FakeIntacct:
    """
    One Intacct company behind the XML gateway, at whatever host it is asked.

    ``calls`` counts functions, generic ones with their object (``query ARINVOICE``,
    ``create_invoice``); ``requests`` all requests; ``writes`` those with a function that
    can change something. ``now`` gives an aware instant; without it the company has a
    clock of its own that moves by one second with each change. Ids are the vendor's:
    CUSTOMERID for customers, RECORDNO for AR records, DOCID for orders.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] | None = None,
        company: str = "acme",
        user: str = "billing",
        user_password: str = "user-secret",  # noqa: S107 - a fake one
        sender: str = "sender",
        sender_password: str = "sender-secret",  # noqa: S107 - a fake one
        base_currency: str = "USD",
        rates: Mapping[str, Decimal] | None = None,
        timezone: str = "UTC",
        entities: Sequence[str] = (),
        user_entity: str = "",
        endpoint_path: str = "/us-p04/ia/xml/xmlgw.phtml",
        session_seconds: int = 6 * 3600,
        query_page_max: int = 2000,
        legacy_page_max: int = 1000,
        jobs_at_once: int | None = None,
        controlid_seconds: int | None = None,
        sequencing: bool = False,
        unique_numbers: bool = True,
        summaries_by_hand: bool = False,
        balance_forward: bool = False,
        bump_on_payment: bool = True,
        bump_on_reversal: bool = True,
        reversal_counts_as_paid: bool = False,
        stamps: str = "%Y-%m-%d %H:%M:%S",
        days: str = "%m/%d/%Y",
        external_queryable: bool = True,
        unqueryable: Collection[str] = ("ARINVOICE.SHIPTORETURNTOCONTACTNAME",),
        record_urls: Collection[str] = (),
        custom_fields: Mapping[str, Sequence[str]] | None = None,
        strict_order: bool = True,
        repeat_text: str = "The function with controlid {} was already executed",
    ) -> None:
        setup = Setup(
            base_currency=base_currency,
            rates=DEFAULT_RATES if rates is None else rates,
            entities=tuple(entities),
            sequencing=sequencing,
            unique_numbers=unique_numbers,
            summaries_by_hand=summaries_by_hand,
            balance_forward=balance_forward,
            bump_on_payment=bump_on_payment,
            bump_on_reversal=bump_on_reversal,
        )
        external = {
            f"{kind}.EXTERNALID" for kind in (INVOICE, ADJUSTMENT, "SODOCUMENT")
        }
        look = Look(
            zone=ZoneInfo(timezone),
            stamps=stamps,
            days=days,
            reversal_counts_as_paid=reversal_counts_as_paid,
            record_urls=frozenset(record_urls),
            unqueryable=frozenset(
                {*unqueryable, *(() if external_queryable else external)}
            ),
            custom=custom_fields or {},
        )
        self.company, self.user, self.sender = company, user, sender
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.writes = 0
        self.books = Books(now, setup)
        self._shapes = Shapes(self.books, look)
        self._functions = Functions(
            self._shapes, query_page_max=query_page_max, legacy_page_max=legacy_page_max
        )
        self._keys = (user_password, sender_password)
        self._user_entity = user_entity
        self._endpoint_path = endpoint_path
        self._session_seconds = session_seconds
        self._jobs_at_once = jobs_at_once
        self._controlid_seconds = controlid_seconds
        self._strict_order = strict_order
        self._repeat_text = repeat_text
        self._lock, self._door = threading.RLock(), threading.Lock()
        self._inside = 0
        self._sessions: dict[str, _Session] = {}
        self._serial = 0
        self._completed: dict[str, datetime] = {}
        self._troubles: list[_Trouble] = []
        self._hiccups: deque[tuple[str, Refusal]] = deque()
        self._no_login: Problem | None = None

    # The transport -------------------------------------------------------------------

    def send(self, request: Request, timeout: float) -> Response:
        """Answer as the gateway would; a lost answer is a `Fault` with fate UNCLEAR."""
        with self._door:
            self._inside += 1
            limit = self._jobs_at_once
            is_busy = limit is not None and self._inside > limit
        try:
            with self._lock, self.books.asked_by("api"):
                return self._answer(request, is_busy=is_busy)
        finally:
            with self._door:
                self._inside -= 1

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, request: Request, *, is_busy: bool) -> Response:
        self.requests += 1
        try:
            parts = urlsplit(request.url)
        except ValueError:
            return Response(400, (_HTML,), HTML_PAGE)
        if parts.path not in {ENTRY_PATH, self._endpoint_path}:
            return Response(404, (_HTML,), HTML_PAGE)
        if request.method != "POST":
            return Response(405, (_HTML,), HTML_PAGE)
        try:
            root = _parsed(request.body())
        except _NotXml as error:
            return self._refused(element("request"), Problem(NOT_XML, str(error)))
        functions = tuple(root.findall("operation/content/function"))
        origin = f"{parts.scheme}://{parts.netloc}"
        ask = _Ask(origin, parts.path, root, functions)
        labels = [label(each[0]) for each in functions if len(each)]
        self.calls.update(labels)
        self.writes += any(name.split()[0] not in READS for name in labels)
        if is_busy:
            return self._refused(root, _busy())
        trouble = next((each for each in self._troubles if each.concerns(labels)), None)
        if trouble is not None:
            self._troubles.remove(trouble)
            return self._troubled(ask, trouble)
        return self._gateway(ask)

    def _troubled(self, ask: _Ask, trouble: _Trouble) -> Response:
        answer = self._gateway(ask) if trouble.after else None
        if trouble.cut and answer is not None:
            return Response(answer.status, answer.headers, answer.body[:-40])
        if trouble.answer is None:
            told = "the connection broke before the answer came"
            raise Fault(Code.ANSWER_LOST, told, fate=Fate.UNCLEAR)
        return trouble.answer

    def _gateway(self, ask: _Ask) -> Response:
        refused = self._refused_control(ask)
        if refused is not None:
            return refused
        authentication = Element("authentication")
        operation = element("operation", "", authentication)
        try:
            scope = self._signed_in(ask, authentication)
            operation.extend(self._results(ask, scope))
        except _NoSignIn as error:
            authentication.insert(0, element("status", "failure"))
            operation.append(self._errors(ask.root, error.problem))
        return _reply(ask.root, element("response", "", _control(ask.root), operation))

    def _refused_control(self, ask: _Ask) -> Response | None:
        given = (ask.control("senderid"), ask.control("password"))
        if given != (self.sender, self._keys[1]):
            problem = Problem(BAD_KEYS, "Sign-in information is incorrect")
            return self._refused(ask.root, problem, 401)
        policy = ask.control("policyid")
        if policy:
            text_ = f"{policy} is not a valid transport policy."
            return self._refused(ask.root, Problem(SIGN_IN, text_, "Invalid Request"))
        fault = self._schema_fault(ask)
        if fault:
            return self._refused(ask.root, Problem(NOT_XML, fault, "XML Parse"))
        return None

    def _schema_fault(self, ask: _Ask) -> str:
        """What is wrong with the shape of a request; '' if nothing is."""
        if ask.control("dtdversion") != "3.0" or not ask.functions:
            return "The request is incomplete"
        if any(len(function) != 1 for function in ask.functions):
            return "Each function holds one element"
        faults = (misplaced(function[0]) for function in ask.functions)
        return next(filter(None, faults), "") if self._strict_order else ""

    def _refused(self, root: Element, problem: Problem, status: int = 200) -> Response:
        """A reply without operation: nothing was done."""
        control = _control(root, "failure")
        errors = self._errors(root, problem)
        return _reply(root, element("response", "", control, errors), status)

    def _errors(
        self, root: Element, *problems: Problem, support: bool = False
    ) -> Element:
        found = element("errormessage")
        for problem in problems:
            words = problem.text
            if support:
                self._serial += 1
                words += f" [Support ID: x{self._serial:04d}%7EaBcDeFgHiJkLmNoP]"
            error = element(
                "error",
                "",
                element("errorno", problem.number),
                element("description", problem.description),
                element("description2", words),
                element("correction", problem.correction),
            )
            if text(root, "control/showadditionalerrorinfo") == "true":
                more = (
                    element("errorid", "AR-0001"),
                    element("category", "Validation"),
                )
                error.append(element("additionalinfo", "", *more))
            found.append(error)
        return found

    # Signing in ----------------------------------------------------------------------

    def _signed_in(self, ask: _Ask, told: Element) -> Scope:
        """Who asks; ``told`` is filled with what the reply says of it."""
        place = "operation/authentication"
        sessionid = text(ask.root, f"{place}/sessionid")
        now = self.books.now()
        if sessionid:
            session = self._sessions.get(sessionid)
            is_good = session and session.expires > now
            if session is None or not is_good or ask.path != self._endpoint_path:
                words = "The session is invalid or has expired"
                raise _NoSignIn(Problem(SIGN_IN, words, "Invalid session"))
            # Each call is a new start.
            session.expires = now + timedelta(seconds=self._session_seconds)
            scope = session.scope
        else:
            scope = self._logged_in(ask, f"{place}/login", told)
        ends = now + timedelta(seconds=self._session_seconds)
        told[:] = [
            element("status", "success"),
            element("userid", scope.user),
            element("companyid", self.company),
            element("locationid", scope.entity),
            element("sessiontimestamp", _iso(now)),
            element("sessiontimeout", _iso(ends)),
        ]
        return scope

    def _logged_in(self, ask: _Ask, place: str, told: Element) -> Scope:
        packed = [*text(ask.root, f"{place}/companyid").split("|"), "", ""]
        company = text(ask.root, f"{place}/clientid") or packed[1] or packed[0]
        user = text(ask.root, f"{place}/userid")
        told[:] = [element("userid", user), element("companyid", company)]
        password = text(ask.root, f"{place}/password")
        incorrect = Problem(
            SIGN_IN,
            "Sign-in information is incorrect. Please check your request.",
            "Sign-in information is incorrect",
        )
        if (company, user, password) != (self.company, self.user, self._keys[0]):
            raise _NoSignIn(incorrect)
        if self._no_login is not None:
            raise _NoSignIn(self._no_login)
        entity = text(ask.root, f"{place}/locationid") or packed[2]
        if entity and entity not in self.books.setup.entities:
            raise _NoSignIn(incorrect)
        return Scope(user, entity or self._user_entity)

    def _new_session(self, ask: _Ask, node: Element, scope: Scope) -> list[Element]:
        if len(ask.functions) > 1:
            words = "getAPISession must be the only function of its request"
            raise Refusal(Problem("Get API Session Failed", words))
        wanted = node.find("locationid")
        if wanted is not None:
            # An empty one leads back to the top, where the user may go there.
            entity = (wanted.text or "").strip() or self._user_entity
            if entity and entity not in self.books.setup.entities:
                words = f"Invalid Location '{entity}' specified."
                raise Refusal(Problem("Get API Session Failed", words))
            scope = Scope(scope.user, entity)
        self._serial += 1
        seed = f"{self.company}/{self._serial}".encode()
        sessionid = hashlib.sha256(seed).hexdigest()[:32] + ".."
        ends = self.books.now() + timedelta(seconds=self._session_seconds)
        self._sessions[sessionid] = _Session(scope, ends)
        api = element(
            "api",
            "",
            element("sessionid", sessionid),
            element("endpoint", f"{ask.origin}{self._endpoint_path}"),
            element("locationid", scope.entity),
        )
        return [element("data", "", api)]

    # Functions -----------------------------------------------------------------------

    def _results(self, ask: _Ask, scope: Scope) -> list[Element]:
        operation = ask.root.find("operation")
        assert operation is not None, "there is a function inside"
        if operation.get("transaction") != "true":
            return [self._result(ask, each, scope) for each in ask.functions]
        before = dict(self._completed)
        results: list[Element] = []
        try:
            with self.books.together():
                for each in ask.functions:
                    results.append(self._result(ask, each, scope))
                    _check_success(results[-1])
        except _RollBack:
            self._completed = before
            failed = len(results) - 1
            results = [
                results[at] if at == failed else self._aborted(ask, each)
                for at, each in enumerate(ask.functions)
            ]
        return results

    def _aborted(self, ask: _Ask, function: Element) -> Element:
        words = "The entire transaction in this operation has been rolled back due to an error."
        errors = self._errors(ask.root, Problem(ROLLED_BACK, words), support=True)
        return _result("aborted", function, errors)

    def _result(self, ask: _Ask, function: Element, scope: Scope) -> Element:
        controlid = function.get("controlid", "")
        is_checked = ask.control("uniqueid", "true") == "true" and bool(controlid)
        try:
            if is_checked:
                self._check_new(controlid)
            parts = self._carried_out(ask, function[0], scope)
        except Refusal as refused:
            errors = self._errors(ask.root, *refused.problems, support=True)
            done = [] if refused.data is None else [refused.data]
            return _result("failure", function, *done, errors)
        if is_checked:
            self._completed[controlid] = self.books.now()
        return _result("success", function, *parts)

    def _carried_out(self, ask: _Ask, node: Element, scope: Scope) -> list[Element]:
        name = label(node)
        if name == "getAPISession":
            return self._new_session(ask, node, scope)
        if self._hiccups and name.startswith(self._hiccups[0][0]):
            raise self._hiccups.popleft()[1]
        return self._functions.run(node, scope)

    def _check_new(self, controlid: str) -> None:
        at = self._completed.get(controlid)
        life = self._controlid_seconds
        is_known = at is not None and (
            life is None or self.books.now() < at + timedelta(seconds=life)
        )
        if is_known:
            raise Refusal(Problem(GENERIC, self._repeat_text.format(controlid)))

    # Trouble, on demand ----------------------------------------------------------------

    def _add_trouble(
        self,
        times: int,
        answer: Response | None,
        *,
        of: str,
        after: bool = False,
        cut: bool = False,
    ) -> None:
        with self._lock:
            self._troubles += [_Trouble(of, answer, after, cut)] * times

    def fail(
        self,
        times: int = 1,
        status: int = 500,
        body: bytes = b"",
        *,
        after: bool = False,
        of: str = "",
    ) -> None:
        """
        The next requests fail: before, or ``after`` they were carried out.

        ``of`` limits it to requests with a function whose name begins so; without it
        everything but signing in is meant. 524 is an edge that did not wait.
        """
        answer = Response(status, (_HTML,), body)
        self._add_trouble(times, answer, of=of, after=after)

    def lose(self, times: int = 1, *, of: str = "") -> None:
        """The next requests are carried out, and their answers are lost."""
        self._add_trouble(times, None, of=of, after=True)

    def truncate(self, times: int = 1, *, of: str = "") -> None:
        """The next requests are carried out, and their answers end too early."""
        self._add_trouble(times, None, of=of, after=True, cut=True)

    def garble(self, times: int = 1, *, after: bool = False, of: str = "") -> None:
        """The next requests are answered 200 with a page of HTML."""
        self.fail(times, 200, HTML_PAGE, after=after, of=of)

    def throttle(
        self, times: int = 1, retry_after: int | None = None, *, of: str = ""
    ) -> None:
        """The next requests are answered 429 and GW-0010, without any operation."""
        problem = Problem(TOO_FAST, "Too many requests. Please slow down.")
        answer = self._refused(element("request"), problem, 429)
        waits = [] if retry_after is None else [("Retry-After", str(retry_after))]
        answer = Response(429, (*answer.headers, *waits), answer.body)
        self._add_trouble(times, answer, of=of)

    def crowd(self, times: int = 1, status: int = 200, *, of: str = "") -> None:
        """The next requests meet too many others: XMLGW_JPP0001."""
        answer = self._refused(element("request"), _busy(), status)
        self._add_trouble(times, answer, of=of)

    def reject(self, times: int = 1, *, of: str = "") -> None:
        """The next requests are answered 400 and GW-0011."""
        problem = Problem(BAD_REQUEST, "Invalid Request")
        answer = self._refused(element("request"), problem, 400)
        self._add_trouble(times, answer, of=of)

    def go_offline(self, times: int = 1, *, of: str = "") -> None:
        """The next requests are told that the service is off-line."""
        answer = self._refused(element("request"), OFFLINE)
        self._add_trouble(times, answer, of=of)

    def hiccup(self, times: int = 1, of: str = "") -> None:
        """The next functions whose name begins so fail with the catch-all DL02000001."""
        with self._lock:
            self._hiccups.extend([(of, catch_all())] * times)

    def refuse(self, number: str, text: str, times: int = 1, *, of: str = "") -> None:
        """The next functions whose name begins so are refused in these words."""
        with self._lock:
            self._hiccups.extend([(of, refusal(number, text))] * times)

    def expire(self) -> None:
        """Every session given so far has ended."""
        with self._lock:
            self._sessions.clear()

    def revoke(self) -> None:
        """The user's password was changed: only a person can help."""
        with self._lock:
            self._sessions.clear()
            self._keys = (f"{self._keys[0]}, changed", self._keys[1])

    def deny_sender(self) -> None:
        """The sender is taken off the company's Web Services authorisations."""
        words = (
            f"The sender ID '{self.sender}' is not authorized to make Web Services "
            f"requests to company ID '{self.company}'."
        )
        with self._lock:
            self._sessions.clear()
            problem = Problem(SIGN_IN, words, "Invalid Web Services Authorization")
            self._no_login = problem

    def expire_company(self) -> None:
        """The company was a demo, and its time is over."""
        with self._lock:
            self._sessions.clear()
            self._no_login = Problem(EXPIRED, "The demo company has expired")

    def deny(self, permission: str) -> None:
        """The user may no longer use this function or object (``AUDITHISTORY``)."""
        with self._lock:
            self._functions.denied.add(permission)

    def allow(self, permission: str) -> None:
        """The user may use this function or object again."""
        with self._lock:
            self._functions.denied.discard(permission)

    def make_summaries(self) -> None:
        """Summaries of payments are made by Intacct from now on, daily or monthly."""
        with self._lock:
            self.books.setup = replace(self.books.setup, summaries_by_hand=False)

    def lock_through(self, day: date | None) -> None:
        """Close the books through a day; None opens them."""
        with self._lock:
            self.books.lock_day = day

    def retire(self, field: str, value: str) -> None:
        """Lines with this dimension (``PROJECTID``, ``P-1``) are refused from now on."""
        with self._lock:
            self.books.retired.add((field, value))

    def advance(self, seconds: float) -> None:
        """Move the own clock; without effect where ``now`` was given."""
        with self._lock:
            self.books.advance(seconds)

    # The bookkeeper ----------------------------------------------------------------------

    def add_customer(
        self,
        name: str,
        number: str = "",
        *,
        email: str = "",
        currency: str = "",
        entity: str = "",
    ) -> str:
        """A new customer with a contact of its own; its CUSTOMERID."""
        with self._lock:
            customer = self.books.save_customer(
                {
                    "id": number or f"C-{len(self.books.customers.rows) + 1:04d}",
                    "name": name,
                    "display": {"PRINTAS": name, "EMAIL1": email},
                    "fields": {"CURRENCY": currency},
                    "entity": entity,
                }
            )
            return customer.id

    def edit_customer(self, customer_id: str, **fields: Any) -> None:
        """Change a customer by the vendor's names; ``STATUS="inactive"`` closes it."""
        with self._lock:
            before = self.books.customer(customer_id)
            values: dict[str, Any] = {}
            if "STATUS" in fields:
                values["active"] = fields.pop("STATUS") != "inactive"
            if "NAME" in fields:
                values["name"] = fields.pop("NAME")
            self.books.save_customer({**values, "fields": fields}, before)

    def delete_customer(self, customer_id: str) -> None:
        """Take a customer away that nothing names."""
        with self._lock:
            self.books.delete_customer(self.books.customer(customer_id))

    def add_invoice(
        self,
        number: str,
        customer: str,
        total: Decimal | str | None = None,
        *,
        lines: Sequence[Decimal | str] = (),
        on: date | None = None,
        due: date | None = None,
        currency: str = "",
        rate: Decimal | str | None = None,
        status: str = "Posted",
        reference: str = "",
        description: str = "",
        external: str = "",
        entity: str = "",
    ) -> str:
        """A new invoice of one line or several; its RECORDNO. ``Draft`` is not posted."""
        amounts = lines if total is None else [total]
        values = self._entered(customer, amounts, on, currency, rate, entity)
        values |= {"number": number, "reference": reference, "external": external}
        values |= {"description": description, "draft": status == "Draft"}
        values["due"] = due or values["on"]
        with self._lock:
            return str(self.books.new_document(INVOICE, values).recordno)

    def add_credit_note(
        self,
        number: str,
        customer: str,
        total: Decimal | str,
        *,
        on: date | None = None,
        currency: str = "",
        rate: Decimal | str | None = None,
        reference: str = "",
        description: str = "",
        entity: str = "",
    ) -> str:
        """A new credit memo: an adjustment below zero; its RECORDNO."""
        values = self._entered(customer, [-_exact(total)], on, currency, rate, entity)
        values |= {"number": number, "reference": reference}
        values["description"] = description
        with self._lock:
            return str(self.books.new_document(ADJUSTMENT, values).recordno)

    def _entered(
        self,
        customer: str,
        amounts: Sequence[Decimal | str],
        on: date | None,
        currency: str,
        rate: Decimal | str | None,
        entity: str,
    ) -> dict[str, Any]:
        location = entity or next(iter(self.books.setup.entities), "")
        fields = {"ACCOUNTNO": "4000", "LOCATIONID": location}
        fields |= {"ITEMID": "SERVICE", "QUANTITY": "1"}
        return {
            "customer": customer,
            "on": on or self.books.now().date(),
            "currency": currency,
            "rate": None if rate is None else _exact(rate),
            "lines": [{"amount": _exact(each), "fields": fields} for each in amounts],
            "entity": entity,
        }

    def add_order(
        self,
        number: str,
        customer: str,
        total: Decimal | str,
        *,
        kind: str = "Sales Invoice",
        on: date | None = None,
        due: date | None = None,
        currency: str = "",
        state: str = "Pending",
        reference: str = "",
        external: str = "",
        entity: str = "",
    ) -> str:
        """A new order entry transaction; its DOCID. Its AR record is made with it."""
        values = self._entered(customer, [total], on, currency, None, entity)
        values |= {"number": number, "reference": reference, "state": state}
        values |= {"external": external, "due": due or values["on"]}
        with self._lock:
            return self.books.new_order(kind, values).docid

    def edit_order(self, docid: str, **fields: Any) -> str | None:
        """Change an order (``PONUMBER``, ``WHENDUE``, ``total``); its new AR RECORDNO."""
        with self._lock:
            values = _edited(
                fields, {"PONUMBER": "reference", "MESSAGE": "description"}
            )
            order = self.books.change_order(self._order(docid), values)
            return None if order.record is None else str(order.record)

    def delete_order(self, docid: str) -> None:
        """Take an order away with its AR record."""
        with self._lock:
            self.books.delete_order(self._order(docid))

    def pay(
        self,
        invoice_id: str,
        amount: Decimal | str,
        on: date,
        reference: str = "",
        *,
        method: str = "Cash",
        account: str = "BOA",
        over: Decimal | str = "0",
        draft: bool = False,
    ) -> str:
        """Money for an invoice or debit memo; the payment's RECORDNO."""
        with self._lock:
            document = self._document(invoice_id)
            values = self._money_of(document, on, reference, method, account)
            values |= {"type": RECEIPT, "over": _exact(over), "draft": draft}
            is_memo = document.kind == ADJUSTMENT
            part = Part(document.recordno, _exact(amount), is_memo=is_memo)
            return str(self.books.receive(values, [part]).recordno)

    def _money_of(
        self, document: Document, on: date, reference: str, method: str, account: str
    ) -> dict[str, Any]:
        return {
            "customer": document.customer,
            "currency": document.currency,
            "rate": document.rate,
            "entity": document.entity,
            "on": on,
            "number": reference,
            "method": method,
            "account": account,
            "batch": f"Receipts: {on:%Y/%m/%d} Batch",
        }

    def add_advance(
        self,
        customer: str,
        amount: Decimal | str,
        on: date,
        *,
        currency: str = "",
        entity: str = "",
    ) -> str:
        """Money of a customer that is applied to nothing; its RECORDNO."""
        values = {
            "type": ADVANCE,
            "customer": customer,
            "on": on,
            "over": _exact(amount),
            "currency": currency,
            "account": "BOA",
            "batch": f"Advances: {on:%Y/%m/%d} Batch",
            "entity": entity,
        }
        with self._lock:
            return str(self.books.receive(values, []).recordno)

    def allocate(
        self, credit_id: str, invoice_id: str, amount: Decimal | str, on: date
    ) -> str:
        """Apply a credit memo, advance or overpayment; RECORDNO of the application."""
        with self._lock:
            targets = [(int(invoice_id), _exact(amount))]
            return str(self.books.apply_credit(int(credit_id), targets, on).recordno)

    def remove_allocation(self, application_id: str) -> None:
        """Undo the credits applied with a payment; no function of the API can."""
        with self._lock:
            self.books.withdraw_credits(self._payment(application_id))

    def void_invoice(self, invoice_id: str, on: date | None = None) -> str:
        """Reverse an invoice; RECORDNO of the reversal."""
        with self._lock:
            document = self._document(invoice_id)
            reversal = self.books.reverse_document(document, on or document.on)
            return str(reversal.recordno)

    def delete_invoice(self, invoice_id: str) -> None:
        """Take an invoice or adjustment away that nothing was paid of."""
        with self._lock:
            self.books.delete_document(self._document(invoice_id))

    def void_payment(self, payment_id: str, on: date | None = None) -> str:
        """Reverse the cash of a payment; RECORDNO of the reversal."""
        with self._lock:
            payment = self._payment(payment_id)
            return str(self.books.reverse_payment(payment, on or payment.on).recordno)

    def delete_payment(self, payment_id: str) -> None:
        """Take a draft payment away."""
        with self._lock:
            self.books.delete_payment(self._payment(payment_id))

    def edit_invoice(self, invoice_id: str, **fields: Any) -> None:
        """Change an invoice or adjustment by the vendor's names; ``total`` its lines."""
        names = {"RECORDID": "number", "DOCNUMBER": "reference"}
        names |= {"DESCRIPTION": "description", "EXTERNALID": "external"}
        with self._lock:
            values = _edited(fields, {**names, "CUSTOMERID": "customer"})
            self.books.change_document(self._document(invoice_id), values)

    def post_invoice(self, invoice_id: str) -> None:
        """A draft is posted."""
        with self._lock:
            self.books.change_document(self._document(invoice_id), {"draft": False})

    # Looking -----------------------------------------------------------------------------

    def _document(self, key: str) -> Document:
        return self.books.documents.rows[int(key)]

    def _payment(self, key: str) -> Payment:
        return self.books.payments.rows[int(key)]

    def _order(self, docid: str) -> Order:
        found = self.books.orders.first(docid)
        if found is None:
            raise KeyError(docid)
        return found

    def _plain(self, kind: str, row: Any) -> dict[str, Any]:
        columns = self._shapes.columns(KINDS[kind])
        return {name: columns[name].get(self._shapes, row) for name in columns}

    def _all(self, kind: str) -> list[dict[str, Any]]:
        with self._lock:
            return [self._plain(kind, row) for row in KINDS[kind].rows(self.books)]

    def invoice(self, invoice_id: str) -> dict[str, Any]:
        """An invoice by the vendor's names, amounts as Decimal; KeyError if none."""
        with self._lock:
            return self._plain(INVOICE, self._document(invoice_id))

    def invoices(self) -> list[dict[str, Any]]:
        """All invoices, reversed ones and reversals too."""
        return self._all(INVOICE)

    def credit_notes(self) -> list[dict[str, Any]]:
        """All adjustments; credit memos are below zero."""
        return self._all(ADJUSTMENT)

    def payments(self) -> list[dict[str, Any]]:
        """All payments, advances, applications and reversals."""
        return self._all("ARPYMT")

    def applications(self) -> list[dict[str, Any]]:
        """All ARPYMTDETAIL: what settles which line."""
        return self._all("ARPYMTDETAIL")

    def customers(self) -> list[dict[str, Any]]:
        """All customers."""
        return self._all("CUSTOMER")

    def orders(self) -> list[dict[str, Any]]:
        """All order entry transactions."""
        return self._all("SODOCUMENT")

    def accesses(self) -> list[dict[str, Any]]:
        """The audit history."""
        return self._all("AUDITHISTORY")

    def paid(self, invoice_id: str) -> tuple[Decimal, date | None]:
        """What was paid or applied in the invoice's currency, and when it was settled."""
        with self._lock:
            document = self._document(invoice_id)
            return document.paid, document.paid_on

    def time(self) -> datetime:
        """The instant that this server has now, in UTC."""
        with self._lock:
            return self.books.now()


def _check_success(result: Element) -> None:
    if text(result, "status") != "success":
        raise _RollBack


def _exact(value: Decimal | str) -> Decimal:
    if isinstance(value, float):
        raise TypeError(f"{value!r} is a float; amounts are Decimal")
    return Decimal(value)


def _edited(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Changes by the vendor's names as the books take them."""
    known = {**names, "WHENCREATED": "on", "WHENDUE": "due", "CURRENCY": "currency"}
    values = {known[name]: value for name, value in fields.items() if name != "total"}
    if "total" in fields:
        values["edits"] = [(1, {"amount": _exact(fields["total"])})]
    return values


def _busy() -> Problem:
    words = "There are too many operations in progress for this company"
    return Problem(BUSY, words, "Too many operations")


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _parsed(body: bytes) -> Element:
    # A document type could define entities without end.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise _NotXml("A document type is not allowed")
    try:
        return ET.fromstring(body)  # noqa: S314 - no document type got here
    except (ET.ParseError, ValueError, LookupError) as error:
        raise _NotXml(f"XML Parse error: {error}") from None


def _control(root: Element, status: str = "success") -> Element:
    defaults = {
        "senderid": "",
        "controlid": "",
        "uniqueid": "true",
        "dtdversion": "3.0",
    }
    told = [
        element(name, text(root, f"control/{name}") or default)
        for name, default in defaults.items()
    ]
    return element("control", "", element("status", status), *told)


def _result(status: str, function: Element, *parts: Element) -> Element:
    return element(
        "result",
        "",
        element("status", status),
        element("function", function[0].tag),
        element("controlid", function.get("controlid", "")),
        *parts,
    )


def _reply(root: Element, response: Element, status: int = 200) -> Response:
    if text(root, "control/includewhitespace") != "false":
        ET.indent(response)
    body = ET.tostring(response, encoding="unicode")
    declared = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return Response(status, (_XML,), declared.encode())
