"""
Keep a billing system and an accounting ledger in agreement.

Invoices are made in billing, payments are recorded in the ledger; `Engine` carries what has
been paid from one to the other, as often as you like and from any start date.
"""

from __future__ import annotations

from tieout.adapters import Adapter, Callbacks, Direct, PlanFile, Preview
from tieout.capabilities import (
    Capabilities,
    Changed,
    Dated,
    Everything,
    Open,
    Select,
    Unposted,
)
from tieout.change import (
    Action,
    Change,
    Issue,
    Outcome,
    State,
    change_name,
    mark_of,
)
from tieout.clock import Clock, SystemClock
from tieout.connector import (
    Books,
    Connector,
    Health,
    Page,
    Resource,
    RestConnector,
    Rule,
)
from tieout.effects import Effect
from tieout.engine import Engine, this_user
from tieout.errors import (
    Code,
    ConfigError,
    Fault,
    Severity,
    StoreError,
    StoreTrouble,
    TieoutError,
)
from tieout.journal import Landed, Reply
from tieout.local import Bill, Local, LocalApp
from tieout.models import (
    Application,
    CreditNote,
    Customer,
    Invoice,
    Line,
    Link,
    Part,
    Payment,
    Posting,
    Ref,
    Settlement,
    Status,
    fingerprint,
)
from tieout.money import Money
from tieout.plan import Plan
from tieout.report import Progress, Report
from tieout.settings import Direction, NumberRule, Settings
from tieout.store import Doubt, Intent, Store
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import SQLiteStore
from tieout.table import Columns, Table
from tieout.transport import HTTPTransport
from tieout.windows import Since
from tieout.wire import Call, Flow, Request, Response, Transport

__all__ = [
    "Action",
    "Adapter",
    "Application",
    "Bill",
    "Books",
    "Call",
    "Callbacks",
    "Capabilities",
    "Change",
    "Changed",
    "Clock",
    "Code",
    "Columns",
    "ConfigError",
    "Connector",
    "CreditNote",
    "Customer",
    "Dated",
    "Direct",
    "Direction",
    "Doubt",
    "Effect",
    "Engine",
    "Everything",
    "Fault",
    "Flow",
    "HTTPTransport",
    "Health",
    "Intent",
    "Invoice",
    "Issue",
    "Landed",
    "Line",
    "Link",
    "Local",
    "LocalApp",
    "MemoryStore",
    "Money",
    "NumberRule",
    "Open",
    "Outcome",
    "Page",
    "Part",
    "Payment",
    "Plan",
    "PlanFile",
    "Posting",
    "Preview",
    "Progress",
    "Ref",
    "Reply",
    "Report",
    "Request",
    "Resource",
    "Response",
    "RestConnector",
    "Rule",
    "SQLiteStore",
    "Select",
    "Settings",
    "Settlement",
    "Severity",
    "Since",
    "State",
    "Status",
    "Store",
    "StoreError",
    "StoreTrouble",
    "SystemClock",
    "Table",
    "TieoutError",
    "Transport",
    "Unposted",
    "__version__",
    "change_name",
    "fingerprint",
    "mark_of",
    "this_user",
]

__version__: str


def __getattr__(name: str) -> str:
    """The version, read from the installed package when somebody asks."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - only when asked

        return version("tieout")
    raise AttributeError(f"module {__name__} has no attribute {name}")
