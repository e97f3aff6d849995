"""From the configuration file to the settings of every source of power."""

import math

from station.config import StationConfig
from station.dispatch.handover import HandoverSettings
from station.dispatch.room import DispatchSettings
from station.dispatch.sources import (
    AgcSettings,
    BalancingSettings,
    ConnectionSettings,
    FastSettings,
    PrimarySettings,
    ReactiveMode,
    ReactiveSettings,
    SafeSettings,
    SelfTestSettings,
)


def dispatch_settings(config: StationConfig) -> DispatchSettings:
    """Return what each source is set to; one whose section is left out does not act."""
    rated_kw = config.station.rated_power_kw
    primary, fast, bounds = config.primary_frequency, config.fast_frequency, config.connection
    limited = bounds.peak_kw is not None or bounds.feed_in_kw is not None
    return DispatchSettings(
        safe=SafeSettings(**dict(config.safe_state)),
        handover=HandoverSettings(config.handover.ramp_pct_per_s / 100 * rated_kw),
        self_test=SelfTestSettings(rated_kw),
        agc=None if config.centre is None else AgcSettings(),
        primary=None if primary is None else PrimarySettings(rated_kw, **dict(primary)),
        fast=None if fast is None else FastSettings(rated_kw, **dict(fast)),
        connection=ConnectionSettings(**dict(bounds)) if limited else None,
        reactive=_reactive(config),
        balancing=BalancingSettings(**dict(config.balancing)),
    )


def rated_voltage_v(config: StationConfig) -> float:
    """Return the rated voltage at the meter, infinite where it does not matter."""
    return math.inf if config.reactive is None else config.reactive.rated_voltage_v


def _reactive(config: StationConfig) -> ReactiveSettings:
    asked = config.reactive
    if asked is None:
        return ReactiveSettings()
    return ReactiveSettings(
        mode=ReactiveMode(asked.mode),
        fixed_kvar=asked.fixed_kvar,
        power_factor=asked.power_factor,
        injects=asked.injects,
        active_first=asked.active_first,
    )
