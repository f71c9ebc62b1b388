"""Working hours: time is drawn evenly on an activity clock and bent to the wall clock of an account.

A week of activity maps onto a week of wall time, monotonically: hours with much traffic get much of the
activity. So the order of events never changes, and every week begins and ends at the same moment on both.
Times are whole milliseconds since the first moment of the profile's span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inboxbench.seed.binary import Floats, Ints

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
_BINS = 4200
_BIN = WEEK // _BINS


@dataclass(frozen=True, slots=True)
class Hours:
    """Traffic by local hour and weekday: 1 while open, `night` else, times the weekday's weight (Monday first)."""

    opens: int
    closes: int
    night: float
    weekdays: Sequence[float]


def _minute_weights(hours: Hours, timezone: int, first_minute: int) -> Floats:
    """Traffic of each minute of the week that begins `first_minute` minutes after a Monday, 00:00 UTC."""
    local = (np.arange(7 * 1440) + first_minute + timezone * 60) % (7 * 1440)
    hour = local % 1440 // 60
    is_open = (hour >= hours.opens) & (hour < hours.closes)
    return np.asarray(np.where(is_open, 1.0, hours.night) * np.asarray(hours.weekdays)[local // 1440])


def _bend(weights: Floats) -> Ints:
    """Wall time at each of the _BINS + 1 equally spaced points of a week of activity."""
    reached = np.concatenate(([0.0], np.cumsum(weights))) / weights.sum()
    points = np.interp(np.linspace(0, 1, _BINS + 1), reached, np.arange(len(reached)) * MINUTE)
    return np.rint(points).astype(np.int64)


class Clock:
    """wall(activity, pattern) for a list of timezones (pattern = position in that list)."""

    def __init__(self, hours: Hours, timezones: Sequence[int], first_minute: int) -> None:
        self.patterns = len(timezones)
        tables = [_bend(_minute_weights(hours, zone, first_minute)) for zone in timezones]
        self._points = np.concatenate(tables)

    def wall(self, activity: Ints, pattern: Ints) -> Ints:
        """Wall milliseconds of moments of activity, each on the clock of its pattern."""
        week = activity // WEEK
        inside = activity - week * WEEK
        slot = inside // _BIN
        place = pattern * (_BINS + 1) + slot
        left = self._points[place]
        width = self._points[place + 1] - left
        return np.asarray(week * WEEK + left + width * (inside - slot * _BIN) // _BIN)
