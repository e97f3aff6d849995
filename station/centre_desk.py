"""Between the dispatch centre's port and the station: what it asks, what it is shown."""

import logging
import math
from collections.abc import Iterator, Mapping

from contract.frame import Quality
from contract.layouts import METER
from contract.limits import LimitReason
from contract.words import Words
from station.centre import (
    REFUSAL_WORDS,
    CentreState,
    CentreView,
    DispatchCentre,
    Iec104Centre,
    ModbusCentre,
    PointValue,
    PortSettings,
    Refusal,
    TlsFiles,
)
from station.config import CentreConfig, Role, StationConfig
from station.control.cycle import CycleResult
from station.dispatch.proposal import Source
from station.dispatch.sources import AgcInputs
from station.iec104.point_list import PointList, load_points
from station.image import Image, PointRow
from station.plant import fresh_number
from station.protection import Level

log = logging.getLogger(__name__)


class CentreDesk:
    """Opens the port where one is configured; without one the centre asks for nothing.

    Attributes:
        asked_kw: what the centre asks for, NaN when nothing.
        asked_kvar: reactive power that it asks for, None when it leaves that alone.
    """

    def __init__(self, config: StationConfig) -> None:
        """Prepare; `start` opens the port."""
        self._config = config
        self._meter = next((m.tag for m in config.with_role(Role.METER)), "")
        self.asked_kw = math.nan
        self.asked_kvar: float | None = None
        self._layouts = {device.tag: str(device.role) for device in config.devices}
        self._told: dict[str, int] = {}
        self._told_lost = False
        self.port: DispatchCentre | None = None
        if config.centre is not None:
            self.port = _port_of(config, config.centre)

    async def start(self) -> None:
        """Open the port.

        Raises:
            CentreUnavailable: the address cannot be used.
        """
        if self.port is not None:
            await self.port.start()

    async def close(self) -> None:
        """Close the port."""
        if self.port is not None:
            await self.port.close()

    @property
    def restarts(self) -> int:
        """How many times the process of the port was replaced."""
        return 0 if self.port is None else self.port.restarts

    def take_refusals(self) -> Iterator[tuple[str, Words]]:
        """Yield name and words of every reason for which something was refused since the last."""
        for name, count in {} if self.port is None else dict(self.port.refused).items():
            if count > self._told.get(name, 0):
                yield name, Words(*REFUSAL_WORDS[Refusal[name.upper()]])
            self._told[name] = count

    @property
    def lost(self) -> bool:
        """Whether the centre had control and has fallen silent."""
        return self.port is not None and self.port.lost and math.isfinite(self.asked_kw)

    def inputs(self) -> AgcInputs | None:
        """Return what the centre asks for at the moment."""
        if self.port is None:
            return None
        self._tell_loss()
        if self.port.lost:
            return AgcInputs(in_control=True, alive=False, power_kw=None)
        request = self.port.request()
        if request is None or not request.enabled:
            self.asked_kw, self.asked_kvar = math.nan, None
            return AgcInputs(in_control=False, alive=True, power_kw=None)
        self.asked_kw, self.asked_kvar = request.power_kw, request.reactive_kvar
        return AgcInputs(in_control=True, alive=True, power_kw=request.power_kw)

    def _tell_loss(self) -> None:
        """Log once that a centre in control has fallen silent, and once that it is heard again."""
        if self.lost and not self._told_lost:
            self._told_lost = True
            timeout_s = math.nan if self._config.centre is None else self._config.centre.timeout_s
            log.warning("event=centre_lost silent_s=%g held_kw=%.1f", timeout_s, self.asked_kw)
        elif self._told_lost and self.port is not None and not self.port.lost:
            self._told_lost = False
            log.info("event=centre_heard_again")

    def show(self, image: Image, result: CycleResult, soc: float, capacity_kwh: float) -> None:
        """Let the centre see the station as it is now.

        Args:
            image: the picture of this second.
            result: what was decided.
            soc: mean state of charge, 0..1.
            capacity_kwh: usable energy.
        """
        if self.port is None:
            return
        site, limits, decision = (
            self._config.station,
            result.plan.limits,
            result.step.outcome.decision,
        )
        follows = decision.source is Source.AGC
        self.port.show(
            CentreView(
                time_ms=result.at_ms,
                power_kw=fresh_number(image, self._meter, METER.name, "active_power_kw"),
                reactive_kvar=fresh_number(image, self._meter, METER.name, "reactive_power_kvar"),
                frequency_hz=fresh_number(image, self._meter, METER.name, "frequency_hz"),
                soc=soc,
                low_kw=-limits.charge.kw,
                high_kw=limits.discharge.kw,
                discharge_kwh=max(0.0, soc - site.soc_min) * capacity_kwh,
                charge_kwh=max(0.0, site.soc_max - soc) * capacity_kwh,
                remote=not result.verdict.local,
                state=self._state(result, follows=follows),
                accepted_kw=decision.base_kw if follows else math.nan,
                accepted_kvar=self._granted_kvar(result) if follows else math.nan,
                binding=int(decision.binding),
            ),
            self._device_values(image),
        )

    def _device_values(self, image: Image) -> Mapping[tuple[str, str], PointValue]:
        """Return what the port shows of devices."""
        found = {}
        for device, signal in () if self.port is None else self.port.device_signals:
            row = image.get(device, self._layouts[device])
            if row is not None:
                found[device, signal] = _point_value(row, signal)
        return found

    def _granted_kvar(self, result: CycleResult) -> float:
        return math.nan if self.asked_kvar is None else math.fsum(result.step.kvar.values())

    def _state(self, result: CycleResult, *, follows: bool) -> CentreState:
        if self.lost:
            return CentreState.LOST
        if result.verdict.local or result.verdict.level >= Level.STOP:
            return CentreState.BLOCKED
        if not follows:
            return CentreState.READY
        limited = result.step.outcome.decision.binding is not LimitReason.NONE
        return CentreState.LIMITED if limited else CentreState.FOLLOWING


def load_points_of(config: StationConfig) -> PointList:
    """Read the point list of a station whose centre speaks IEC 60870-5-104.

    Raises:
        ConfigError: it cannot be read or is wrong; names every fault with key and remedy.
    """
    name = "" if config.centre is None else config.centre.points
    return load_points(name, {device.tag: str(device.role) for device in config.devices})


def _port_of(config: StationConfig, asked: CentreConfig) -> DispatchCentre:
    rated_kw = config.station.rated_power_kw
    settings = PortSettings(
        host=asked.host,
        port=asked.port,
        allow=asked.allow,
        timeout_s=asked.timeout_s,
        rated_kw=rated_kw,
        rated_kvar=rated_kw,
    )
    if asked.protocol == "modbus":
        return ModbusCentre(settings)
    files = asked.tls
    tls = None
    if files is not None:
        tls = TlsFiles(str(files.certificate), str(files.key), str(files.authority))
    return Iec104Centre(settings, load_points_of(config), tls)


def _point_value(row: PointRow, signal: str) -> PointValue:
    start, _ = row.layout.offset(signal)
    return PointValue(
        row.number(signal),
        Quality(int(row.sample.quality[start])),
        row.sample.time_ms,
        stale=row.stale,
    )
