"""Which meter seconds the feedback learns from, and what was wanted in each of them."""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from contract.layouts import METER, PCS
from station.config import Role, StationConfig
from station.dispatch.tracking import (
    FeedbackSettings,
    FeedbackState,
    MeterSecond,
    learn_correction,
)
from station.image import Image
from station.protection import PlantState

_REMEMBERED_SECONDS = 30


@dataclass(frozen=True)
class Wanted:
    """What the station wanted at the meter in one second.

    Attributes:
        kw: what the sources asked for, before limits.
        limited: a limit kept the station from it.
    """

    kw: float
    limited: bool


@dataclass
class MeterFeedback:
    """Compares meter and converters of one and the same second, and remembers what was wanted.

    Attributes:
        state: what is learned.
        wanted: what was wanted at the meter, by second.
        rest_kw: what else is behind the meter (loads, generation), of the newest second that both
            have told; NaN when not known. Feed-in positive.
    """

    config: StationConfig
    settings: FeedbackSettings
    state: FeedbackState = field(default_factory=FeedbackState)
    wanted: OrderedDict[int, Wanted] = field(default_factory=OrderedDict)
    rest_kw: float = math.nan
    _sums: OrderedDict[int, tuple[float, float]] = field(default_factory=OrderedDict)

    def learn(self, image: Image, plant: PlantState, *, limited: bool) -> None:
        """Take one more second of the meter into the correction.

        Args:
            image: the picture of this cycle.
            plant: the same, as protection sees it.
            limited: a limit binds, or the power moves fast: the second says nothing of losses.
        """
        second = _converter_second(image, plant)
        if second is not None:
            self._sums[second[0]] = second[1:]
            _trim(self._sums)
        for meter in self.config.with_role(Role.METER)[:1]:
            row = image.get(meter.tag, METER.name)
            if row is None or row.stale:
                self.rest_kw = math.nan
                return
            time_ms = row.sample.time_ms
            converters_kw, setpoints_kw = self._sums.get(time_ms // 1000, (math.nan, math.nan))
            rest_kw = row.number("active_power_kw") - converters_kw + self.state.correction_kw
            self.rest_kw = rest_kw if math.isfinite(rest_kw) else self.rest_kw
            self.state = learn_correction(
                self.state,
                MeterSecond(time_ms, row.number("active_power_kw"), converters_kw, setpoints_kw),
                self.settings,
                limited=limited,
            )

    def remember(self, second: int, wanted: Wanted) -> None:
        """Note what is wanted in a second to come."""
        self.wanted[second] = wanted
        _trim(self.wanted)


def _converter_second(image: Image, plant: PlantState) -> tuple[int, float, float] | None:
    """Return (second, power, set-point) summed over the converters, when all speak of one."""
    seconds = set()
    power_kw = setpoints_kw = 0.0
    for container in plant.containers:
        converter = container.converter
        row = image.get(converter.device, PCS.name)
        if row is None or not converter.fresh:
            return None
        seconds.add(row.sample.time_ms // 1000)
        power_kw += converter.power_kw
        # One that cannot follow its set-point is no error of the others.
        setpoints_kw += converter.setpoint_kw if converter.available else converter.power_kw
    if len(seconds) != 1:
        return None
    return seconds.pop(), power_kw, setpoints_kw


def _trim(seconds: "OrderedDict[int, Any]") -> None:
    while len(seconds) > _REMEMBERED_SECONDS:
        seconds.popitem(last=False)
