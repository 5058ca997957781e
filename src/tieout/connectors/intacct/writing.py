"""
How Intacct is written to: several functions in one request, and what came of each.

Which function carries out a change, and what its answer shows, is told elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress

from attrs import evolve, frozen

from tieout.change import Change, Outcome, State
from tieout.connector import Fields, batches, guarded_batch
from tieout.connectors.intacct.bodies import Bodies, Body
from tieout.connectors.intacct.gateway import asking
from tieout.connectors.intacct.landing import Landing
from tieout.connectors.intacct.reading import IntacctReader
from tieout.connectors.intacct.replies import Reply, Result
from tieout.connectors.intacct.xml import Element
from tieout.errors import Code, Fault
from tieout.models import Application, Invoice, Payment, Ref
from tieout.wire import Flow


@frozen
class Sent:
    """One change on its way: as it was asked for, as Intacct knows it today, its body."""

    asked: Change
    change: Change
    body: Body


class IntacctWriter(IntacctReader):
    """The writing half of the connector."""

    _landing: Landing
    _bodies: Bodies

    def write(self, changes: Sequence[Change]) -> Flow[tuple[Outcome, ...]]:
        """Several functions in one request, independent of each other."""
        found: list[Outcome] = []
        for some in batches(changes, self.capabilities.kind(Invoice).batch_size):
            found += yield from guarded_batch(self._together(some), some, self.judge)
        return tuple(found)

    def _together(self, changes: Sequence[Change]) -> Flow[list[Outcome]]:
        sent: dict[str, Sent] = {}
        outcomes: list[Outcome] = []
        allowed: list[Change] = []
        for change in changes:
            try:
                self.check_allowed(change)
                allowed.append(change)
            except Fault as fault:
                outcomes.append(Outcome.failed(change, fault))
        numbers = yield from self._numbers(allowed)
        for change in allowed:
            today = _today(change, numbers)
            try:
                body = self._bodies.body(today)
                body.function.text()  # refuses what XML cannot hold
            except Fault as fault:
                outcomes.append(Outcome.failed(change, fault))
            else:
                # Of two of one id nobody could say which was carried out.
                sent.setdefault(change.key or change.name, Sent(change, today, body))
        if sent:
            outcomes += yield from self._sent(sent)
        return outcomes

    def _numbers(self, changes: Sequence[Change]) -> Flow[dict[str, str]]:
        """Today's record numbers of what order entry made and these changes name."""
        ends = [ref.id for change in changes for ref in _ends(change)]
        return (yield from self._documents(each for each in ends if not _digits(each)))

    def _sent(self, sent: Mapping[str, Sent]) -> Flow[list[Outcome]]:
        """One request, with the queries behind it that show what it made."""
        prefix = hashlib.sha256("|".join(sent).encode()).hexdigest()[:20]
        looks = self._landing.looks([each.change for each in sent.values()])
        named = {f"{prefix}-{at}": look for at, look in enumerate(looks)}
        queries = [(control_id, query) for control_id, (_, query) in named.items()]
        writes = [(control_id, each.body.function) for control_id, each in sent.items()]
        try:
            response = yield asking([*writes, *queries], effect=True)
            reply = self._reply(response)
        except Fault as fault:
            return [Outcome.failed(each.asked, fault) for each in sent.values()]
        lists = {control_id: name for control_id, (name, _) in named.items()}
        shown = yield from self._shown(reply, queries, lists)
        found: list[Outcome] = []
        for control_id, each in sent.items():
            results = [x for x in reply.results if x.control_id == control_id]
            if len(results) == 1:  # else it is not told, and unknown
                found.append(self._landed(each, results[0], shown))
        return found

    def _shown(
        self,
        reply: Reply,
        queries: Sequence[tuple[str, Element]],
        lists: Mapping[str, str],
    ) -> Flow[dict[str, list[Fields]]]:
        """The rows of the queries behind the writes, by list."""
        known = (each.verdict().code for each in reply.results)
        if queries and Code.OUTCOME_UNKNOWN in known:
            # Of what was done before, the queries are refused too: they are asked anew.
            with suppress(Fault):
                again = yield from self.ask(asking(queries))
                return self._landing.shown(self._reply(again), lists)
        return self._landing.shown(reply, lists)

    def _landed(
        self, sent: Sent, result: Result, shown: Mapping[str, list[Fields]]
    ) -> Outcome:
        try:
            outcome = self._landing.outcome(sent.change, result, shown)
        except Fault as fault:
            outcome = Outcome.failed(sent.asked, fault, effect_sent=True)
        echo, after = outcome.echo, sent.asked.after
        if isinstance(echo, Application) and isinstance(after, Application):
            echo = evolve(echo, source=after.source, target=after.target)
        hushed = self._signer.hushed(outcome.text)
        return _noted(evolve(outcome, echo=echo, text=hushed), sent.body.left_out)


def _noted(outcome: Outcome, left_out: Sequence[str]) -> Outcome:
    """The outcome with a word on what the other side does not know."""
    if not left_out or outcome.state is not State.APPLIED:
        return outcome
    text = f"left out: {'; '.join(left_out)}"
    told = "; ".join(filter(None, (outcome.text, text)))
    return evolve(outcome, notes=(*outcome.notes, Code.LEFT_OUT), text=told)


def _ends(change: Change) -> list[Ref]:
    """The documents between which a change puts money."""
    after = change.after
    if isinstance(after, Payment):
        return [put.target for put in after.applications]
    return [after.source, after.target] if isinstance(after, Application) else []


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _today(change: Change, numbers: Mapping[str, str]) -> Change:
    """A change that names documents by their record numbers of today."""

    def named(ref: Ref) -> Ref:
        return evolve(ref, id=numbers.get(ref.id, ref.id))

    def put(each: Application) -> Application:
        return evolve(each, source=named(each.source), target=named(each.target))

    after = change.after
    if isinstance(after, Application):
        return evolve(change, after=put(after))
    if isinstance(after, Payment):
        applications = tuple(map(put, after.applications))
        return evolve(change, after=evolve(after, applications=applications))
    return change
