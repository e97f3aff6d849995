"""What each kind of scenario event does to the plant when it begins and when it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from simulator.dangers import SWITCHGEAR_ROOM, CellHeating, InsulationFault
from simulator.devices.sensors import RackSensors
from simulator.physics.abuse import InternalShort
from simulator.physics.converter import ALARM_TRIP, Converter
from simulator.plant import Plant
from simulator.scenario_file import FEEDBACK_CLOSED, Kind, ScenarioEvent
from simulator.tags import FIRE

_MILLI = 1e-3


@dataclass(frozen=True)
class Scene:
    """What events change, and where their targets are."""

    plant: Plant
    sensors: RackSensors
    racks: Mapping[str, int]
    containers: Mapping[str, int]

    def container(self, event: ScenarioEvent) -> int:
        """Index of the container that a target is, or stands in."""
        return self.containers[event.target.partition("-")[0]]

    def converter(self, event: ScenarioEvent) -> Converter:
        """The converter named."""
        return self.plant.converters[self.container(event)]

    def cell(self, event: ScenarioEvent) -> tuple[int, int]:
        """Rack and cell named, as indices."""
        rack, _, cell = event.target.partition("/")
        return self.racks[rack], int(cell) - 1


Change = Callable[[Scene, ScenarioEvent, bool], None]


def _emergency_stop(scene: Scene, _event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.plant.panel.emergency_stop = begins


def _panel_local(scene: Scene, _event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.plant.panel.remote = not begins


def _panel_reset(scene: Scene, _event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.plant.panel.reset_pressed = begins


def _trip(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    converter = scene.converter(event)
    converter.hold_trip = begins
    if begins:
        converter.trip(ALARM_TRIP)


def _local(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.converter(event).local = begins


def _derate(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.converter(event).delivers = event.value / 100 if begins else 1.0


def _open(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    rack = scene.racks[event.target]
    if begins:
        scene.plant.bms.command_open(rack)
    else:
        scene.plant.close_contactor(rack)


def _weld(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    rack, bms = scene.racks[event.target], scene.plant.bms
    bms.welded[rack] = begins
    bms.feedback_stuck[rack] = begins and event.value == FEEDBACK_CLOSED


def _insulation(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    fault = InsulationFault(scene.container(event), event.value, scene.racks.get(event.target))
    faults = scene.plant.dangers.insulation_faults
    if begins:
        faults.append(fault)
    else:
        faults.remove(fault)


def _heat(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    heating = CellHeating(*scene.cell(event), event.value)
    if begins:
        scene.plant.dangers.heatings.append(heating)
    else:
        scene.plant.dangers.heatings.remove(heating)


def _soc(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    if begins:
        scene.plant.dangers.set_soc(*scene.cell(event), event.value)


def _short(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    at = scene.cell(event)
    shorts = scene.plant.dangers.abuse.shorts
    if begins:
        shorts.append(InternalShort(*at, event.value * _MILLI, event.ramp_s))
    else:
        shorts[:] = [short for short in shorts if (short.rack, short.cell) != at]


def _sensor(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    failed = scene.sensors.failed_temperature
    (failed.add if begins else failed.discard)(scene.cell(event))


def _stuck(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    stuck = scene.plant.dangers.stuck_v
    if begins:
        stuck[scene.cell(event)] = event.value
    else:
        stuck.pop(scene.cell(event), None)


def _gas(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    where = SWITCHGEAR_ROOM if event.target == FIRE else scene.container(event)
    scene.plant.dangers.released_ppm[where] = event.value if begins else 0.0


def _chiller(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.plant.chillers.faulted[scene.container(event)] = begins


def _pump(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.plant.chillers.pump_failed[scene.container(event)] = begins


def _fan(scene: Scene, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    scene.plant.dangers.air.fan_failed[scene.container(event)] = begins


CHANGES: Final[dict[Kind, Change]] = {
    Kind.EMERGENCY_STOP: _emergency_stop,
    Kind.PANEL_LOCAL: _panel_local,
    Kind.PANEL_RESET: _panel_reset,
    Kind.PCS_TRIP: _trip,
    Kind.PCS_LOCAL: _local,
    Kind.CONVERTER_DERATE: _derate,
    Kind.RACK_OPEN: _open,
    Kind.CONTACTOR_WELD: _weld,
    Kind.INSULATION_FAULT: _insulation,
    Kind.CELL_HEAT: _heat,
    Kind.CELL_SOC: _soc,
    Kind.INTERNAL_SHORT: _short,
    Kind.SENSOR_FAILED: _sensor,
    Kind.VOLTAGE_SENSOR_STUCK: _stuck,
    Kind.GAS_RELEASE: _gas,
    Kind.CHILLER_FAULT: _chiller,
    Kind.COOLANT_LOSS: _pump,
    Kind.VENTILATION_FAULT: _fan,
}
"""Kinds that change the plant; those that change the network of devices are the player's."""
