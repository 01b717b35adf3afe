"""Looks at the clock from time to time, and tells a carrier when its weather changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from heliograph.simulator.settings import CarrierSettings
from heliograph.simulator.timetable import Timetable
from heliograph.simulator.weather import Forecast, Weather

__all__ = ["Climate"]

_LOOK_S: Final = 0.1


class Climate:
    """``on_change`` is called with the weather before and now. A carrier without weather costs nothing."""

    def __init__(
        self, settings: CarrierSettings, timetable: Timetable, on_change: Callable[[Weather, Weather], None]
    ) -> None:
        self.settings = settings
        """The settings as they are in the weather of now."""
        self.weather = Weather()
        self._base = settings
        self._forecast = Forecast(settings)
        self._timetable = timetable
        self._on_change = on_change
        self._started_at = timetable.now()

    def change(self, settings: CarrierSettings) -> None:
        """Other settings; the weather stays."""
        self._base = settings
        self.settings = self.weather.on(settings)

    def look(self) -> None:
        """Tell what has changed, and look again soon."""
        if not self._forecast.changes:
            return
        now = self._timetable.now()
        before, self.weather = self.weather, self._forecast.at(now - self._started_at, datetime.now(UTC))
        if self.weather != before:
            self.settings = self.weather.on(self._base)
            self._on_change(before, self.weather)
        self._timetable.do_at(now + _LOOK_S, self.look)
