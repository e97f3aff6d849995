"""A scenario of the virtual plant played before the real station's judgement, in seconds.

Every second the plant is stepped, its registers are read through the shipped profiles, the
process image is frozen and the control cycle (protection, dispatch, commands) runs on it, half
a second after the tick as in the station. Its commands go back into the plant at once. There is
no clock and no socket: the same scenario gives the same course, far faster than real time.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench._rehearsal_site import station_config
from bench._rehearsal_wire import Wire
from simulator.config import PlantConfig, SimulatorConfig
from simulator.plant import Plant
from simulator.record import Record
from simulator.scenario import ScenarioPlayer
from simulator.scenario_file import Kind, Scenario, load_scenario
from simulator.servers import Devices
from simulator.watch import Watch
from station.config import StationConfig
from station.control.cycle import ControlCycle, ControlState, CycleResult
from station.dispatch.commands import Command
from station.dispatch.sources import ManualSetpoint
from station.image import ProcessImage
from station.protection import (
    Finding,
    LimitMargins,
    Moment,
    ProtectionSettings,
    ProtectiveAction,
)

START_S = 1_780_012_800
"""Midnight of an ordinary day, UTC."""
_CYCLE_PHASE_MS = 500
_FOR_EVER_MS = 1 << 52


@dataclass
class Witness(Record):
    """The plant's record, kept in memory.

    Attributes:
        second: of the scenario, set before each look.
        bms_trips: (second, rack, alarm bits) of a plain battery management.
        moments: (second, what, target) of scenario, cells, panels and converters.
    """

    second: int = 0
    bms_trips: list[tuple[int, str, int]] = field(default_factory=list)
    moments: list[tuple[int, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write no file."""
        super().__init__(None)

    def bms_trip(self, tick: int, device: str, alarms: int) -> None:  # noqa: ARG002 - a record's
        """Keep a trip."""
        self.bms_trips.append((self.second, device, alarms))

    def moment(self, what: str, target: str, value: float) -> None:  # noqa: ARG002 - a record's
        """Keep a moment."""
        self.moments.append((self.second, what, target))


@dataclass
class Story:
    """What the station said and did; seconds are those of the scenario.

    Attributes:
        found: (rule, device) -> second and finding when it was first found at each level.
        moments: in the order told.
        actions: (second, action) in the order sent.
    """

    found: dict[tuple[str, str, int], tuple[int, Finding]] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    actions: list[tuple[int, ProtectiveAction]] = field(default_factory=list)

    def first(self, rule: str, device: str = "", level: int = 0) -> int | None:
        """Return the second at which a rule was first found at this level or above."""
        seconds = [
            second
            for (name, tag, reached), (second, _) in self.found.items()
            if name == rule and device in ("", tag) and reached >= level
        ]
        return min(seconds, default=None)

    def told(self, code: str) -> list[Moment]:
        """Return the moments of one code."""
        return [moment for moment in self.moments if moment.code == code]


