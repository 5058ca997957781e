"""
The door for authors of connectors: the protocol, the base for REST, and what else they need.

Nothing is defined here. A connector turns a vendor's words into records and changes into
requests; behind this door are `tieout.protocol`, `tieout.rest`, `tieout.rows`,
`tieout.guarding`, `tieout.fields` and `tieout.rules`.
"""

from __future__ import annotations

from tieout.fields import (
    FIRST_DAY,
    LAST_DAY,
    Fields,
    iso_day,
    iso_instant,
    sound_day,
    system_id,
    utc_second,
)
from tieout.guarding import guarded, guarded_batch
from tieout.protocol import Books, Connector, Health, Page, ailing, batches
from tieout.rest import FETCH_PAGES_MAX, Resource, RestConnector, next_link, packed
from tieout.rows import enveloped, read_rows
from tieout.rules import (
    BY_STATUS,
    FINE,
    TEXT_KEPT_MAX,
    Rule,
    discreet,
    judge,
    retry_after,
    server_time,
)

__all__ = [
    "BY_STATUS",
    "FETCH_PAGES_MAX",
    "FINE",
    "FIRST_DAY",
    "LAST_DAY",
    "TEXT_KEPT_MAX",
    "Books",
    "Connector",
    "Fields",
    "Health",
    "Page",
    "Resource",
    "RestConnector",
    "Rule",
    "ailing",
    "batches",
    "discreet",
    "enveloped",
    "guarded",
    "guarded_batch",
    "iso_day",
    "iso_instant",
    "judge",
    "next_link",
    "packed",
    "read_rows",
    "retry_after",
    "server_time",
    "sound_day",
    "system_id",
    "utc_second",
]
