"""Register maps of fire panels, of the site's control panel and of container ventilation."""

from simulator.modbus.image import Image, Registers, Span, Table, bit_area
from simulator.modbus.server import Served
from simulator.physics.air import VentilationState
from simulator.physics.safety import FirePanel, SitePanel

FIRE_TIME = Span(Table.INPUT, 0, 2)
FIRE_LAYOUTS = (Served("fire", (FIRE_TIME,)),)
PANEL_TIME = Span(Table.INPUT, 0, 2)
PANEL_LAYOUTS = (Served("panel", (PANEL_TIME,)),)
VENTILATION_TIME = Span(Table.HOLDING, 0, 2)
VENTILATION_LAYOUTS = (Served("ventilation", (VENTILATION_TIME,)),)
VENTILATION_COMMAND = 3

_SENSOR_RANGE_PPM = 10_000.0
"""Full scale of the gas detectors; more gas shows as full scale."""


def fire_image(panel: FirePanel, tick: int) -> Image:
    """Input registers and discrete inputs of a fire panel."""
    r = Registers(5)
    r.u32(0, tick)
    r.u16(2, min(panel.hydrogen_ppm, _SENSOR_RANGE_PPM))
    r.u16(3, min(panel.carbon_monoxide_ppm, _SENSOR_RANGE_PPM))
    r.u16(4, int(panel.state))
    inputs = bit_area(Table.DISCRETE, 0, [panel.smoke, panel.heat, panel.fault])
    return Image(tick, (r.area(Table.INPUT), inputs))


def panel_image(panel: SitePanel, tick: int) -> Image:
    """Device time as input registers; the switches as discrete inputs."""
    r = Registers(2)
    r.u32(0, tick)
    switches = [panel.emergency_stop, panel.remote, panel.reset_pressed]
    return Image(tick, (r.area(Table.INPUT), bit_area(Table.DISCRETE, 0, switches)))


def ventilation_image(state: VentilationState, *, wanted: bool, tick: int) -> Image:
    """Holding registers of a container's ventilation: device time, state, command."""
    r = Registers(4)
    r.u32(0, tick)
    r.u16(2, int(state))
    r.u16(VENTILATION_COMMAND, int(wanted))
    return Image(tick, (r.area(Table.HOLDING),))