class Rehearsal:
    """Plant and station on one stage.

    Attributes:
        plant: the virtual plant. config: the station's. control: the station's cycle.
        seconds: since the scenario's start.
        witness: what was true. story: what the station said.
        last: the newest cycle.
    """

    def __init__(
        self,
        scenario: str,
        *,
        base: Path = Path(),
        size: PlantConfig | None = None,
        heard: bool = True,
        seed: int = 1,
    ) -> None:
        """Build the plant and its station.

        Args:
            scenario: by name, or a path below `base`.
            base: where a scenario's own file lies.
            size: of the plant; the default plant when None.
            heard: the plant carries out what the station commands. Else it is left to its own
                battery management, and its converters take what the scenario's dispatch
                centre asks for.
            seed: of the plant's noise.
        """
        found = load_scenario(scenario, base)
        settings = SimulatorConfig(seed=seed, plant=size or PlantConfig())
        self.plant = Plant(settings.plant_parameters(found.start), start_epoch_s=START_S)
        self.config: StationConfig = station_config(settings.plant)
        self.witness = Witness()
        self._devices = Devices(self.plant, self.witness, settings.icd)
        self._player = ScenarioPlayer(found, self._devices, base / scenario)
        self._watch = Watch(self.plant, self.witness)
        self._wire = Wire(self._devices, self.config)
        self._scenario = found
        self._heard = heard
        self._image = ProcessImage({**self.config.staleness.model_dump(), "station": 10.0})
        rules = protection_settings(self.config)
        self.control = ControlCycle(self.config, rules, None, ControlState())
        self.seconds = 0
        self.story = Story()
        self.last: CycleResult | None = None

    async def go(
        self,
        until_s: int,
        power_kw: float | Callable[[int], float] = 0.0,
        done: Callable[["Rehearsal"], bool] = lambda _: False,
    ) -> None:
        """Play until a second, or until `done` says so.

        Args:
            until_s: second of the scenario.
            power_kw: wish at the meter while the scenario's dispatch centre asks for nothing.
            done: asked after every second.
        """
        while self.seconds < until_s and not done(self):
            self.seconds += 1
            self.witness.second = self.seconds
            begun = await self._player.play(self.seconds)
            wish_kw = _asked_kw(self._scenario, self.seconds)
            if wish_kw is None:
                wish_kw = power_kw(self.seconds) if callable(power_kw) else power_kw
            if self._heard:
                self.plant.step(1.0)
            else:
                share_w = wish_kw * 1e3 / len(self.plant.converters)
                self.plant.step(1.0, [share_w] * len(self.plant.converters))
            self._devices.publish(START_S + self.seconds)
            self._watch.look(START_S + self.seconds, begun)
            self._judge(wish_kw)

    def _judge(self, wish_kw: float) -> None:
        tick = START_S + self.seconds
        now_ms = tick * 1000 + _CYCLE_PHASE_MS
        for reading in self._wire.readings(tick):
            self._image.update(reading)
        self.control.state.wishes.manual = ManualSetpoint(wish_kw, _FOR_EVER_MS, "rehearsal")
        image = self._image.freeze(now_ms, now_ms)
        now = self.control.instant(now_ms, now_ms)
        protected = self.control.protect(image, now)
        result = self.control.plan_second(image, protected, now)
        self.last = result
        for command in (*protected.commands, *result.issued):
            self._carry_out(command, now_ms)
        self._note(result)

    def _carry_out(self, command: Command, now_ms: int) -> None:
        accepted = self._wire.carry_out(command) if self._heard else False
        commands = self.control.points.get((command.device, command.point))
        if commands is not None and accepted:
            commands.accept(now_ms)
        elif commands is not None:
            commands.fail(now_ms, "refused")

    def _note(self, result: CycleResult) -> None:
        verdict = result.verdict
        for finding in verdict.findings:
            key = (finding.rule, finding.device, int(finding.level))
            self.story.found.setdefault(key, (self.seconds, finding))
        self.story.moments += verdict.moments
        self.story.actions += [(self.seconds, action) for action in verdict.actions]


def _asked_kw(scenario: Scenario, second: int) -> float | None:
    """Return what the scenario's dispatch centre asks for, None while it asks for nothing."""
    asked = [
        event.value
        for event in scenario.events
        if event.kind is Kind.AGC_REQUEST
        and event.at_s <= second < event.at_s + (event.for_s or math.inf)
    ]
    return asked[-1] if asked else None


def protection_settings(config: StationConfig) -> ProtectionSettings:
    """Return the shipped rules with the margins of this site."""
    site = config.station
    return ProtectionSettings.shipped(
        LimitMargins(
            rated_power_kw=site.rated_power_kw,
            soc_min=site.soc_min,
            soc_max=site.soc_max,
            **config.limits.model_dump(),
        )
    )
