"""
``tieout.toml``: which two systems, by which rules, and where memory is kept.

Secrets do not stand in it: a value is the name of an environment variable. What is wrong
is told with its key, its file and line, and the nearest key that there is.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import fields, frozen

import tieout
from tieout.cli.tables import TABLE, Tables
from tieout.connector import Connector
from tieout.errors import Code, ConfigError, Who
from tieout.models import KINDS
from tieout.remedies import RemedyRow
from tieout.settings import Direction, Fees, NumberRule, Settings

FILE = "tieout.toml"
"""The name that is looked for in the folder where a command is called."""

SYSTEMS: Mapping[str, str] = {
    "autotask": "Autotask",
    "connectwise": "ConnectWise",
    "intacct": "Intacct",
    "invoiced": "Invoiced",
    "quickbooks": "QuickBooks",
    "tryton": "Tryton",
    "xero": "Xero",
}
"""The class of each system, in `tieout.connectors`."""

OWN = re.compile(r"(?P<module>\w+(?:\.\w+)*):(?P<kind>\w+)")
"""A connector of one's own as a system: ``package.module:Class``."""

ASKED = tuple(name for name in vars(Connector) if not name.startswith("_"))
"""What a connector is asked for: what lacks one of these is none."""

TOP = ("billing", "ledger", "settings", "remedies", "store", "profile")

SECRET = re.compile(
    r"(?:^|_)(?:secret|password|passphrase|token|credentials?"
    r"|(?:access|api|app|private|public|secret|signing)_key)$|^key$"
)
"""Arguments of connectors whose values are secrets, by their names."""

ENVIRONMENT = "_env"
"""Behind the name of an argument: its value is the name of an environment variable."""

DIRECTIONS: Mapping[str, Direction] = {
    "off": Direction.OFF,
    "to billing": Direction.TO_BILLING,
    "to ledger": Direction.TO_LEDGER,
    "both": Direction.BOTH,
}


ROW = ("system", "code", "text", "meaning", "who", "steps")
"""The keys of a row of ``[[remedies]]``."""

ROW_WORDS: Mapping[str, Mapping[str, Any]] = {
    "code": Code.__members__,
    "who": {each.value: each for each in Who},
}
"""Of which keys the values are words, besides ``system``, and what these stand for."""

FEW = 12
"""More words than these are not listed where one of them is misspelt."""


