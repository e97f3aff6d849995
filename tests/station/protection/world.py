"""A small plant that does what protection tells it, unless it is deaf: three containers."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from station.protection import (
    ContainerState,
    ConverterState,
    LimitMargins,
    PlantState,
    ProtectionSettings,
    ProtectionState,
    RackState,
    Verdict,
    protect,
    reset,
)
from station.protection.states import (
    CellRow,
    ChillerState,
    FireState,
    InsulationState,
    MeterState,
    PanelState,
    RoomState,
    VentilationState,
)

T0 = 1_780_000_000_000
CELLS = 8
MARGINS = LimitMargins(
    rated_power_kw=3000,
    soc_min=0.05,
    soc_max=0.95,
    headroom=0.02,
    unequal_sharing=0.10,
    conversion_efficiency=0.97,
    soc_taper=0.01,
    cell_voltage_max_v=3.65,
    cell_voltage_min_v=2.5,
    cell_temperature_max_c=55,
    cell_temperature_min_c=-20,
    cell_voltage_near_v=0.15,
    cell_temperature_near_c=10,
)
SETTINGS = ProtectionSettings.shipped(MARGINS)


def healthy_rack(tag: str) -> RackState:
    return RackState(
        device=tag,
        fresh=True,
        contactor_closed=True,
        faulted=False,
        voltage_v=1331.2,
        current_a=0.0,
        soc=0.5,
        charge_current_limit_a=450,
        discharge_current_limit_a=450,
        cell_voltage_max_v=3.31,
        cell_voltage_min_v=3.29,
        cell_temperature_max_c=26.0,
        cell_temperature_min_c=24.0,
        cell_voltage_max_index=7,
        cell_voltage_min_index=3,
        cell_temperature_max_index=5,
        cell_temperature_min_index=2,
        soh=1.0,
        capacity_ah=700.0,
    )


@dataclass
class Box:
    """One container."""

    name: str
    racks: dict[str, RackState]
    running: bool = True
    power_kw: float = 0.0
    wished_kw: float = 600.0
    cooling: int = 1
    flow_lpm: float = 160.0
    supply_c: float = 20.0
    ventilation: int = 0
    fire_state: int = 0
    hydrogen_ppm: float = 0.0
    carbon_monoxide_ppm: float = 0.0
    smoke: bool = False
    heat: bool = False
    healthy_kohm: float = 2000.0
    leaky: str = ""
    bus_leaks: bool = False

    @property
    def resistance_kohm(self) -> float:
        leaks = self.bus_leaks or (self.leaky and self.racks[self.leaky].contactor_closed)
        return 60.0 if leaks else self.healthy_kohm


@dataclass
class World:
    """Containers C1..C3 of four racks, with every helper, and protection around them."""

    settings: ProtectionSettings = SETTINGS
    containers: int = 3
    deaf: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    late_s: dict[str, float] = field(default_factory=dict)
    emergency_stop: bool = False
    remote: bool = True
    reset_pressed: bool = False
    own_monitors: dict[str, float] = field(default_factory=dict)
    """Insulation in kΩ at the racks that have a monitor of their own, ``<rack>-IMD``."""
    sent: list = field(default_factory=list)
    moments: list = field(default_factory=list)
    second: int = 0
    rooms: tuple[RoomState, ...] = ()

    def __post_init__(self) -> None:
        names = [f"C{k}" for k in range(1, self.containers + 1)]
        self.boxes = {
            n: Box(n, {f"{n}-R{i:02d}": healthy_rack(f"{n}-R{i:02d}") for i in range(1, 5)})
            for n in names
        }
        self.state = ProtectionState()
        self.cells: dict[str, tuple[np.ndarray, np.ndarray]] = {
            tag: (np.full(CELLS, 3.3), np.full(CELLS, 25.0))
            for box in self.boxes.values()
            for tag in box.racks
        }

    # -- what the plant says ---------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        return T0 + self.second * 1000

    def time_ms(self, device: str) -> int:
        return self.now_ms - round(self.late_s.get(device, 0.0) * 1000)

    def fresh(self, device: str) -> bool:
        return device not in self.silent

    def plant(self) -> PlantState:
        return PlantState(
            containers=tuple(self._container(box) for box in self.boxes.values()),
            fire_panels=(self._fire("FIRE", None),),
            panel=PanelState(
                "PANEL",
                self.fresh("PANEL"),
                self.emergency_stop,
                self.remote,
                self.reset_pressed,
                self.time_ms("PANEL"),
            ),
            meter=MeterState("METER", self.fresh("METER"), self.time_ms("METER")),
            rooms=tuple(
                replace(r, fresh=self.fresh(r.device), time_ms=self.time_ms(r.device))
                for r in self.rooms
            ),
        )

    def _fire(self, tag: str, box: Box | None) -> FireState:
        if box is None:
            return FireState(tag, self.fresh(tag), 0, 0.0, 0.0, False, False, self.time_ms(tag))
        return FireState(
            *(tag, self.fresh(tag), box.fire_state, box.hydrogen_ppm, box.carbon_monoxide_ppm),
            *(box.smoke, box.heat, self.time_ms(tag)),
        )

    def _container(self, box: Box) -> ContainerState:
        n = box.name
        return ContainerState(
            name=n,
            converter=ConverterState(
                f"{n}-PCS",
                1000.0,
                self.fresh(f"{n}-PCS"),
                box.running,
                box.power_kw,
                box.power_kw,
                box.running,
                self.time_ms(f"{n}-PCS"),
            ),
            racks=tuple(self._rack(tag, rack) for tag, rack in box.racks.items()),
            chiller=ChillerState(
                *(f"{n}-CHL", self.fresh(f"{n}-CHL"), box.cooling, box.supply_c, box.flow_lpm),
                self.time_ms(f"{n}-CHL"),
            ),
            insulation=(
                InsulationState(
                    *(f"{n}-IMD", self.fresh(f"{n}-IMD"), box.resistance_kohm, False),
                    time_ms=self.time_ms(f"{n}-IMD"),
                ),
                *(self._own_monitor(tag) for tag in box.racks if tag in self.own_monitors),
            ),
            fire=self._fire(f"{n}-FIRE", box),
            ventilation=VentilationState(
                f"{n}-VENT", self.fresh(f"{n}-VENT"), box.ventilation, self.time_ms(f"{n}-VENT")
            ),
        )

    def _own_monitor(self, rack: str) -> InsulationState:
        tag = f"{rack}-IMD"
        return InsulationState(
            *(tag, self.fresh(tag), self.own_monitors[rack], False, rack, self.time_ms(tag))
        )

    def _rack(self, tag: str, rack: RackState) -> RackState:
        voltage, temperature = self.cells[tag]
        row = CellRow(self.time_ms(tag), self.fresh(tag), voltage, temperature)
        return replace(rack, fresh=self.fresh(tag), time_ms=self.time_ms(tag), cells=row)

    # -- how it lives ----------------------------------------------------------------------

    def rack(self, tag: str, **changes: object) -> None:
        box = self.boxes[tag.split("-", maxsplit=1)[0]]
        box.racks[tag] = replace(box.racks[tag], **changes)

    def heat_cell(self, tag: str, cell: int, kelvin: float, volt: float = 0.0) -> None:
        """Warm one cell (1-based) and shift its voltage; the BMS's extremes follow."""
        voltage, temperature = (values.copy() for values in self.cells[tag])
        temperature[cell - 1] += kelvin
        voltage[cell - 1] += volt
        self.cells[tag] = (voltage, temperature)

    def run(self, seconds: int = 1) -> Verdict:
        """Live some seconds; return the last verdict."""
        for _ in range(seconds):
            self.second += 1
            verdict, self.state = protect(self.plant(), self.state, self.settings, self.now_ms)
            self.sent += verdict.actions
            self.moments += verdict.moments
            for action in verdict.actions:
                if action.device not in self.deaf:
                    self._obey(action.device, action.point, action.value)
            self._flow(verdict)
        return verdict

    def reset(self, target: str = "station"):
        self.state, outcome = reset(self.state, target, self.now_ms)
        return outcome

    def _obey(self, device: str, point: str, value: float) -> None:
        box = self.boxes[device.split("-", maxsplit=1)[0]]
        match point:
            case "open_contactor":
                self.rack(device, contactor_closed=False, current_a=0.0)
            case "close_contactor":
                self.rack(device, contactor_closed=True)
            case "stop":
                box.running = False
            case "cooling":
                box.cooling = int(value)
            case "ventilation":
                box.ventilation = int(value)

    def _flow(self, verdict: Verdict) -> None:
        """Converters follow their wish inside the limits; closed racks share the current."""
        for box in self.boxes.values():
            tag = f"{box.name}-PCS"
            closed = [t for t, rack in box.racks.items() if rack.contactor_closed]
            if tag not in self.deaf:
                if tag not in verdict.held and not verdict.local:
                    box.running = True
                limits = verdict.limits.converters[tag]
                wanted = max(-limits.charge.kw, min(limits.discharge.kw, box.wished_kw))
                box.power_kw = wanted if box.running else 0.0
            box.power_kw = box.power_kw if closed else 0.0
            for t in box.racks:
                share = box.power_kw / len(closed) if t in closed else 0.0
                self.rack(t, current_a=share * 1000 / 1331.2)

    # -- what is asked of it in tests ---------------------------------------------------------

    def told(self, code: str) -> list:
        return [moment for moment in self.moments if moment.code == code]

    def points(self, device: str = "") -> list[tuple[str, str]]:
        return [(a.device, a.point) for a in self.sent if device in ("", a.device)]

    def closed(self, name: str) -> list[str]:
        return [t for t, rack in self.boxes[name].racks.items() if rack.contactor_closed]


def finding(verdict: Verdict, rule: str, device: str | None = None):
    """The finding of a rule, None when there is none."""
    return next(
        (f for f in verdict.findings if f.rule == rule and device in (None, f.device)), None
    )


NAN = math.nan
