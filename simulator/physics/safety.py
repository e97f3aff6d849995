"""Fire panels, the site's control panel, and what they do by hard wires.

Two detectors of a container's fire panel trip that container's converter; two of the
switchgear room's panel trip all of them. The emergency stop trips every converter at once and
opens every rack's contactors a second later, when the current has gone. None of this asks any
software's leave, and none of it can be undone while its cause stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from simulator.physics.bms import Bms
from simulator.physics.converter import ALARM_TRIP, Converter

HYDROGEN_ALARM_PPM = 1000.0
"""A fortieth of hydrogen's lower explosive limit of 4 %: the common first alarm level."""
CARBON_MONOXIDE_ALARM_PPM = 200.0
CARBON_MONOXIDE_CLEAN_PPM = 2.0
CONTACTORS_OPEN_AFTER_S = 1.0
"""Contactors are not made to break a converter's current: they wait until it has gone."""


class FireState(IntEnum):
    """State of a fire panel."""

    NORMAL = 0
    PRE_ALARM = 1
    FIRE = 2
    PANEL_FAULT = 3


@dataclass
class FirePanel:
    """What a fire panel senses, in ppm and flags."""

    hydrogen_ppm: float = 0.0
    carbon_monoxide_ppm: float = CARBON_MONOXIDE_CLEAN_PPM
    smoke: bool = False
    heat: bool = False
    fault: bool = False

    @property
    def state(self) -> FireState:
        """Two detectors make a fire, one makes a pre-alarm."""
        gas = (
            self.hydrogen_ppm > HYDROGEN_ALARM_PPM
            or self.carbon_monoxide_ppm > CARBON_MONOXIDE_ALARM_PPM
        )
        if self.fault:
            return FireState.PANEL_FAULT
        return FireState(min(gas + self.smoke + self.heat, FireState.FIRE))


@dataclass
class SitePanel:
    """The switches on the site's control panel."""

    emergency_stop: bool = False
    remote: bool = True
    reset_pressed: bool = False


class HardWired:
    """The trip lines from the panels to converters and contactors."""

    def __init__(self, converters: Sequence[Converter], bms: Bms) -> None:
        """Wire the lines to the converters, one a container, and to the contactors."""
        self._converters = converters
        self._bms = bms
        self._pressed_s = 0.0

    def advance(
        self, panel: SitePanel, fires: Sequence[FirePanel], room: FirePanel, dt_s: float
    ) -> None:
        """Act on what the panels show, `dt_s` after the last look.

        Args:
            panel: the site's control panel.
            fires: fire panel of each container, in the order of the converters.
            room: fire panel of the switchgear room.
            dt_s: seconds since the last call.
        """
        everywhere = panel.emergency_stop or room.state is FireState.FIRE
        for fire, converter in zip(fires, self._converters, strict=True):
            converter.interlocked = everywhere or fire.state is FireState.FIRE
            if converter.interlocked:
                converter.trip(ALARM_TRIP)
        self._pressed_s = self._pressed_s + dt_s if panel.emergency_stop else 0.0
        self._bms.locked_open = self._pressed_s >= CONTACTORS_OPEN_AFTER_S
        if self._bms.locked_open:
            self._bms.open_all()