@frozen
class Config:
    """A file that was read: what an engine is made of."""

    path: Path
    text: str
    data: Mapping[str, Any]

    def engine(self) -> tieout.Engine:
        """The engine of the file. Raises `ConfigError` for what in it cannot be."""
        self._known("", self.data, TOP)
        store = str(self.data.get("store", "tieout.db"))
        sides = [self._connector(side) for side in ("billing", "ledger")]
        return tieout.Engine(
            billing=sides[0],
            ledger=sides[1],
            settings=self._settings(),
            store=tieout.SQLiteStore(self.path.parent / store),
            profile=str(self.data.get("profile") or tieout.this_user()),
            remedies=self.remedies(each.connection for each in sides),
        )

    # Connectors ---------------------------------------------------------------------------

    def _connector(self, side: str) -> Connector:
        given = dict(self._section(side))
        name = str(given.pop("system", ""))
        if name == TABLE:
            return Tables(self.path.parent, self._known, self._wrong).read(side, given)
        make = self._maker(f"{side}.system", name)
        made = make(**self._arguments(side, make, given))
        lacking = [each for each in ASKED if not hasattr(made, each)]
        if lacking:
            text = f"{name} is no connector: it has no {', '.join(lacking)}"
            raise self._wrong(f"{side}.system", text)
        return made

    def _maker(self, where: str, name: str) -> Callable[..., Connector]:
        """The class of a system: one of those that come with tieout, or one's own."""
        own = OWN.fullmatch(name)
        if own is None and name not in SYSTEMS:
            known = ", ".join((*SYSTEMS, TABLE))
            text = (
                f"{name or 'nothing'} is none of {known}, and no package.module:Class"
            )
            raise self._wrong(where, text)
        path = own["module"] if own else f"tieout.connectors.{name}"
        kind = own["kind"] if own else SYSTEMS[name]
        try:
            module = import_module(path)
        except ImportError as error:
            text = (
                f"{path} cannot be imported ({error}): install it for this Python, "
                "or name the folder that holds it in PYTHONPATH"
            )
            raise self._wrong(where, text) from error
        made: Any = getattr(module, kind, None)
        if not isinstance(made, type):
            classes = [n for n, each in vars(module).items() if isinstance(each, type)]
            raise self._wrong(
                where, f"{path} has no class {kind}{_near(kind, classes)}"
            )
        return made

    def _arguments(
        self, side: str, make: Callable[..., Connector], given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What a class is called with. Raises `ConfigError` for a key that is not its own."""
        every = inspect.signature(make).parameters
        parameters = {n: each for n, each in every.items() if each.kind in _BY_NAME}
        self._known(side, given, [n for p in parameters for n in (p, p + ENVIRONMENT)])
        values = {
            key.removesuffix(ENVIRONMENT): self._value(side, key, value)
            for key, value in given.items()
        }
        for key, value in values.items():
            # Lengths of time are written in seconds.
            if "timedelta" in str(parameters[key].annotation) and value is not None:
                values[key] = timedelta(seconds=float(value))
        for parameter in parameters.values():
            if parameter.default is parameter.empty and parameter.name not in values:
                shown = self._as_written(parameter.name)
                raise self._wrong(side, f"{shown} is missing")
        return values

    def _value(self, side: str, key: str, value: Any) -> Any:
        """A value of the file, or that of the environment variable that it names."""
        where = f"{side}.{key}"
        if key.endswith(ENVIRONMENT):
            found = os.environ.get(str(value))
            if found is None:
                raise self._wrong(where, f"the environment variable {value} is not set")
            return found
        if SECRET.search(key) and isinstance(value, str):
            variable = f"TIEOUT_{side}_{key}".upper()
            text = (
                f"a secret does not stand in a file: write {key}{ENVIRONMENT} = "
                f'"{variable}", and set that environment variable'
            )
            raise self._wrong(where, text)
        return value

    def _as_written(self, name: str) -> str:
        return name + ENVIRONMENT if SECRET.search(name) else name

    # Settings -----------------------------------------------------------------------------

    def _settings(self) -> Settings:
        given = dict(self._section("settings"))
        self._known("settings", given, [each.name for each in fields(Settings)])
        values: dict[str, Any] = {}
        for key, value in given.items():
            read = _READ.get(key, lambda found: found)
            try:
                values[key] = read(value)
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                text = f"{value!r} cannot be read ({error})"
                raise self._wrong(f"settings.{key}", text) from error
        return Settings(**values)

    # Remedies -----------------------------------------------------------------------------

    def remedies(self, connections: Iterable[str] = ()) -> list[RemedyRow]:
        """
        The host's own rows, on the known systems and on those of these ``connections``.

        Raises `ConfigError` for what in them cannot be.
        """
        systems = (*SYSTEMS, *(each.partition(":")[0] for each in connections))
        words = {**ROW_WORDS, "system": {name: name for name in systems}}
        rows = self.data.get("remedies", [])
        if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
            text = "each row is a section of its own: [[remedies]]"
            raise self._wrong("remedies", text)
        return [
            self._row(f"remedies[{at}]", row, words) for at, row in enumerate(rows, 1)
        ]

    def _row(
        self,
        where: str,
        given: Mapping[str, Any],
        words: Mapping[str, Mapping[str, Any]],
    ) -> RemedyRow:
        """One of the host's own rows on what errors mean and who can put them right."""
        self._known(where, given, ROW)
        for key, value in given.items():
            many = key == "steps" and isinstance(value, list)
            if not all(isinstance(each, str) for each in (value if many else [value])):
                raise self._wrong(f"{where}.{key}", f"{value!r} is no text")
        values = dict(given)
        for key, names in words.items():
            if key in values:
                values[key] = self._word(f"{where}.{key}", values[key], names)
        try:
            return RemedyRow(**values)
        except ConfigError as error:
            key = str(error).partition(" ")[0]
            at = f"{where}.{key}" if key in given else where
            raise self._wrong(at, str(error)) from error

    def _word(self, where: str, word: str, names: Mapping[str, Any]) -> Any:
        """What a word stands for; the nearest is told for one that is none of them."""
        if word not in names:
            few = ", ".join(names) if len(names) < FEW else "docs/errors.md lists them"
            text = f"{word!r} is none that there is ({few}){_near(word, names)}"
            raise self._wrong(where, text)
        return names[word]

    # What is wrong ------------------------------------------------------------------------

    def _section(self, name: str) -> Mapping[str, Any]:
        found = self.data.get(name, {})
        if not isinstance(found, Mapping):
            raise self._wrong(name, f"it is a section of its own: [{name}]")
        return found

    def _known(self, section: str, given: Mapping[str, Any], known: Any) -> None:
        for key in given:
            if key in known:
                continue
            where = f"{section}.{key}" if section else key
            raise self._wrong(where, f"there is no such key{_near(key, known)}")

    def _wrong(self, where: str, text: str) -> ConfigError:
        return ConfigError(f"{self.path}:{self._line(where)}: {where}: {text}")

    def _line(self, where: str) -> int:
        """The line on which a key stands, or its section, or the first."""
        section, _, key = where.rpartition(".")
        wanted, inside, at = key or section, "", 1
        rows: Counter[str] = Counter()
        for number, line in enumerate(self.text.splitlines(), 1):
            head = re.match(r"\s*\[(\[?)([^\[\]]+)\]", line)
            if head:
                inside = head[2].strip()
                if head[1]:
                    rows[inside] += 1
                    inside = f"{inside}[{rows[inside]}]"
                if inside in (where, section):
                    at = number
            name = re.match(r"""\s*["']?([\w.-]+)["']?\s*=""", line)
            if name and name[1] == wanted and inside == section:
                return number
        return at


_BY_NAME = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)
"""Arguments that a key of the file can be."""


