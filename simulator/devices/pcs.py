"""What a converter publishes: analogue values in SI units, states and alarms."""

import math

from simulator.iec61850.server import PcsValues
from simulator.physics.converter import Converter
from simulator.plant import Plant

_ALARMS = 8


def values(plant: Plant, container: int) -> PcsValues:
    """Collect one tick of a converter.

    The triggering first phase of voltages and currents comes last, so that its report carries
    all three phases of the tick.
    """
    converter = plant.converters[container]
    return PcsValues(
        analogue=_ac(plant, converter) | _dc(plant, container) | _setpoints(converter),
        boolean={
            "XCBR1.Loc": converter.local,
            "CALH1.GrAlm": converter.alarms != 0,
            **{f"GGIO1.Alm{k + 1}": bool(converter.alarms >> k & 1) for k in range(_ALARMS)},
        },
        integer={"ZINV1.GridModSt": int(converter.state)},
        breaker_closed=converter.connected,
    )


def fingerprint(converter: Converter) -> tuple[object, ...]:
    """What makes up the published states of a converter; equal while none has changed."""
    return converter.state, converter.alarms, converter.local


def _ac(plant: Plant, converter: Converter) -> dict[str, float]:
    p, q = converter.active_w, converter.reactive_var
    s = math.hypot(p, q)
    ab, bc, ca = plant.grid.line_voltages(converter.parameters.ac_voltage_v)
    root3 = math.sqrt(3)
    return {
        "MMXU1.TotW": p,
        "MMXU1.TotVAr": q,
        "MMXU1.TotVA": s,
        "MMXU1.TotPF": p / s if s else 1.0,
        "MMXU1.Hz": plant.grid.frequency_hz,
        "MMXU1.PPV.phsCA": ca,
        "MMXU1.PPV.phsBC": bc,
        "MMXU1.PPV.phsAB": ab,
        "MMXU1.A.phsC": s / (root3 * ca),
        "MMXU1.A.phsB": s / (root3 * bc),
        "MMXU1.A.phsA": s / (root3 * ab),
        "ZINV1.HeatSinkTmp": converter.heatsink_c,
    }


def _dc(plant: Plant, container: int) -> dict[str, float]:
    voltage = float(plant.bus_voltage_v[container])
    current = float(plant.bus_current_a[container])
    return {"MMDC1.Watt": voltage * current, "MMDC1.Amp": current, "MMDC1.Vol": voltage}


def _setpoints(converter: Converter) -> dict[str, float]:
    return {
        "DRCC1.OutWSet": converter.active_setpoint_w,
        "DRCC1.OutVarSet": converter.reactive_setpoint_var,
    }
