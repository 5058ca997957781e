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
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import fields, frozen

import tieout
from tieout.cli.tables import TABLE, Tables
from tieout.connector import Connector
from tieout.errors import ConfigError
from tieout.models import KINDS
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

TOP = ("billing", "ledger", "settings", "store", "profile")

SECRET = re.compile(r"(?:^|_)(?:secret|password|token|api_key|private_key|public_key)$")
"""Arguments of connectors whose values are secrets, by their names."""

ENVIRONMENT = "_env"
"""Behind the name of an argument: its value is the name of an environment variable."""

DIRECTIONS: Mapping[str, Direction] = {
    "off": Direction.OFF,
    "to billing": Direction.TO_BILLING,
    "to ledger": Direction.TO_LEDGER,
    "both": Direction.BOTH,
}


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
        return tieout.Engine(
            billing=self._connector("billing"),
            ledger=self._connector("ledger"),
            settings=self._settings(),
            store=tieout.SQLiteStore(self.path.parent / store),
            profile=str(self.data.get("profile") or tieout.this_user()),
        )

    # Connectors ---------------------------------------------------------------------------

    def _connector(self, side: str) -> Connector:
        given = dict(self._section(side))
        name = str(given.pop("system", ""))
        if name == TABLE:
            return Tables(self.path.parent, self._known, self._wrong).read(side, given)
        if name not in SYSTEMS:
            known = ", ".join((*SYSTEMS, TABLE))
            raise self._wrong(
                f"{side}.system", f"{name or 'nothing'} is none of {known}"
            )
        module = import_module(f"tieout.connectors.{name}")
        make: Callable[..., Connector] = getattr(module, SYSTEMS[name])
        parameters = inspect.signature(make).parameters
        known_keys = [n for p in parameters for n in (p, p + ENVIRONMENT)]
        self._known(side, given, known_keys)
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
        return make(**values)

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
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            where = f"{section}.{key}" if section else key
            raise self._wrong(where, f"there is no such key{hint}")

    def _wrong(self, where: str, text: str) -> ConfigError:
        return ConfigError(f"{self.path}:{self._line(where)}: {where}: {text}")

    def _line(self, where: str) -> int:
        """The line on which a key stands, or its section, or the first."""
        section, _, key = where.rpartition(".")
        wanted, inside, at = key or section, "", 1
        for number, line in enumerate(self.text.splitlines(), 1):
            head = re.match(r"\s*\[([^\]]+)\]", line)
            if head:
                inside = head[1].strip()
                if inside in (where, section):
                    at = number
            name = re.match(r"""\s*["']?([\w.-]+)["']?\s*=""", line)
            if name and name[1] == wanted and inside == section:
                return number
        return at


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
system = "connectwise"          # or: {systems}
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
"""
"""What `tieout init` writes."""


def template() -> str:
    """The file to begin with."""
    return TEMPLATE.format(systems=", ".join((*SYSTEMS, TABLE)))
