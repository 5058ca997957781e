"""
What an error means, who can put it right, by which steps, and when it is tried again: a table.

Three layers are looked through, and what one leaves out the next one says: the host's own
rows, then what the connector has in its table (or said itself of this one error), then the
catalogue in `tieout.errors`. When something is tried again is the engine's to say, and no
row's: it follows from the code. Nothing here knows a system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from tieout.errors import Code, ConfigError, Fate, Fault, Retry, Who

SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z])")
"""Behind the end of a sentence, before a capital letter."""


@frozen
class Remedy:
    """
    What an error means, who can put it right, how, and when it is tried again.

    ``steps`` are sentences, in their order; ``retry`` is what the engine goes by.
    """

    meaning: str
    who: Who
    steps: tuple[str, ...]
    retry: Retry

    def __str__(self) -> str:
        return f"{self.who.value}: {' '.join(self.steps)}"


def looked_up() -> Any:
    """A field for the remedy that an engine looks up on reading; no part of the value."""
    return field(default=None, eq=False)


def steps_of(words: str) -> tuple[str, ...]:
    """What is to be done, a step each: the sentences of a text."""
    return tuple(filter(None, SENTENCE_ENDS.split(words.strip())))


def _steps(given: str | Iterable[str]) -> tuple[str, ...]:
    return steps_of(given) if isinstance(given, str) else tuple(given)


@frozen
class RemedyRow:
    """
    One row of a table of remedies: for which errors it is, and what it says of them.

    All that is given must hold: ``system`` (such as ``"xero"``) is where it went wrong,
    ``code`` what it is called, ``text`` a pattern searched for in its words, whatever the
    case. ``meaning``, ``who`` and ``steps`` are what it says; what is left out the next
    layer says. ``steps`` may be one text of several sentences. ``says`` are the words of
    such an error, for the page that lists it. Raises `ConfigError`.
    """

    code: Code | None = None
    steps: tuple[str, ...] = field(default=(), converter=_steps)
    who: Who | None = None
    meaning: str = ""
    system: str = ""
    text: str = ""
    says: str = ""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.code, Code | None):
            raise ConfigError(f"code is a Code such as Code.REFUSED, not {self.code!r}")
        if not isinstance(self.who, Who | None):
            raise ConfigError(f"who is one of Who, not {self.who!r}")
        try:
            re.compile(self.text)
        except re.error as error:
            raise ConfigError(f"text is no pattern: {error}") from error
        if not (self.steps or self.who or self.meaning):
            raise ConfigError("a row of remedies says steps, who or meaning")
        if not all(each.strip() for each in self.steps):
            raise ConfigError("a step is empty")

    @property
    def words(self) -> str:
        """The steps in one text."""
        return " ".join(self.steps)

    def holds(self, code: Code, text: str, system: str) -> bool:
        """Whether an error is one of those that this row is for."""
        return (
            self.code in (None, code)
            and self.system in ("", system)
            and (not self.text or re.search(self.text, text, re.IGNORECASE) is not None)
        )

    def fault(self, text: str, *, field: str = "", fate: Fate = Fate.REFUSED) -> Fault:
        """An error that this row is for, to be raised by who finds it."""
        code = self.code or Code.UNKNOWN_ERROR
        return Fault(code, text, field=field, remedy=self.words, fate=fate)


class Remedies:
    """
    The rows of a pair: the host's, in their order, and those of its connectors.

    The first row of the host that holds counts. A connector's row was chosen when the
    error was met, by all that was known then (status, code, words), and is found again by
    what it said.
    """

    def __init__(
        self, host: Iterable[RemedyRow] = (), known: Iterable[RemedyRow] = ()
    ) -> None:
        self._host = tuple(host)
        for row in self._host:
            if not isinstance(row, RemedyRow):
                raise ConfigError(f"remedies: rows are RemedyRow, not {row!r}")
        self._known: dict[tuple[Code, str], RemedyRow] = {}
        for row in known:
            if row.code is not None and row.steps:
                self._known.setdefault((row.code, row.words), row)

    def of(
        self, code: Code, text: str = "", words: str = "", system: str = ""
    ) -> Remedy:
        """
        The remedy of an error: of its code, by its ``text``.

        ``words`` are what was said of it when it was met, ``system`` where that was.
        """
        rows = self._rows(code, text, words, system)
        said = [each.steps for each in rows if each.steps]
        return Remedy(
            meaning=next((each.meaning for each in rows if each.meaning), code.meaning),
            who=next((each.who for each in rows if each.who), code.who),
            steps=said[0] if said else steps_of(words or code.remedy),
            retry=code.retry,
        )

    def knows(
        self, code: Code, text: str = "", words: str = "", system: str = ""
    ) -> bool:
        """Whether anybody has said more of an error than that the other system gave it."""
        own = bool(words) and words != code.remedy
        return code not in WORDLESS or own or bool(self._rows(code, text, "", system))

    def _rows(
        self, code: Code, text: str, words: str, system: str
    ) -> tuple[RemedyRow, ...]:
        """The rows that hold, the weightiest first: at most one a layer."""
        host = (each for each in self._host if each.holds(code, text, system))
        found: list[Any] = [next(host, None), self._known.get((code, words))]
        return tuple(each for each in found if each is not None)


WORDLESS = frozenset({Code.UNKNOWN_ERROR, Code.REFUSED})
"""Codes that say no more than that the other system said something."""

CATALOGUE = Remedies()
"""The last layer alone: what is said of an error where nobody has looked further."""
