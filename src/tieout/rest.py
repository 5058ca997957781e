"""
A base for connectors to JSON over HTTP: a table of resources, and hooks for what differs.

Its verbs are flows (`tieout.wire`): nothing here does I/O, knows a secret, waits or
repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from attrs import evolve, field, frozen

from tieout.auth import Auth
from tieout.capabilities import Capabilities, Changed, Open, Select, Verb
from tieout.change import Action, Change, Issue, Outcome
from tieout.errors import Code, ConfigError, Fate, Fault, Scope
from tieout.fields import Fields
from tieout.guarding import guarded
from tieout.models import R, Record, RecordType, Ref, Settlement, Status, clean_number
from tieout.protocol import Books, Health, Page, ailing
from tieout.remedies import RemedyRow
from tieout.rows import Loaded, enveloped, read_rows
from tieout.rules import FINE, Rule, judge, server_time
from tieout.wire import Answer, Flow, Request, Response, Verdict

T = TypeVar("T")
FETCH_PAGES_MAX = 1000
"""Pages of one search by id or number; it asks for a few hundred records at most."""

_PARAMETER = r"""\s*;\s*([^\s=;,"]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?"""
_LINK = re.compile(rf"<([^<>]*)>((?:{_PARAMETER})*)")


def next_link(response: Response) -> str | None:
    """The address of the next page from the ``Link`` header (RFC 8288), or None."""
    links = ", ".join(v for name, v in response.headers if name.lower() == "link")
    for match in _LINK.finditer(links):
        for name, value in re.findall(_PARAMETER, match[2]):
            relations = value.strip('"').lower().split()
            if name.lower() == "rel" and "next" in relations:
                return match[1]
    return None


@frozen
class Resource(Generic[R]):
    """
    Where one kind of record lives, and how it is read and written.

    ``rows`` names the list in a body, ``item`` the one record in the answer to a write
    (where empty, the body itself is it). ``load`` makes a record of a row; None for a row
    of no interest, several records as a tuple, and the `Ref` of a record that is gone.
    ``dump`` is the body of a create or an update. ``id_field`` and ``number_field`` name a
    record in an issue; without a number field the kind has no numbers.

    Records are asked for by ``id_parameter``, ``number_parameter`` and ``mark_parameter``;
    where ``one`` is true an id is asked for at ``path/{id}``, and 404 means that there is
    none. ``next_field`` names the field of the body that holds the next page's address or
    number (which is then sent as ``page_parameter``); where it is empty, the ``Link``
    header says what comes next.
    """

    kind: type[R]
    path: str
    load: Callable[[Fields], Loaded[R]]
    rows: str = ""
    id_field: str = "id"
    number_field: str = "number"
    id_parameter: str = "ids"
    number_parameter: str = "numbers"
    parameters: Mapping[str, str] = field(factory=dict)
    next_field: str = ""
    page_parameter: str = "page"
    mark_parameter: str = ""
    item: str = ""
    one: bool = False
    dump: Callable[[Change], Any] | None = None


class RestConnector:
    """
    What connectors to JSON over HTTP have in common; authors subclass it.

    A subclass gives ``connection``, ``capabilities``, ``auth``, ``rules`` and
    ``resources``. Where the system differs from plain REST it overrides the hooks, which
    are pure: `lists`, `list_request`, `rows`, `next_cursor`, `turned`, `token`, `as_of`,
    `names`, `literal`, `fetch_request`, `write_request`, `written`, `explain`, `judge`,
    `suspicious`, `probes`, `probes_behind`, `books`, `notes`, `deep_link`; where a verb
    needs a conversation of its own, the flow: `joined`, `detailed`, `all_rows`,
    `write_one`, `check`, `page`, `fetch`, `find`, `write`.
    """

    connection: str
    capabilities: Capabilities
    auth: Auth
    rules: Sequence[Rule] = ()
    sign_in_rules: Sequence[Rule] = ()
    """By which answers to signing in are judged, where they are others."""
    findings: Sequence[RemedyRow] = ()
    """What the connector itself finds wrong, and what people can do about it."""
    resources: Mapping[RecordType, Resource[Any]] = {}
    feeds: Sequence[Resource[Any]] = ()
    """The lists that tell whose payment info changed, where one is not enough: first that
    of the settlements, then others, whose loaders give the `Ref` of each invoice that a
    payment or a credit touched."""
    ids: re.Pattern[str] = re.compile(r"[\w.:@/+-]{1,255}", re.ASCII)
    """What an id of this system looks like: others exist nowhere, and are not asked for."""
    cursors: re.Pattern[str] = re.compile(r"(?s).+")
    """What a cursor of this system looks like: others come from elsewhere."""
    ids_have_case: bool = True
    """Whether ids that differ in upper and lower case alone are two."""
    plain: re.Pattern[str] = re.compile(r"(?s).*")
    """Literals that may be asked for together; each odd one is asked for alone, and that
    it is refused is an issue on it alone."""
    literals_length_max: int = 1500
    """Encoded characters of the literals in one request; web servers cut addresses at
    about 2,000."""

    # The verbs

    def check(self) -> Flow[Health]:
        answers: dict[str, Response] = {}
        missing: list[str] = []
        notes: list[str] = []
        waiting = dict(self.probes())
        while waiting:
            name = next(iter(waiting))
            request = waiting.pop(name)
            try:
                answers[name] = yield from self.ask(request)
                waiting.update(self.probes_behind(name, answers[name]))
            except Fault as fault:
                if fault.code is not Code.PERMISSION_MISSING:
                    return ailing(fault)
                missing.append(f"{name}: {fault.text}")
                notes.append(fault.remedy)
        books = enveloped(lambda: self.books(answers))
        told = enveloped(lambda: (*notes, *self.notes(answers)))
        return Health(
            True, True, tuple(missing), books=books, notes=tuple(dict.fromkeys(told))
        )

    def page(
        self, kind: type[R], select: Select, cursor: str | None = None
    ) -> Flow[Page[R]]:
        """One page of a list; of changed settlements, of one feed after another."""
        self.resource(kind)
        can = self.capabilities.kind(kind)
        if type(select) not in can.selects:
            text = f"cannot select {kind.__name__} records by {type(select).__name__}"
            raise Fault(Code.NOT_ALLOWED, f"{self.capabilities.system} {text}")
        lists = self.lists(kind, select)
        at, inner = self._place(cursor, len(lists))
        resource = lists[at]
        asked = self.list_request(resource, select, inner)
        response = yield from self.ask(asked)
        rows = self.rows(resource, response)
        joined = yield from self.joined(resource, rows)
        loaded, issues = self.load(resource, joined)
        refs = tuple(dict.fromkeys(each for each in loaded if isinstance(each, Ref)))
        following = self.next_cursor(resource, asked, response, rows)
        page = Page(
            tuple(each for each in loaded if not isinstance(each, Ref)),
            issues,
            gone=() if at else refs,
            touched=refs if at else (),
            next=_cursor(at, following, len(lists)),
            token=self.token(resource, response),
            as_of=self.as_of(response),
        )
        page = yield from self.detailed(page)
        return _owing(page) if isinstance(select, Open) else page

    def fetch(
        self, kind: type[R], *, ids: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> Flow[Page[R]]:
        """The records of these ids and of exactly these numbers."""
        resource = self.resource(kind)
        names = [each for each in map(clean_number, numbers) if each]
        if names and not resource.number_field:
            text = f"{kind.__name__} records in {self.capabilities.system}"
            raise Fault(Code.NOT_ALLOWED, f"{text} have no number")
        known = [each for each in ids if self.is_id(each)]
        return (yield from self._sought(resource, {"id": known, "number": names}))

    def find(self, changes: Sequence[Change]) -> Flow[Page[Record]]:
        """By id, and what is made by its mark, where that can be searched for."""
        records: list[Record] = []
        issues: list[Issue] = []
        for kind in dict.fromkeys(change.kind for change in changes):
            asked = [change for change in changes if change.kind is kind]
            wanted = {"id": [c.target.id for c in asked if c.target]}
            made = [change for change in asked if change.action is Action.CREATE]
            if made:
                by, marks = self._marks(kind, made)
                wanted[by] = marks
            page = yield from self._sought(self.resource(kind), wanted)
            for issue in page.issues:
                if issue.source is None and issue.code is Code.NOT_ALLOWED:
                    # What was not asked for was not found: that would prove nothing.
                    raise Fault(Code.NOT_ALLOWED, issue.text)
            records.extend(page.records)
            issues.extend(page.issues)
        return Page(tuple(records), tuple(issues))

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        outcomes: list[Outcome] = []
        for change in changes:
            outcome = yield from guarded(self._write_one(change), change, self.judge)
            outcomes.append(outcome)
        return tuple(outcomes)

    def judge(self, response: Response) -> Verdict:
        if response.ok and not self.suspicious(response):
            return FINE
        vendor_code, text = self.explain(response)
        return judge(response, self.rules, vendor_code, text)

    def deep_link(self, ref: Ref) -> str:
        """The address of the record's page in the system's own user interface, or ""."""
        return ""

    # What a subclass overrides: how it is

    def probes(self) -> Mapping[str, Request]:
        """What `check` asks, each for one permission, by the name of the permission."""
        path = next(iter(self.resources.values())).path
        return {path: Request("GET", path)}

    def probes_behind(self, name: str, response: Response) -> Mapping[str, Request]:
        """What else `check` asks in the light of an answer: what needs an id, say."""
        return {}

    def books(self, answers: Mapping[str, Response]) -> Books:
        """What the answers to the probes say of the company; one not allowed is absent."""
        return Books(self.connection)

    def notes(self, answers: Mapping[str, Response]) -> Iterable[str]:
        """What else the answers to the probes tell whoever asked for a check."""
        return ()

    # Reading

    def lists(self, kind: RecordType, select: Select) -> Sequence[Resource[Any]]:
        """
        The lists that are gone through for a selection, one after another.

        The loaders of all but the first give the `Ref` of each record that was touched.
        """
        money = kind is Settlement and isinstance(select, Changed)
        return self.feeds if money and self.feeds else (self.resource(kind),)

    def list_request(
        self, resource: Resource[Any], select: Select, cursor: str | None
    ) -> Request:
        """The request for one page."""
        request = Request("GET", resource.path, params=resource.parameters)
        return request if cursor is None else self.turned(resource, request, cursor)

    def literal(self, resource: Resource[Any], by: str, value: str) -> str:
        """
        An id, number or mark (``by``) as the system's query language writes it.

        Raises `Fault` NOT_ALLOWED for one that cannot be asked for: an issue on it.
        """
        return value

    def fetch_request(
        self, resource: Resource[Any], by: str, literals: Sequence[str]
    ) -> Request:
        """The request that brings the records of these ids, numbers or marks."""
        if by == "id" and resource.one:
            return Request("GET", _address(resource, literals[0]), resource.parameters)
        names = {
            "id": resource.id_parameter,
            "number": resource.number_parameter,
            "mark": resource.mark_parameter,
        }
        asked = {**resource.parameters, names[by]: ",".join(literals)}
        return Request("GET", resource.path, params=asked)

    def next_cursor(
        self,
        resource: Resource[Any],
        asked: Request,
        response: Response,
        rows: Sequence[Any],
    ) -> str | None:
        """
        The cursor of the page behind this one, as the resource says where it stands.

        ``asked`` is the request that brought the page: many systems count on from it.
        """
        if resource.next_field:
            body = response.json()
            told = body.get(resource.next_field) if isinstance(body, dict) else None
            return None if told in (None, "", False) else str(told)
        return next_link(response)

    def turned(self, resource: Resource[Any], request: Request, cursor: str) -> Request:
        """
        The request for another page: at its own address, or with its number.

        A search that was posted is posted again: the address alone does not hold it.
        """
        if "/" in cursor or cursor.startswith("?"):
            return evolve(request, url=cursor, params=())
        name = resource.page_parameter
        kept = tuple(pair for pair in request.params if pair[0] != name)
        return evolve(request, params=(*kept, (name, cursor)))

    def joined(self, resource: Resource[Any], rows: list[Any]) -> Flow[list[Any]]:
        """The rows with what other lists say of them, before they are read."""
        yield from ()
        return rows

    def detailed(self, page: Page[R]) -> Flow[Page[R]]:
        """The page with what needs calls of its own, such as payments."""
        yield from ()
        return page

    def token(self, resource: Resource[Any], response: Response) -> str | None:
        """The change token in an answer, for systems that give one."""
        return None

    def as_of(self, response: Response) -> datetime | None:
        """The other side's clock when it answered."""
        return server_time(response)

    def names(self, record: Any) -> Iterable[str]:
        """By what a record counts as found, when it was asked for by number."""
        return (getattr(record, "number", ""),)

    # Judging

    def suspicious(self, response: Response) -> bool:
        """Whether an answer of status 2xx may carry a failure."""
        return False

    def explain(self, response: Response) -> tuple[str, str]:
        """The vendor's error code and text in an answer."""
        return "", response.text().strip()

    # Writing

    def write_one(self, change: Change) -> Flow[Outcome]:
        """Carry out one change; whatever it raises becomes the outcome."""
        resource = self.resource(change.kind)
        response = yield from self.ask(self.write_request(resource, change))
        return self.written(resource, change, response)

    def write_request(self, resource: Resource[Any], change: Change) -> Request:
        """The one request that carries out a change: POST, PATCH or DELETE."""
        if change.target is None:
            method, url = "POST", resource.path
        else:
            method = "DELETE" if change.action is Action.VOID else "PATCH"
            url = _address(resource, change.target.id)
        keyed = change.key and self.capabilities.idempotency_key and method == "POST"
        return Request(
            method,
            url,
            headers={"Idempotency-Key": change.key} if keyed else {},
            json=resource.dump(change) if resource.dump and change.after else None,
            effect=True,
        )

    def written(
        self, resource: Resource[Any], change: Change, response: Response
    ) -> Outcome:
        """
        What a good answer says came of a change: the document as it shows it.

        Raises where it shows none: what was made is then looked for.
        """
        if change.action is Action.VOID or not response.body:
            return Outcome.applied(change)
        body = response.json()
        row = body.get(resource.item) if resource.item else body
        return self.made(resource, change, Fields(row, resource.item))

    # What it offers to a subclass

    def resource(self, kind: type[R]) -> Resource[R]:
        """Where a kind lives; `Fault` NOT_ALLOWED where the system has none."""
        if kind not in self.resources:
            raise Fault(
                Code.NOT_ALLOWED,
                f"{self.capabilities.system} has no {kind.__name__} records to read",
            )
        found: Resource[R] = self.resources[kind]
        return found

    def made(self, resource: Resource[Any], change: Change, row: Fields) -> Outcome:
        """A change that was carried out, with the document that the row shows."""
        loaded = resource.load(row)
        record = loaded[0] if isinstance(loaded, tuple) and loaded else loaded
        if record is None or isinstance(record, tuple | Ref):
            raise Fault(Code.BAD_PAYLOAD, "the answer shows no such document")
        echo = None if change.action is Action.VOID else record
        return Outcome.applied(
            change, ref=record.ref, version=record.version, echo=echo
        )

    def check_allowed(self, change: Change) -> None:
        """Refuse what capabilities do not declare: `Fault` NOT_ALLOWED."""
        verb = Verb[change.action.name]
        if not self.capabilities.kind(change.kind).can(verb):
            system, kind = self.capabilities.system, change.kind.__name__
            text = f"{system} cannot {verb.value} {kind} records"
            raise Fault(Code.NOT_ALLOWED, text)

    def is_id(self, text: str) -> bool:
        """Whether a text can be an id of this system."""
        return self.ids.fullmatch(text) is not None

    def own_id(self, row: Fields, name: str = "id") -> str:
        """An id that this system can have given, and can be asked for."""
        found, at = row.id(name), row.path(name)
        if not self.is_id(found):
            text = f"{at} is no id of {self.capabilities.system}"
            raise Fault(Code.BAD_FIELD, text, field=at)
        return found

    def ask(self, request: Request) -> Flow[Response]:
        """Send a request; anything but a good answer is raised as a `Fault`."""
        response = yield request
        verdict = self.judge(response)
        if verdict.answer is not Answer.OK:
            raise verdict.fault()
        return response

    def all_rows(self, resource: Resource[Any], request: Request) -> Flow[list[Any]]:
        """The rows behind a request, over all its pages."""
        found: list[Any] = []
        seen: set[str] = set()
        asked = request
        while len(seen) < FETCH_PAGES_MAX:
            response = yield from self.ask(asked)
            rows = self.rows(resource, response)
            found += rows
            link = next_link(response)
            cursor = link or self.next_cursor(resource, asked, response, rows)
            if cursor is None:
                return found
            if cursor in seen:
                break
            seen.add(cursor)
            linked = evolve(request, url=link, params=()) if link else None
            asked = linked or self.turned(resource, request, cursor)
        raise Fault(Code.LOOPING_PAGES, "a search of endless pages", fate=Fate.UNCLEAR)

    def rows(self, resource: Resource[Any], response: Response) -> list[Any]:
        """The rows in a body; a body without its list is BAD_PAYLOAD."""
        body = response.json()
        rows = body
        if resource.rows:
            rows = body.get(resource.rows) if isinstance(body, dict) else None
        if not isinstance(rows, list):
            where = f" in {resource.rows!r}" if resource.rows else ""
            raise Fault(
                Code.BAD_PAYLOAD, f"no list of records{where}", fate=Fate.UNCLEAR
            )
        return rows

    def load(
        self, resource: Resource[R], rows: Iterable[Any]
    ) -> tuple[tuple[Any, ...], tuple[Issue, ...]]:
        """Rows as records and refs, and an issue for each that cannot be read."""
        return read_rows(
            rows,
            resource.load,
            kind=resource.kind,
            connection=self.connection,
            id_field=resource.id_field,
            number_field=resource.number_field,
        )

    # How it does it

    def _place(self, cursor: str | None, lists: int) -> tuple[int, str | None]:
        """Which list, and where in it; a cursor of another system is refused."""
        at, inner = 0, cursor
        if cursor is not None and lists > 1:
            number, _, rest = cursor.partition(":")
            places = [str(each) for each in range(lists)]
            at = places.index(number) if number in places else -1
            inner = rest or None
        if at < 0 or (inner is not None and not self.cursors.fullmatch(inner)):
            system = self.capabilities.system
            text = f"this resume point is none of {system}'s: start from a date"
            raise ConfigError(text)
        return at, inner

    def _write_one(self, change: Change) -> Flow[Outcome]:
        """One change that is allowed, of a document that is still there."""
        self.check_allowed(change)
        try:
            return (yield from self.write_one(change))
        except Fault as fault:
            if fault.code is Code.NO_SUCH_RESOURCE and change.target is not None:
                raise Fault(Code.VANISHED, fault.text, fate=fault.fate) from fault
            raise

    def _marks(self, kind: RecordType, made: Sequence[Change]) -> tuple[str, list[str]]:
        """By what documents that were made are found again."""
        mark = self.capabilities.kind(kind).mark
        if mark is not None and mark.is_number:
            return "number", [change.number for change in made if change.number]
        if mark is None or not mark.searchable:
            # "Not found" by number would prove nothing of a document that the other
            # side numbers itself.
            text = f"no search for a {kind.__name__} by its mark"
            raise Fault(Code.NOT_ALLOWED, text)
        return "mark", [change.mark for change in made if change.mark]

    def _sought(
        self, resource: Resource[R], wanted: Mapping[str, Iterable[str]]
    ) -> Flow[Page[R]]:
        """The records of ids, numbers and marks, each once; and what cannot be asked."""
        found: dict[str, R] = {}
        gone: dict[Ref, None] = {}
        issues: list[Issue] = []
        for by, values in wanted.items():
            named, refused = self._literals(resource, by, values)
            issues += refused
            for some in self._groups(resource, by, named):
                page = yield from self._asked(resource, by, some, named)
                found.update({record.ref.id: record for record in page.records})
                gone.update(dict.fromkeys(page.gone))
                issues += page.issues
        told = tuple(dict.fromkeys(issues))
        page = Page(tuple(found.values()), told, tuple(gone))
        return (yield from self.detailed(self._exact(page, wanted)))

    def _literals(
        self, resource: Resource[Any], by: str, values: Iterable[str]
    ) -> tuple[dict[str, str], list[Issue]]:
        """What is asked for, by its literal; an issue for each that cannot be."""
        named: dict[str, str] = {}
        issues: list[Issue] = []
        for value in dict.fromkeys(values):
            try:
                named[self.literal(resource, by, value)] = value
            except Fault as fault:
                issues.append(self._unaskable(by, value, fault))
        return named, issues

    def _groups(
        self, resource: Resource[Any], by: str, literals: Iterable[str]
    ) -> Iterator[list[str]]:
        """Literals as they are asked for: many together, odd ones alone."""
        can = self.capabilities.kind(resource.kind)
        size = 1 if can.fetch_alone or (by == "id" and resource.one) else can.fetch_size
        given = list(literals)
        usual = [each for each in given if self.plain.fullmatch(each)]
        yield from packed(usual, size, self.literals_length_max)
        yield from ([each] for each in given if each not in usual)

    def _asked(
        self,
        resource: Resource[R],
        by: str,
        literals: Sequence[str],
        named: Mapping[str, str],
    ) -> Flow[Page[R]]:
        """One search; that one odd number is refused spoils nothing but itself."""
        request = self.fetch_request(resource, by, literals)
        odd = not self.plain.fullmatch(literals[0])
        try:
            if by == "id" and resource.one:
                response = yield from self.ask(request)
                body = response.json()
                rows = [body.get(resource.item) if resource.item else body]
            else:
                rows = yield from self.all_rows(resource, request)
            rows = yield from self.joined(resource, rows)
        except Fault as fault:
            if by == "id" and resource.one and fault.code is Code.NO_SUCH_RESOURCE:
                return Page()
            if not odd or fault.code.scope is Scope.CONNECTION:
                raise
            return Page(issues=(self._unaskable(by, named[literals[0]], fault),))
        loaded, issues = self.load(resource, rows)
        return Page(
            tuple(each for each in loaded if not isinstance(each, Ref)),
            issues,
            tuple(each for each in loaded if isinstance(each, Ref)),
        )

    def _exact(self, page: Page[R], wanted: Mapping[str, Iterable[str]]) -> Page[R]:
        """Only what was asked for: systems compare without case, or by beginnings."""
        if "mark" in wanted:
            return page  # a mark stands in a text: `tieout.evidence` looks for it
        case = str if self.ids_have_case else str.casefold
        ids = set(map(case, wanted["id"]))
        numbers = {clean_number(each) for each in wanted.get("number", ())}

        def meant(ref: Ref | None, known: Iterable[str]) -> bool:
            # An id may be today's handle of a record that is called otherwise for ever.
            named = ref is None or any(case(x) in ids for x in (ref.id, *ref.aliases))
            return named or not numbers.isdisjoint(known)

        return Page(
            tuple(e for e in page.records if meant(e.ref, self.names(e))),
            tuple(e for e in page.issues if meant(e.source, e.numbers)),
            page.gone,
        )

    def _unaskable(self, by: str, value: str, fault: Fault) -> Issue:
        text = f"{self.capabilities.system} cannot be asked for this {by}: {fault.text}"
        return Issue(Code.NOT_ALLOWED, None, (value,), by, text)


def _cursor(at: int, following: str | None, lists: int) -> str | None:
    """The cursor behind a page: further in its list, or at the start of the next."""
    if lists == 1 or (following is None and at + 1 == lists):
        return following
    return f"{at}:{following}" if following is not None else f"{at + 1}:"


def _owing(page: Page[R]) -> Page[R]:
    """
    The page without what owes nothing.

    Few systems can be asked for exactly what is owed: their lists of what is unpaid hold
    drafts, void documents and invoices of nothing.
    """
    owing = [r for r in page.records if getattr(r, "status", None) is Status.OPEN]
    return evolve(page, records=tuple(owing))


def _address(resource: Resource[Any], identity: str) -> str:
    """Where one record stands."""
    return f"{resource.path}/{quote(identity, safe='')}"


def packed(
    literals: Iterable[str], size: int, length_max: int, glue: str = ","
) -> Iterator[list[str]]:
    """The literals in lists of at most ``size`` that fit into an address."""
    some: list[str] = []
    length = 0
    for literal in literals:
        cost = len(quote(literal + glue, safe=""))
        if some and (len(some) == size or length + cost > length_max):
            yield some
            some, length = [], 0
        some.append(literal)
        length += cost
    if some:
        yield some
