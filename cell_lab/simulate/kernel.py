"""The simulated cell, one step after the other: the part that numba compiles.

The terminal voltage of a cell at discharge current I is

    v = OCV(soc, T) + e(soc) - M(soc) h - sum over terms k of R_k(soc, T) phi_k - I R_contact

with the terms, the kinetic current and the hysteresis h of station.estimators.cell_model. Heat
is what the overpotential, the shunt and the contact lose, and the reversible -I T dU/dT; it
leaves through two nodes, core and surface. SOC moves by what the make counts of the charge: by
the capacity in use, and of charging by the share that can be drawn again.
Tables are read anew only when SOC or temperature
has moved a little; between, the open-circuit voltage goes on along its slope.
"""

import math

import numpy as np
from numba import njit

_SOC_STEP, _TEMPERATURE_STEP_K = 0.0005, 0.1
"""Tables are read anew after so much: some microvolts on the flat, 0.1 mV at the ends."""
_ABOVE_V, _BELOW_V = 5.0, 10.0
"""Beyond full and empty the voltage runs away, per unit of SOC; no table reaches there."""
_KELVIN, _REFERENCE_K = 273.15, 298.15
_HOUR_S = 3600.0
_TWO_PI = 2 * math.pi

SHORT, CONTACT, HEAT, COOLING, CAPACITY = 1, 2, 3, 4, 5
"""Numbers of the kinds of cell faults."""


