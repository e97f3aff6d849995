"""Racks of many cells, made from one duty each, as blocks of sixteen seconds.

The middle cell of a rack does what its duty says: it is a real, recorded cell, or one of a make's
model. The others differ from it by what the model says of their own SOC, capacity, resistance and
temperature, and by an open-circuit curve that is a little other for each of them. Sensors add
noise, steps and offsets. Faults act upon the cells' physics where they do in life, and upon the
sensors where these are what fails.

Blocks are made directly (means and covariances of sixteen seconds of current that is known each
second), which makes months affordable; that the detector's own first stage makes the same of
single seconds is tested.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from cell_lab.anomaly.duties import Duty
from cell_lab.anomaly.faults import FROM_THE_START, REFERENCE_AH, Fault, FaultType
from station.estimators.anomaly.inputs import Block, Place, place_of
from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
)

Floats = npt.NDArray[np.float32]

BLOCK = 16
_HOUR_S = 3600.0
_J_PER_K_AH = 19.3
"""Heat capacity of a 5.4 kg, 280 Ah cell over its capacity."""
_W_PER_K_AH = 0.0054
_NEIGHBOUR_W_PER_K_AH = 0.002
_SOC_ERROR, _SOC_ERROR_S = 0.01, 7200.0
_JUMP_HOLDS_S, _JUMP_FADES_S = 600.0, 1800.0
_PULSE_EVERY_S, _PULSE_S = 1200, 3
_CONTACT_TURN_S, _CONTACT_SHARE = 300, 0.7
_SPREADS, _NOISES = (0.8, 1.25), (0.7, 1.3)
"""Some systems are delivered with cells more alike than others', and with better sensors."""
_STILL_PER_S = np.float32(0.97)
"""-ln p of a second without a change, where 62 % of the living readings change each second."""


@dataclass(frozen=True)
class Spread:
    """What healthy cells and sensors differ by: one standard deviation each.

    Attributes:
        soc, capacity, resistance: shares.
        ocv_v: of the open-circuit curve, about the make's.
        leak: SOC per hour.
        place_c: of what a cell's place does to its temperature; sensor_c: offset of its sensor.
        cooling: share of the heat carried away.
        sensor_v: offset of its voltage sensor.
        noise_v, noise_c: of one reading, with the steps of the converter.
        rack_share, rack_offset: of the current, a share and 1/h.
        per_sensor: cells that share one temperature sensor.
    """

    soc: float = 0.004
    capacity: float = 0.006
    resistance: float = 0.05
    ocv_v: float = 7e-4
    leak: float = 1e-5
    place_c: float = 0.5
    sensor_c: float = 0.25
    cooling: float = 0.05
    sensor_v: float = 8e-4
    noise_v: float = 8.5e-4
    noise_c: float = 0.085
    rack_share: float = 0.005
    rack_offset: float = 5e-4
    per_sensor: int = 1

    def times(self, factor: float) -> "Spread":
        """Return cells and sensors that differ by so much more; their noise stays."""
        wider = {
            field.name: factor * getattr(self, field.name)
            for field in fields(self)
            if field.name not in ("noise_v", "noise_c", "per_sensor")
        }
        return replace(self, **wider)

    def varied(self, rng: np.random.Generator) -> "Spread":
        """Return the spread of another system: cells and sensors that differ by more or less."""
        noise = float(rng.uniform(*_NOISES))
        wider = self.times(float(rng.uniform(*_SPREADS)))
        return replace(wider, noise_v=noise * self.noise_v, noise_c=noise * self.noise_c)


