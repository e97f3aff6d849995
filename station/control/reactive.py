"""Voltage and reactive support of the station: what is wanted, what each converter gives."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from contract.layouts import METER
from station.config import Role, StationConfig
from station.control.sources import Instant
from station.dispatch.proposal import Proposal
from station.dispatch.sources import (
    ReactiveInputs,
    ReactiveMemory,
    ReactiveMode,
    ReactiveSettings,
    bound_active,
    split_reactive,
    wanted_kvar,
)
from station.image import Image
from station.plant import fresh_number


@dataclass(frozen=True)
class Support:
    """What is wanted in this second, and the bounds that it sets to active power."""

    kvar: float
    proposals: tuple[Proposal, ...]


class ReactiveSupport:
    """Carries the settings and the curve's memory; does nothing where it is not configured."""

    def __init__(self, config: StationConfig) -> None:
        """Derive the settings from the configuration."""
        asked = config.reactive
        self._meter = next((m.tag for m in config.with_role(Role.METER)), "")
        self._rated_v = math.inf if asked is None else asked.rated_voltage_v
        self._settings = ReactiveSettings()
        if asked is not None:
            self._settings = ReactiveSettings(
                mode=ReactiveMode(asked.mode),
                fixed_kvar=asked.fixed_kvar,
                power_factor=asked.power_factor,
                injects=asked.injects,
                active_first=asked.active_first,
            )
        self._memory = ReactiveMemory()

    @property
    def acts(self) -> bool:
        """Whether the station gives reactive power at all."""
        return self._settings.mode is not ReactiveMode.OFF

    def want(
        self, image: Image, power_kw: float, circle_kva: Mapping[str, float], now: Instant
    ) -> Support:
        """Return what the grid needs, before each converter's circle.

        Args:
            image: the picture of this second.
            power_kw: active power at the meter.
            circle_kva: apparent power of each converter that runs.
            now: the moment.
        """
        if not self.acts:
            return Support(0.0, ())
        voltage = fresh_number(image, self._meter, METER.name, "voltage_ab_v") / self._rated_v
        apparent_kva = math.fsum(circle_kva.values())
        inputs = ReactiveInputs(power_kw if math.isfinite(power_kw) else 0.0, voltage, apparent_kva)
        kvar, self._memory = wanted_kvar(self._settings, self._memory, inputs, now.steady_ms)
        bound = bound_active(self._settings, kvar, apparent_kva)
        return Support(kvar, () if bound is None else (bound,))

    def share(
        self, support: Support, powers_kw: Mapping[str, float], circle_kva: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Return kvar of each converter, inside the circle that its active power leaves."""
        return split_reactive(support.kvar, powers_kw, circle_kva) if self.acts else {}