def _look_up(table, soc_axis, temperature_axis, soc, temperature_c, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917
    """Fill one cell's columns; return the slopes over SOC of OCV and of the hysteresis."""
    low, step, count = temperature_axis
    place = min(max((temperature_c - low) / step, 0.0), count - 1.001)
    t = int(place)
    warm = place - t
    low, step, count = soc_axis
    place = min(max((soc - low) / step, 0.0), count - 1.001)
    s = int(place)
    share = place - s
    for column in range(table.shape[2]):
        below = table[t, s, column] + (table[t + 1, s, column] - table[t, s, column]) * warm
        above = (
            table[t, s + 1, column] + (table[t + 1, s + 1, column] - table[t, s + 1, column]) * warm
        )
        values[column] = below + (above - below) * share
        if column == 0:
            ocv_slope = (above - below) / step
        elif column == 1:
            half_slope = (above - below) / step
    return ocv_slope, half_slope


_look_up_jit = njit(cache=True, fastmath=True, error_model="numpy")(_look_up)


def _advance(  # type: ignore[no-untyped-def]  # noqa: ANN202, C901, PLR0912, PLR0915, PLR0917
    make,  # noqa: ANN001 - (table, soc axis, temperature axis, kinetic, lag_s, kinetic_a, dU/dT, counting)
    cells,  # noqa: ANN001 - the arrays of Cells, in their order
    fault,  # noqa: ANN001 - (kind, first step, ramp steps, size), shape (cells,) each
    state,  # noqa: ANN001 - (numbers (cells, 4), lagged currents (cells, terms)); moved on
    drive,  # noqa: ANN001 - (current_a (strings, steps), ambient_c (strings, steps))
    step_s,  # noqa: ANN001
    every,  # noqa: ANN001 - the samples that are kept
    out,  # noqa: ANN001 - (voltage, surface, core, soc, current), shape (cells, kept) each
):
    """Move all cells over all steps. One long loop: each cell's state stays in registers."""
    table, soc_axis, temperature_axis, kinetic, lag_s, kinetic_a, entropy, counting = make
    in_use, charged = counting
    (string, capacity_ah, resistance, lag_scale, activation_k, ocv_wave, half_scale, rate) = cells[
        :8
    ]
    (short_ohm, contact_ohm, heat_core, heat_surface, thermal, low_v, high_v) = cells[8:]
    kind, first_step, ramp_steps, size = fault
    numbers, lagged = state
    current_a, ambient_c = drive
    voltage_out, surface_out, core_out, soc_out, current_out = out
    terms = lag_s.shape[0]
    values = np.empty(2 + terms)
    keep = np.empty(terms)
    lagging = 0
    place_of = np.full(terms, -1)
    is_kinetic = np.zeros(terms, np.bool_)
    for term in range(terms):
        if lag_s[term] > 0:
            place_of[term], is_kinetic[lagging] = lagging, kinetic[term]
            lagging += 1
    slow_ohm, new, lag = np.empty(lagging), np.empty(lagging), np.empty(lagging)
    least_a = 1e-7 * kinetic_a
    for cell in range(string.shape[0]):
        row = string[cell]
        soc, hysteresis = numbers[cell, 0], numbers[cell, 1]
        core_c, surface_c = numbers[cell, 2], numbers[cell, 3]
        for term in range(terms):
            tau_s = lag_s[term] * lag_scale[cell]
            keep[term] = math.exp(-step_s / tau_s) if tau_s > 0 else 0.0
            if place_of[term] >= 0:
                lag[place_of[term]] = lagged[cell, term]
                new[place_of[term]] = 1.0 - keep[term]
        looked_soc, looked_c = -9.0, -999.0
        ocv = ocv_slope = half = half_slope = entropy_v = 0.0
        linear_ohm = kinetic_ohm = kinetic_now = 0.0
        looked_a = 1e30
        ah = capacity_ah[cell]
        own_short, own_contact = 1.0 / short_ohm[cell], contact_ohm[cell]
        per_a = step_s / (_HOUR_S * ah * in_use)
        per_core_w, per_surface_w = step_s / heat_core[cell], step_s / heat_surface[cell]
        own_heat_w, inner, outer = 0.0, thermal[cell, 0], thermal[cell, 1]
        terminal_v = 3.3
        kept = 0
        for step in range(current_a.shape[1]):
            if kind[cell] != 0 and step >= first_step[cell]:
                share = min((step - first_step[cell] + 1) / max(ramp_steps[cell], 1.0), 1.0)
                if kind[cell] == SHORT:
                    own_short = 1.0 / short_ohm[cell] + share / size[cell]
                elif kind[cell] == CONTACT:
                    own_contact = contact_ohm[cell] + share * size[cell]
                elif kind[cell] == HEAT:
                    own_heat_w = size[cell] if step - first_step[cell] < ramp_steps[cell] else 0.0
                elif kind[cell] == COOLING:
                    outer = thermal[cell, 1] * (1.0 - share * size[cell])
                else:
                    per_a = step_s / (_HOUR_S * ah * in_use * (1.0 - share * size[cell]))
            moved = soc - looked_soc
            if abs(moved) > _SOC_STEP or abs(core_c - looked_c) > _TEMPERATURE_STEP_K:
                ocv_slope, half_slope = _look_up_jit(
                    table, soc_axis, temperature_axis, soc, core_c, values
                )
                phase = _TWO_PI * (ocv_wave[cell, 1] * soc + ocv_wave[cell, 2])
                ocv = values[0] + ocv_wave[cell, 0] * math.sin(phase)
                ocv += _ABOVE_V * max(soc - 1.0, 0.0) + _BELOW_V * min(soc, 0.0)
                ocv_slope += _ABOVE_V * (soc > 1.0) + _BELOW_V * (soc < 0.0)
                half = values[1] * half_scale[cell]
                half_slope *= half_scale[cell]
                warm = math.exp(
                    activation_k[cell] * (1.0 / (core_c + _KELVIN) - 1.0 / _REFERENCE_K)
                )
                linear_ohm = kinetic_ohm = 0.0
                for term in range(terms):
                    ohm = values[2 + term] * resistance[cell, term] * warm
                    if kinetic[term]:
                        kinetic_ohm += (1.0 - keep[term]) * ohm
                    else:
                        linear_ohm += (1.0 - keep[term]) * ohm
                    if place_of[term] >= 0:
                        slow_ohm[place_of[term]] = keep[term] * ohm
                place = min(max(soc, 0.0), 1.0) * (entropy.shape[0] - 1)
                entropy_v = entropy[int(place)]
                looked_soc, looked_c, moved = soc, core_c, 0.0

            wanted_a = current_a[row, step]
            base = ocv + ocv_slope * moved - (half + half_slope * moved) * hysteresis
            for term in range(lagging):
                base -= slow_ohm[term] * lag[term]
            shunt_a = terminal_v * own_short
            inner_a = wanted_a + shunt_a
            if abs(inner_a - looked_a) > least_a:
                x = inner_a / kinetic_a
                kinetic_now = math.copysign(math.log(abs(x) + math.sqrt(x * x + 1.0)), x)
                kinetic_now *= kinetic_a
                looked_a = inner_a
            terminal_v = base - linear_ohm * inner_a - kinetic_ohm * kinetic_now
            if terminal_v > high_v[cell] or terminal_v < low_v[cell]:
                bound_v = high_v[cell] if terminal_v > high_v[cell] else low_v[cell]
                least, most = min(wanted_a, 0.0), max(wanted_a, 0.0)
                for _ in range(6):  # Newton: the kinetic terms are not linear
                    slope = linear_ohm + kinetic_ohm / math.sqrt(1 + (inner_a / kinetic_a) ** 2)
                    wanted_a += (terminal_v - bound_v) / max(slope, 1e-6)
                    wanted_a = min(max(wanted_a, least), most)
                    inner_a = wanted_a + shunt_a
                    kinetic_now = math.asinh(inner_a / kinetic_a) * kinetic_a
                    terminal_v = base - linear_ohm * inner_a - kinetic_ohm * kinetic_now
                looked_a = inner_a
            over = ocv + ocv_slope * moved - (half + half_slope * moved) * hysteresis - terminal_v
            for term in range(lagging):
                push = kinetic_now if is_kinetic[term] else inner_a
                lag[term] += new[term] * (push - lag[term])

            drawn = inner_a * per_a
            if inner_a < 0.0:
                drawn *= charged
            soc -= drawn
            gone = abs(drawn) * rate[cell]
            held = 1.0 / (1.0 + gone * (1.0 + 0.5 * gone))
            if inner_a != 0.0:
                hysteresis = held * hysteresis + (1.0 - held) * math.copysign(1.0, inner_a)

            contact_w = wanted_a * wanted_a * own_contact
            heat_w = inner_a * over - inner_a * (core_c + _KELVIN) * entropy_v + own_heat_w
            heat_w += terminal_v * shunt_a
            # Backward Euler: exact at rest, and no step is too long for it.
            core_w = core_c + per_core_w * heat_w
            surface_w = surface_c + per_surface_w * (outer * ambient_c[row, step] + contact_w)
            from_core, from_surface = per_core_w * inner, per_surface_w * inner
            own = 1.0 + from_surface + per_surface_w * outer
            scale = 1.0 / ((1.0 + from_core) * own - from_core * from_surface)
            core_c = scale * (own * core_w + from_core * surface_w)
            surface_c = scale * (from_surface * core_w + (1.0 + from_core) * surface_w)

            if (step + 1) % every == 0:
                voltage_out[cell, kept] = terminal_v - wanted_a * own_contact
                surface_out[cell, kept] = surface_c
                core_out[cell, kept] = core_c
                soc_out[cell, kept] = soc
                current_out[cell, kept] = wanted_a
                kept += 1
        numbers[cell, 0], numbers[cell, 1] = soc, hysteresis
        numbers[cell, 2], numbers[cell, 3] = core_c, surface_c
        for term in range(terms):
            if place_of[term] >= 0:
                lagged[cell, term] = lag[place_of[term]]


advance = njit(cache=True, fastmath=True, error_model="numpy")(_advance)
