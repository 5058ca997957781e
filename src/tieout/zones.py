"""
Time zones by their names: IANA's, and Windows', in which some systems tell where they are.

Nothing here knows an offset, or what time it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tieout.errors import ConfigError

WINDOWS: Mapping[str, str] = dict(
    re.findall(
        r"(\w+)=(\S+)",
        """
GMT=Europe/London WEUROPE=Europe/Berlin ROMANCE=Europe/Paris
SOUTHAFRICA=Africa/Johannesburg ARABIAN=Asia/Dubai INDIA=Asia/Kolkata
SEASIA=Asia/Bangkok CHINA=Asia/Shanghai SINGAPORE=Asia/Singapore
WAUSTRALIA=Australia/Perth AUSCENTRAL=Australia/Darwin CENAUSTRALIA=Australia/Adelaide
EAUSTRALIA=Australia/Brisbane AUSEASTERN=Australia/Sydney TASMANIA=Australia/Hobart
NEWZEALAND=Pacific/Auckland FIJI=Pacific/Fiji HAWAIIAN=Pacific/Honolulu
ALASKAN=America/Anchorage PACIFIC=America/Los_Angeles USMOUNTAIN=America/Phoenix
MOUNTAIN=America/Denver CENTRAL=America/Chicago CANADACENTRAL=America/Regina
EASTERN=America/New_York USEASTERN=America/Indiana/Indianapolis
ATLANTIC=America/Halifax NEWFOUNDLAND=America/St_Johns UTC=UTC
""",
    )
)
"""IANA names by Windows' (Unicode CLDR), in capitals and without STANDARD TIME and blanks."""


def zone(name: str | None) -> ZoneInfo | None:
    """The zone of that IANA name, or None where this machine knows none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def configured_zone(name: str) -> ZoneInfo:
    """The zone that a setting names; raises `ConfigError` where there is none."""
    found = zone(name)
    if found is None:
        raise ConfigError(f"{name!r} is no IANA time zone that this machine knows")
    return found


def iana(windows: str) -> str | None:
    """The IANA name of a Windows zone such as ``GMTSTANDARDTIME``; None for another."""
    plain = re.sub(r"[^A-Z]", "", windows.upper()).removesuffix("STANDARDTIME")
    return WINDOWS.get(plain)
