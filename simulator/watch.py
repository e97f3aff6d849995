"""Notes in the record what happens in the plant: trips, cells that vent, a scenario's events.

It is the truth against which warnings are timed, so it is noted after the step in which it
happened has been shown by the devices.
"""

from collections.abc import Sequence

from simulator.plant import Plant
from simulator.record import Record
from simulator.scenario import Happening
from simulator.tags import cell_name, rack_tag


class Watch:
    """Compares the plant with its state at the last look."""

    def __init__(self, plant: Plant, record: Record) -> None:
        self._plant = plant
        self._record = record
        self._alarms = plant.bms.alarms.copy()
        self._fires = [panel.state for panel in plant.dangers.fires]
        self._tripped = [converter.alarms for converter in plant.converters]

    def look(self, tick: int, happened: Sequence[Happening]) -> None:
        """Note what is new since the last look; `happened` are a scenario's events."""
        record, plant = self._record, self._plant
        per = plant.parameters.racks_per_container
        for one in happened:
            what = f"{one.event.kind}{'' if one.begins else ' ends'}"
            record.moment(what, one.event.target, one.event.value)
        if (plant.bms.alarms != self._alarms).any():
            for tripped in (plant.bms.alarms & ~self._alarms).nonzero()[0]:
                tag = rack_tag(*divmod(int(tripped), per))
                record.bms_trip(tick, tag, int(plant.bms.alarms[tripped]))
            self._alarms = plant.bms.alarms.copy()
        for k, converter in enumerate(plant.converters):
            if converter.alarms & ~self._tripped[k]:
                record.moment("converter_trips", f"C{k + 1}-PCS", converter.alarms)
            self._tripped[k] = converter.alarms
        for k, panel in enumerate(plant.dangers.fires):
            if panel.state != self._fires[k]:
                record.moment("fire_state", f"C{k + 1}-FIRE", panel.state)
            self._fires[k] = panel.state
        moments = plant.dangers.runaway.moments
        for what, rack, cell in moments:
            container, number = divmod(rack, per)
            celsius = float(plant.thermal.temperature_c[rack, cell])
            record.moment(what, cell_name(container, number, cell), round(celsius, 1))
        moments.clear()
