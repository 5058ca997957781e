"""
Time zones by Windows' names, in which systems of that descent tell where a company is.

Nothing here knows an offset: an IANA name is all that is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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


def iana(windows: str) -> str | None:
    """The IANA name of a Windows zone such as ``GMTSTANDARDTIME``; None for another."""
    plain = re.sub(r"[^A-Z]", "", windows.upper()).removesuffix("STANDARDTIME")
    return WINDOWS.get(plain)