def _near(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest of some words; nothing where none is near."""
    near = difflib.get_close_matches(word, [*known], 1, 0.5)
    return f"; did you mean {near[0]}?" if near else ""


def load(path: Path) -> Config:
    """A file as it is. Raises `ConfigError` where there is none, or it is no TOML."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no {path}: `tieout init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        return Config(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _directions(given: Mapping[str, str]) -> dict[Any, Direction]:
    return {KINDS[kind]: DIRECTIONS[way] for kind, way in given.items()}


def _tolerance(given: Mapping[str, str]) -> dict[str, Decimal]:
    return {currency: Decimal(str(limit)) for currency, limit in given.items()}


_READ: Mapping[str, Callable[[Any], Any]] = {
    "directions": _directions,
    "tolerance": _tolerance,
    "fees": lambda found: Fees(**found),
    "number_rule": lambda found: NumberRule(**found),
}
"""Settings that are more than a word, a number or a table of words."""


def since(text: str) -> Any:
    """A start as it is written: a name of `Since`, a day, or an instant with a zone."""
    name = text.strip().upper().replace("-", "_").replace(" ", "_")
    if name in tieout.Since.__members__:
        return tieout.Since[name]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        names = ", ".join(
            each.lower().replace("_", "-") for each in tieout.Since.__members__
        )
        raise ConfigError(
            f"--since {text}: neither {names}, nor a day such as 2026-03-01"
        ) from None
    bare = len(text.strip()) == len("2026-03-01")
    return moment.date() if bare else moment


def day(text: str) -> date:
    """A day as it is written. Raises `ConfigError` for what is none."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{text} is not a day such as 2026-03-01") from None


def minutes(text: str) -> timedelta:
    """A pause in minutes. Raises `ConfigError` for what is none."""
    try:
        pause = timedelta(minutes=float(text))
    except (ValueError, OverflowError):
        pause = timedelta(0)
    if pause <= timedelta(0):
        raise ConfigError(f"--every {text}: a number of minutes above 0")
    return pause


TEMPLATE = """\
# Which two systems are kept in agreement. Secrets do not stand here: a key that ends in
# _env names the environment variable that holds the value.

[billing]
system = "connectwise"          # or: {systems};
                                # or a connector of your own: package.module:Class
site = "na.myconnectwise.net"
company = "acme"
public_key_env = "CONNECTWISE_PUBLIC_KEY"
private_key_env = "CONNECTWISE_PRIVATE_KEY"
client_id = "00000000-0000-0000-0000-000000000000"

[ledger]
system = "xero"
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "YOUR-APPS-CLIENT-ID"
client_secret_env = "XERO_CLIENT_SECRET"
refresh_token_env = "XERO_REFRESH_TOKEN"

[settings]
# paid_amount = "settled"       # or "cash": only what was paid
# write_off = "open"            # or "settle": a write-off counts as paid
# updates = "void_only"         # or "update": changes of posted documents are carried too

# Which way documents go; payment levels go to billing unless payments go as documents.
# [settings.directions]
# Customer = "to ledger"        # off, to billing, to ledger, both
# Invoice = "to ledger"

# What an error means here, and who can put it right: before what tieout says of it.
# [[remedies]]
# system = "xero"
# code = "LOCKED_PERIOD"          # of those in docs/errors.md
# text = "lock date"              # a pattern in the other system's own words
# who = "admin"                   # or: user, developer, nobody
# steps = ["Ask Ada to open the period."]
"""
"""What `tieout init` writes."""


def template() -> str:
    """The file to begin with."""
    return TEMPLATE.format(systems=", ".join((*SYSTEMS, TABLE)))
