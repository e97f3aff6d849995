"""What could have been earned at most, had prices been known: the measure of every strategy.

Solved as a linear programme by HiGHS. Where prices are deeply negative the programme would charge
and discharge at once, to be paid for what is lost between. No battery can: in those steps it may
only charge, and it is solved again.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bidding.value import energy_of
from cloud.market.errors import BadSeries

Floats = npt.NDArray[np.float64]
_BOTH_MW = 1e-7


def perfect_foresight(
    price: Floats, battery: Battery, step_min: int, *, end_mwh: float = 0.0
) -> tuple[float, Floats]:
    """Return the most that can be earned, and the powers that earn it.

    Args:
        price: of each step, finite, shape (steps,).
        battery: begins at its `soc`.
        step_min: minutes a step.
        end_mwh: energy that must be left, above the least that may be planned with.

    Returns:
        Money, wear counted, and power in MW, shape (steps,), discharge positive.

    Raises:
        BadSeries: a price is not finite.
    """
    if not np.isfinite(price).all():
        raise BadSeries("prices for perfect foresight have gaps: fill or cut them first")
    import highspy  # noqa: PLC0415 - heavy

    # The class beneath: the upper one prints a banner before it can be told to be silent.
    solver: Any = highspy.Highs.__mro__[1]()
    solver.setOptionValue("output_flag", False)
    # HiGHS refuses to run with another number of threads than it first ran with in a process.
    solver.setOptionValue("threads", 1)
    solver.passModel(_model(highspy, price, battery, step_min / 60, end_mwh))
    steps = len(price)
    while True:
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise BadSeries(
                f"perfect foresight: {solver.modelStatusToString(solver.getModelStatus())}; "
                f"can {end_mwh} MWh be left at the end?"
            )
        found = np.array(solver.getSolution().col_value)
        charge, discharge = found[:steps], found[steps : 2 * steps]
        both = np.flatnonzero(np.minimum(charge, discharge) > _BOTH_MW)
        if not len(both):
            return -float(solver.getInfo().objective_function_value), discharge - charge
        for step in both:
            solver.changeColBounds(int(steps + step), 0.0, 0.0)


def _model(highspy: Any, price: Floats, battery: Battery, hours: float, end_mwh: float) -> Any:
    """Columns: charge, discharge, energy after the step. Rows: energy balance, power at once."""
    steps = len(price)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = 3 * steps, 2 * steps
    model.col_cost_ = np.concatenate(
        [price * hours, -(price - battery.wear_per_mwh) * hours, np.zeros(steps)]
    )
    lower = np.zeros(3 * steps)
    lower[-1] = end_mwh
    model.col_lower_ = lower
    model.col_upper_ = np.concatenate(
        [
            np.full(steps, battery.charge_mw),
            np.full(steps, battery.discharge_mw),
            np.full(steps, battery.usable_mwh),
        ]
    )
    balance = np.zeros(steps)
    balance[0] = energy_of(battery, battery.soc)
    model.row_lower_ = np.concatenate([balance, np.full(steps, -highspy.kHighsInf)])
    model.row_upper_ = np.concatenate([balance, np.ones(steps)])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    number = np.arange(steps)
    charge = _columns(
        number, -battery.charge_efficiency * hours, steps + number, 1 / battery.charge_mw
    )
    discharge = _columns(
        number, hours / battery.discharge_efficiency, steps + number, 1 / battery.discharge_mw
    )
    energy = _columns(number, 1.0, np.minimum(number + 1, steps - 1), -1.0)
    rows = np.concatenate([charge[0], discharge[0], energy[0][:-1]])
    values = np.concatenate([charge[1], discharge[1], energy[1][:-1]])
    model.a_matrix_.start_ = np.append(2 * np.arange(3 * steps), 6 * steps - 1)
    model.a_matrix_.index_, model.a_matrix_.value_ = rows, values
    return model


def _columns(
    first: npt.NDArray[np.int64], one: float, second: npt.NDArray[np.int64], two: float
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Rows and values of columns that each stand in two rows."""
    rows = np.stack([first, second], axis=1).ravel()
    values = np.tile([one, two], len(first))
    return rows, values