class Racks:
    """Many racks side by side; `advance` makes one block of all of them."""

    def __init__(
        self,
        model: CellModel,
        duties: Sequence[Duty],
        cells: int,
        *,
        stack: int,
        seed: int,
        spread: Spread | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        """Draw the cells.

        Args:
            model: the make.
            duties: one for each stack; all racks of a stack share its current.
            cells: of each rack.
            stack: racks of each stack.
            seed: of all that is random.
            spread: of cells and sensors.
            faults: what goes wrong where and when.
        """
        spread = spread or Spread()
        rng = self._rng = np.random.default_rng(seed)
        racks = len(duties) * stack
        self.model, self._spread, self.faults = model, spread, tuple(faults)
        self.cells = cells
        of_stack = np.repeat(np.arange(len(duties)), stack)
        self.place: Place = place_of(np.repeat(np.arange(racks), cells), racks, of_stack)
        self._duties = [duties[each] for each in of_stack.tolist()]
        self.blocks = min(len(duty.current) for duty in duties) // BLOCK
        self._real = np.array([duty.voltage_v is not None for duty in self._duties])
        self._at = 0
        shape = (racks, cells)

        def draw(sd: float) -> Floats:
            return (sd * rng.standard_normal(shape)).astype(np.float32)

        first_soc = np.array([duty.soc[0] for duty in self._duties], np.float32)[:, None]
        edge = np.minimum(1, 20 * np.minimum(first_soc, 1 - first_soc) + 0.05)
        self._soc = first_soc + draw(spread.soc) * edge.astype(np.float32)
        self._capacity = 1 + draw(spread.capacity)
        self._resistance = np.exp(draw(spread.resistance))
        self._leak = draw(spread.leak)
        self._curve = [draw(spread.ocv_v) for _ in range(4)]
        self._sensor_v = draw(spread.sensor_v)
        self._sensor_c = draw(spread.sensor_c)
        self._place_c = draw(spread.place_c)
        self._cooling = _W_PER_K_AH * np.exp(draw(spread.cooling))
        first_c = np.array([duty.temperature_c[0] for duty in self._duties], np.float32)
        self._temperature_c = first_c[:, None] + self._place_c
        self._middle_c = first_c.copy()
        self._hysteresis = np.zeros(shape, np.float32)
        self._current_now = (self._middle_c * 0, self._middle_c * 0)
        self._lagged = np.zeros((len(model.lag_s), racks), np.float32)
        self._middle_lagged = np.zeros((len(model.lag_s), racks), np.float32)
        self._share = 1 + spread.rack_share * rng.standard_normal(racks).astype(np.float32)
        self._share[self._real] = 1
        self._offset = spread.rack_offset * rng.standard_normal(racks).astype(np.float32)
        self._power_gain = (2e-3 * rng.standard_normal(racks)).astype(np.float32)
        self._sum_offset_v = (3e-4 * rng.standard_normal(racks)).astype(np.float32)
        self._soc_error = (_SOC_ERROR * rng.standard_normal(racks)).astype(np.float32)
        self._drain = np.zeros(shape, np.float32)
        self._heat = np.zeros(shape, np.float32)
        self._contact = np.zeros(shape, np.float32)
        self._jump_c = np.zeros(shape, np.float32)
        self._bias_v = np.zeros(shape, np.float32)
        self._still_s = np.zeros(shape, np.float32)
        self._frozen_v: dict[tuple[int, int], float] = {}
        for fault in self.faults:
            if fault.type in FROM_THE_START:
                self._begin(fault)

    def advance(self) -> Block:
        """Return the next sixteen seconds."""
        for fault in self.faults:
            self._act(fault)
        place = self.place
        window = slice(self._at * BLOCK, (self._at + 1) * BLOCK)
        base = np.stack([duty.current[window] for duty in self._duties], axis=1)
        true = base * self._share + self._pulses(base.shape)
        middle_drive, middle_moves = self._drive(base, "_middle_lagged")
        drive, moves = self._drive(true, "_lagged")
        read = true + self._offset + 5e-4 * self._rng.standard_normal(true.shape)
        mean = true.mean(axis=0).astype(np.float32)
        self._charge(mean)
        self._current_now = mean, true.var(axis=0).astype(np.float32)
        voltage_v, on_current, drop_v = self._voltages(drive, moves)
        middle_v, middle_on = self._middle(window, middle_drive, middle_moves, base)
        self._warm(mean, drop_v, window)
        self._at += 1
        told = (voltage_v + middle_v[:, None]).astype(np.float32)
        rack_v = told.mean(axis=1) + self._sum_offset_v
        sensed = self._sensed_v(told)
        noise_on = self._spread.noise_v / np.sqrt(BLOCK) * true.std(axis=0)[:, None]
        on = on_current + middle_on[:, None] + noise_on * self._noise()
        still = np.where(self._still_s > 0, self._still_s * _STILL_PER_S, 0)
        keep = np.exp(-BLOCK / _SOC_ERROR_S)
        self._soc_error = keep * self._soc_error + np.sqrt(1 - keep**2) * _SOC_ERROR * (
            self._rng.standard_normal(place.racks)
        ).astype(np.float32)
        count = np.full(place.racks, float(BLOCK), np.float32)
        return Block(
            span_s=count,
            current=read.mean(axis=0).astype(np.float32),
            current_variance=read.var(axis=0).astype(np.float32),
            soc=(np.median(self._soc, axis=1) + self._soc_error).astype(np.float32),
            sum_off_v=(
                sensed.mean(axis=1) - rack_v + 4e-4 / 4 * self._rng.standard_normal(place.racks)
            ).astype(np.float32),
            peer_off=self._peer_off(read.astype(np.float32)),
            power_off=(
                self._power_gain * read.mean(axis=0) + 3e-4 * self._rng.standard_normal(place.racks)
            ).astype(np.float32),
            model_off=np.zeros(place.racks, np.float32),
            voltage_v=sensed.ravel(),
            temperature_c=self._sensed_c().ravel(),
            voltage_on_current=on.astype(np.float32).ravel(),
            still_voltage=still.astype(np.float32).ravel(),
            still_temperature=np.zeros(place.rack.shape, np.float32),
        )

    def _noise(self) -> Floats:
        return self._rng.standard_normal(self._soc.shape, np.float32)

    def _drive(self, current: Floats, name: str) -> tuple[Floats, Floats]:
        """Return each term's mean drive and its covariance with the current, (terms, racks)."""
        model = self.model
        kinetic_c = model.kinetic_a / model.capacity_ah
        kinetic = np.arcsinh(current / kinetic_c) * kinetic_c
        lagged = getattr(self, name)
        seen = np.empty((BLOCK, *lagged.shape), np.float32)
        with np.errstate(divide="ignore"):
            keep = np.where(model.lag_s > 0, np.exp(-1 / model.lag_s), 0)[:, None]
        for second in range(BLOCK):
            drives = np.where(model.kinetic[:, None], kinetic[second], current[second])
            lagged = keep * lagged + (1 - keep) * drives
            seen[second] = lagged
        setattr(self, name, lagged.astype(np.float32))
        off = current - current.mean(axis=0)
        moves = (seen * off[:, None]).mean(axis=0)
        return seen.mean(axis=0), moves.astype(np.float32)

    def _charge(self, current: Floats) -> None:
        hours = BLOCK / _HOUR_S
        moved = current[:, None] * hours / self._capacity
        self._soc = self._soc - moved - (self._leak + self._drain) * hours
        keep = np.exp(-np.abs(moved) * self.model.hysteresis_rate)
        toward = np.sign(current)[:, None]
        self._hysteresis = keep * self._hysteresis + (1 - keep) * toward

    def _voltages(self, drive: Floats, moves: Floats) -> tuple[Floats, Floats, Floats]:
        """Return voltage, its covariance with the current, and overpotential, (racks, cells)."""
        shape = self._soc.shape
        values, _ = self.model.look_up(
            self._soc.ravel().astype(np.float32), self._temperature_c.ravel().astype(np.float32)
        )
        values = values.reshape(len(values), *shape)
        ohm_ah = values[FIRST_TERM_COLUMN:] * np.float32(self.model.capacity_ah)
        drop_v = np.einsum("trc,tr->rc", ohm_ah, drive) * self._resistance
        on = -np.einsum("trc,tr->rc", ohm_ah, moves) * self._resistance
        current, variance = self._current_now
        contact_v = self._contact * current[:, None]
        wave = 2 * np.pi * self._soc
        curve = self._curve[0] * np.sin(wave) + self._curve[1] * np.cos(wave)
        curve += self._curve[2] * np.sin(2 * wave) + self._curve[3] * np.cos(2 * wave)
        voltage_v = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * self._hysteresis
        voltage_v = voltage_v + curve - drop_v - contact_v
        return voltage_v, on - self._contact * variance[:, None], drop_v + contact_v

    def _middle(
        self, window: slice, drive: Floats, moves: Floats, base: Floats
    ) -> tuple[Floats, Floats]:
        """Return what the recorded cell's voltage has beyond the model's, and its covariance."""
        racks = self.place.racks
        if not self._real.any():
            return np.zeros(racks, np.float32), np.zeros(racks, np.float32)
        soc = np.array([duty.soc[window].mean() for duty in self._duties], np.float32)
        values, _ = self.model.look_up(soc, self._middle_c)
        ohm_ah = values[FIRST_TERM_COLUMN:] * np.float32(self.model.capacity_ah)
        made_v = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * self._hysteresis.mean(axis=1)
        made_v = made_v - np.einsum("tr,tr->r", ohm_ah, drive)
        made_on = -np.einsum("tr,tr->r", ohm_ah, moves)
        true_v = np.stack([_voltage(duty, window) for duty in self._duties], axis=1)
        on = ((base - base.mean(axis=0)) * true_v).mean(axis=0)
        off_v = np.where(self._real, true_v.mean(axis=0) - made_v, 0)
        return off_v.astype(np.float32), np.where(self._real, on - made_on, 0).astype(np.float32)

    def _warm(self, current: Floats, drop_v: Floats, window: slice) -> None:
        """Move temperatures: heat of the overpotential, coolant, and the neighbours."""
        around_c = np.array(
            [duty.temperature_c[window].mean() for duty in self._duties], np.float32
        )[:, None]
        warm_c = self._temperature_c
        heat = np.abs(current[:, None] * drop_v) + self._heat
        carried = self._cooling * (warm_c - around_c - self._place_c)
        left = np.diff(warm_c, axis=1, prepend=warm_c[:, :1])
        right = np.diff(warm_c, axis=1, append=warm_c[:, -1:])
        between = _NEIGHBOUR_W_PER_K_AH * (right - left)
        self._temperature_c = warm_c + BLOCK / _J_PER_K_AH * (heat - carried + between)
        self._middle_c = np.where(
            self._real, around_c[:, 0], np.median(self._temperature_c, axis=1)
        ).astype(np.float32)

    def _sensed_v(self, told: Floats) -> Floats:
        noise = self._spread.noise_v / np.sqrt(BLOCK)
        sensed = told + self._sensor_v + self._bias_v + noise * self._noise()
        for at in list(self._frozen_v):
            if self._still_s[at] <= 0:
                del self._frozen_v[at]
            elif np.isnan(self._frozen_v[at]):
                self._frozen_v[at] = float(sensed[at])
            else:
                sensed[at] = self._frozen_v[at]
        told_v: Floats = sensed.astype(np.float32)
        return told_v

    def _sensed_c(self) -> Floats:
        noise = self._spread.noise_c / np.sqrt(BLOCK)
        read = self._temperature_c + self._sensor_c + self._jump_c + noise * self._noise()
        if self._spread.per_sensor > 1:
            leader = np.arange(self.cells) // self._spread.per_sensor * self._spread.per_sensor
            read = read[:, leader]
        told_c: Floats = read.astype(np.float32)
        return told_c

    def _peer_off(self, read: Floats) -> Floats:
        """Return the largest distance from the stack's middle rack, each by its own share."""
        racks = self.place.racks
        per = int((self.place.stack == self.place.stack[0]).sum())
        if per < 3:  # noqa: PLR2004 - of two that differ nobody knows which is wrong
            return np.zeros(racks, np.float32)
        middle = np.repeat(np.median(read.reshape(BLOCK, -1, per), axis=2), per, axis=1)
        off = read - self._share * middle - self._offset
        worst = np.abs(off).argmax(axis=0)
        farthest: Floats = off[worst, np.arange(racks)].astype(np.float32)
        return farthest

    def _pulses(self, shape: tuple[int, ...]) -> Floats:
        extra = np.zeros(shape, np.float32)
        for fault in self.faults:
            since_s = (self._at - fault.at_block) * BLOCK
            due = since_s >= 0 and since_s % _PULSE_EVERY_S < BLOCK
            if fault.type is FaultType.CURRENT_PULSE and due:
                extra[5 : 5 + _PULSE_S, fault.rack] += fault.size
        return extra

    def _cell(self, fault: Fault) -> tuple[int, int]:
        return fault.rack, fault.cell - fault.rack * self.cells

    def _begin(self, fault: Fault) -> None:
        """Put in what a cell has from the start."""
        at = self._cell(fault)
        match fault.type:
            case FaultType.LOW_CAPACITY:
                self._capacity[at] *= 1 - fault.size / 100
            case FaultType.HIGH_RESISTANCE:
                self._resistance[at] *= 1 + fault.size / 100
            case _:
                self._cooling[at] *= 1 - fault.size / 100

    def _act(self, fault: Fault) -> None:
        """Let a fault work in this block."""
        at, since_s = self._cell(fault), (self._at - fault.at_block) * BLOCK
        if since_s < 0:
            return
        match fault.type:
            case FaultType.TEMPERATURE_JUMP:
                fade = max(since_s - _JUMP_HOLDS_S, 0) / _JUMP_FADES_S
                self._jump_c[at] = fault.size * np.exp(-fade) * min(1.0, (since_s + 8) / 60)
            case FaultType.SOC_DRIFT:
                self._drain[at] = fault.size / 100
            case FaultType.INTERNAL_SHORT:
                volts = 3.3
                self._drain[at] = volts / fault.size / REFERENCE_AH
                self._heat[at] = volts**2 / fault.size / REFERENCE_AH
            case FaultType.LOOSE_CONNECTION:
                turn = int(since_s // _CONTACT_TURN_S)
                loose = (turn * 0.618034) % 1 < _CONTACT_SHARE
                self._contact[at] = fault.size * 1e-3 * REFERENCE_AH * loose
            case FaultType.FROZEN_SENSOR:
                left = fault.size - since_s
                self._still_s[at] = since_s if left > 0 else 0
                if left > 0 and at not in self._frozen_v:
                    self._frozen_v[at] = np.nan
            case FaultType.BIASED_SENSOR:
                self._bias_v[at] = fault.size / 1000
            case _:
                return


def _voltage(duty: Duty, window: slice) -> Floats:
    if duty.voltage_v is None:
        return np.zeros(BLOCK, np.float32)
    return duty.voltage_v[window]
