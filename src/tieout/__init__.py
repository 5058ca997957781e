"""
Keep a billing system and an accounting ledger in agreement.

Invoices are made in billing, payments are recorded in the ledger; `Engine` carries what has
been paid from one to the other, as often as you like and from any start date.
"""

from __future__ import annotations

from tieout.adapters import Adapter, Callbacks, Direct, PlanFile, Preview
from tieout.answers import Landed, Reply
from tieout.autopay import (
    AutoPay,
    AutoPayRules,
    AutoPayState,
    AutoPayStatus,
    MethodKind,
    Payer,
)
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
from tieout.clusters import UnknownError
from tieout.connections import Connection, ConnectionState
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
    Retry,
    Severity,
    StoreError,
    StoreTrouble,
    TieoutError,
    Who,
)
from tieout.handover import Listing
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
from tieout.proof.certificate import Certificate, load_certificate
from tieout.proof.differences import (
    Amounts,
    Balance,
    Difference,
    DifferenceKind,
    Shift,
)
from tieout.remedies import Remedy, RemedyRow
from tieout.report import Progress, Report
from tieout.schedule import Schedule
from tieout.settings import Direction, Fees, NumberRule, Settings
from tieout.store import (
    Batch,
    BatchType,
    Doubt,
    Event,
    Intent,
    IssueRow,
    Member,
    Run,
    Store,
)
from tieout.stores.memory import MemoryStore
from tieout.stores.sqlite import SQLiteStore
from tieout.story import Said, Story
from tieout.table import Columns, Table
from tieout.transport import HTTPTransport
from tieout.troubles import Standing
from tieout.windows import Since
from tieout.wire import Call, Flow, Request, Response, Transport

__all__ = [
    "Action",
    "Adapter",
    "Amounts",
    "Application",
    "AutoPay",
    "AutoPayRules",
    "AutoPayState",
    "AutoPayStatus",
    "Balance",
    "Batch",
    "BatchType",
    "Bill",
    "Books",
    "Call",
    "Callbacks",
    "Capabilities",
    "Certificate",
    "Change",
    "Changed",
    "Clock",
    "Code",
    "Columns",
    "ConfigError",
    "Connection",
    "ConnectionState",
    "Connector",
    "CreditNote",
    "Customer",
    "Dated",
    "Difference",
    "DifferenceKind",
    "Direct",
    "Direction",
    "Doubt",
    "Effect",
    "Engine",
    "Event",
    "Everything",
    "Fault",
    "Fees",
    "Flow",
    "HTTPTransport",
    "Health",
    "Intent",
    "Invoice",
    "Issue",
    "IssueRow",
    "Landed",
    "Line",
    "Link",
    "Listing",
    "Local",
    "LocalApp",
    "Member",
    "MemoryStore",
    "MethodKind",
    "Money",
    "NumberRule",
    "Open",
    "Outcome",
    "Page",
    "Part",
    "Payer",
    "Payment",
    "Plan",
    "PlanFile",
    "Posting",
    "Preview",
    "Progress",
    "Ref",
    "Remedy",
    "RemedyRow",
    "Reply",
    "Report",
    "Request",
    "Resource",
    "Response",
    "RestConnector",
    "Retry",
    "Rule",
    "Run",
    "SQLiteStore",
    "Said",
    "Schedule",
    "Select",
    "Settings",
    "Settlement",
    "Severity",
    "Shift",
    "Since",
    "Standing",
    "State",
    "Status",
    "Store",
    "StoreError",
    "StoreTrouble",
    "Story",
    "SystemClock",
    "Table",
    "TieoutError",
    "Transport",
    "UnknownError",
    "Unposted",
    "Who",
    "__version__",
    "change_name",
    "fingerprint",
    "load_certificate",
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
