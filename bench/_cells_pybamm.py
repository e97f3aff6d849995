"""The same LFP cell in PyBaMM: a commissioning test to identify from, and a day to compare by.

`python -m bench._cells_pybamm` makes anew what lies in data/battery/pybamm: the parameters that
`identify` finds from PyBaMM's test, and a day of PyBaMM's single-particle model with electrolyte
(SPMe), one sample in ten seconds. Parameters: Prada 2013 (A123 LFP on graphite, 2.3 Ah) as PyBaMM
has them, with one thermal node, whose heat capacity and cooling are set here.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cell_lab.identify import identify
from cell_lab.parameter_files import write_parameters
from cell_lab.recordings import Recording, Series
from cell_lab.simulate import random_duty

FOLDER = Path(__file__).resolve().parents[1] / "data" / "battery" / "pybamm"
PARAMETERS, DAY = FOLDER / "prada2013.toml", FOLDER / "prada2013_day.npz"
HEAT_J_PER_K, COOLING_W_PER_K = 50.0, 0.08
AMBIENT_C, NOMINAL_AH, EVERY = 25.0, 2.3, 10
_KELVIN = 273.15
_MOST_STEP_S = 20.0
_HOUR_S = 3600


@dataclass(frozen=True)
class Course:
    """What a model told, at 1 s."""

    voltage_v: Series
    temperature_c: Series
    charge_ah: Series
    cpu_s: float


def day_rates() -> Series:
    """Return the C-rates of the day: from full to 60 % in an hour, then by chance."""
    first = np.full(_HOUR_S, 0.4)
    return np.concatenate([first, random_duty(23, seed=11, soc=0.6, low=0.1, high=0.9)])


def run(name: str, current_a: Series, soc: float) -> Course:
    """Run SPM, SPMe or DFN over currents of 1 s each; stops where the voltage's bounds are met."""
    os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
    import pybamm  # noqa: PLC0415 - a peer that is there or not

    values = _values(pybamm)
    time_s = np.arange(len(current_a) + 1.0)
    values["Current function [A]"] = pybamm.Interpolant(
        time_s, np.append(current_a, current_a[-1]), pybamm.t, interpolator="linear"
    )
    model = getattr(pybamm.lithium_ion, name)({"thermal": "lumped"})
    solver = pybamm.IDAKLUSolver(rtol=1e-5, atol=1e-7, options={"dt_max": _MOST_STEP_S})
    simulation = pybamm.Simulation(model, parameter_values=values, solver=solver)
    simulation.build(initial_soc=soc)
    began_s = time.process_time()
    solved = simulation.solve([0, time_s[-1]], t_interp=time_s, initial_soc=soc)
    cpu_s = time.process_time() - began_s
    return Course(
        voltage_v=solved["Voltage [V]"].entries[1:],
        temperature_c=solved["X-averaged cell temperature [K]"].entries[1:] - _KELVIN,
        charge_ah=solved["Discharge capacity [A.h]"].entries[1:],
        cpu_s=cpu_s,
    )


def _values(pybamm: Any) -> Any:
    """Return Prada 2013 with what it lacks of heat."""
    values = pybamm.ParameterValues("Prada2013")
    parts = ("Negative electrode", "Separator", "Positive electrode")
    foils = ("Negative current collector", "Positive current collector")
    lacking: dict[str, float] = {
        f"{part} {what}": value
        for part in (*parts, *foils)
        for what, value in (
            ("density [kg.m-3]", 2000.0),
            ("thermal conductivity [W.m-1.K-1]", 1.0),
        )
    }
    lacking |= {f"{foil} thickness [m]": 1e-5 for foil in foils}
    lacking |= {f"{foil} conductivity [S.m-1]": 5e7 for foil in foils}
    lacking |= {f"{part} OCP entropic change [V.K-1]": 0.0 for part in parts if part != "Separator"}
    thickness = sum(values[f"{part} thickness [m]"] for part in parts) + 2e-5
    volume = values["Electrode width [m]"] * values["Electrode height [m]"] * thickness
    heat = HEAT_J_PER_K / (2000.0 * volume)
    lacking |= {f"{part} specific heat capacity [J.kg-1.K-1]": heat for part in (*parts, *foils)}
    lacking |= {
        "Cell volume [m3]": volume,
        "Cell cooling surface area [m2]": 0.008,
        "Total heat transfer coefficient [W.m-2.K-1]": COOLING_W_PER_K / 0.008,
        "Contact resistance [Ohm]": 0.0,
        "Ambient temperature [K]": AMBIENT_C + _KELVIN,
        "Initial temperature [K]": AMBIENT_C + _KELVIN,
    }
    values.update(lacking, check_already_exists=False)
    return values


def commissioning_test() -> list[Recording]:
    """Return what a bench would record: slow discharge and charge, pulses, two days of chance."""
    slow = np.full(22 * _HOUR_S, NOMINAL_AH / 20)
    down = run("SPMe", slow, 1.0)
    capacity_ah = float(down.charge_ah[-1])
    up = run("SPMe", -slow, 0.0)
    pulses = _pulses() * NOMINAL_AH
    first = np.full(_HOUR_S, 0.4)
    chance = np.concatenate([first, random_duty(30, seed=12, soc=0.6, low=0.06, high=0.94)])
    tests = {"pulses": pulses, "chance": chance * NOMINAL_AH}
    recordings = [
        _recording("c20 discharge", slow, down, capacity_ah, 1.0),
        _recording("c20 charge", -slow, up, capacity_ah, 0.0),
    ]
    for name, current_a in tests.items():
        recordings.append(_recording(name, current_a, run("SPMe", current_a, 1.0), capacity_ah, 1))
    return recordings


def _pulses() -> Series:
    """Return 1C pulses either way at each twentieth of SOC, and the way between at C/2."""
    rest = np.zeros(60)
    pulse = np.concatenate([np.ones(10), rest, -np.ones(10), rest, 0.25 * np.ones(60), rest])
    way = np.concatenate([np.full(345, 0.5), np.zeros(600)])
    return np.concatenate([np.concatenate([way, pulse])] * 18)


def _recording(
    name: str, current_a: Series, course: Course, capacity_ah: float, soc: float
) -> Recording:
    rows = len(course.voltage_v)
    return Recording(
        cell="prada2013",
        profile=name,
        chamber_c=AMBIENT_C,
        capacity_ah=capacity_ah,
        time_s=np.arange(rows, dtype=np.float64),
        elapsed_s=np.ones(rows),
        voltage_v=course.voltage_v,
        current_a=current_a[:rows],
        temperature_c=course.temperature_c,
        soc=soc - course.charge_ah / capacity_ah,
    )


def main() -> None:
    """Write the parameters and the day."""
    found = identify(
        commissioning_test(),
        "LFP on graphite, 2.3 Ah, simulated",
        "LFP",
        "PyBaMM (BSD-3), SPMe with the parameters of Prada 2013 at 25 deg C",
    )
    print({name: round(1000 * volts, 2) for name, volts in found.residual_v.items()}, "mV")
    FOLDER.mkdir(exist_ok=True)
    write_parameters(found.parameters, PARAMETERS)
    day = run("SPMe", day_rates() * NOMINAL_AH, 1.0)
    kept = slice(EVERY - 1, None, EVERY)
    np.savez_compressed(
        DAY,
        voltage_v=np.round(day.voltage_v[kept], 5).astype(np.float32),
        temperature_c=np.round(day.temperature_c[kept], 3).astype(np.float32),
    )
    print(f"{FOLDER}: {PARAMETERS.name}, {DAY.name}")


if __name__ == "__main__":
    main()
