"""Times of records: texts that compare as instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_TIME = re.compile(
    r"(-?\d{4,}-\d\d-\d\d)T(\d\d:\d\d):([0-5]\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def find_instant(text: str) -> int | None:
    """Give an xsd:dateTime as nanoseconds since the epoch; no zone is read as UTC.

    None where the text is no xsd:dateTime of the years 1 to 9999.
    """
    match = _TIME.fullmatch(text.strip())
    minute = _find_minute(match[1], match[2], match[5] or "Z") if match else None
    if match is None or minute is None:
        return None
    return (minute + int(match[3])) * 10**9 + int((match[4] or "").ljust(9, "0")[:9])


# A run's times share their minutes, and making a datetime is most of the cost.
@lru_cache(maxsize=4096)
def _find_minute(date: str, minute: str, zone: str) -> int | None:
    """Give the seconds since the epoch at the start of a minute."""
    hours, minutes = int(minute[:2]), int(minute[3:])
    if hours > 24 or minutes > 59 or (hours == 24 and minutes):
        return None
    try:
        day = datetime.fromisoformat(date).replace(tzinfo=UTC)
        moment = day + timedelta(hours=hours, minutes=minutes) - _offset(zone)
    except (ValueError, OverflowError):
        return None
    return (moment - _EPOCH) // timedelta(seconds=1)


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta(0)
    sign = -1 if zone[0] == "-" else 1
    return sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))


def instant_text(instant: int) -> str:
    """Write an instant as UTC text, with the fraction that it has."""
    seconds, fraction = divmod(instant, 10**9)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"
