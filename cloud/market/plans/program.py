"""A linear or mixed-integer programme, built row by row and solved by HiGHS.

HiGHS is given the whole sparse model at once: for a day of quarter hours that takes
milliseconds, where adding rows through a modelling language takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import highspy
import numpy as np

from cloud.market.forecast import Floats
from cloud.market.plans.plan import PlanFailed

INFINITY: Final = highspy.kHighsInf
# The solver below its modelling layer, which prints a banner to whoever reads our output.
_SOLVER: Final[type[Any]] = highspy.Highs.__mro__[1]


@dataclass(frozen=True)
class Solution:
    """What HiGHS found.

    Attributes:
        values: of the columns.
        row_duals: change of the objective with a row's bound; None of a mixed-integer programme.
        objective: maximised.
        gap: how much better the best plan could be at the most, relative; 0: proven best.
    """

    values: Floats
    row_duals: Floats | None
    objective: float
    gap: float


@dataclass
class Program:
    """A programme in the making; it is maximised."""

    _costs: list[float] = field(default_factory=list)
    _lower: list[float] = field(default_factory=list)
    _upper: list[float] = field(default_factory=list)
    _whole: list[bool] = field(default_factory=list)
    _row_lower: list[float] = field(default_factory=list)
    _row_upper: list[float] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _index: list[int] = field(default_factory=list)
    _value: list[float] = field(default_factory=list)

    def column(self, gain: float, upper: float, *, lower: float = 0.0, whole: bool = False) -> int:
        """Add a variable that gains `gain` a unit; return its number."""
        self._costs.append(gain)
        self._lower.append(lower)
        self._upper.append(upper)
        self._whole.append(whole)
        return len(self._costs) - 1

    def row(
        self, terms: Mapping[int, float], *, lower: float = -INFINITY, upper: float = INFINITY
    ) -> int:
        """Add a constraint `lower <= sum of terms <= upper`; return its number."""
        self._starts.append(len(self._index))
        self._index.extend(terms)
        self._value.extend(terms.values())
        self._row_lower.append(lower)
        self._row_upper.append(upper)
        return len(self._row_lower) - 1

    def fix(self, values: Floats) -> None:
        """Fix the whole-numbered columns at their values, so that duals exist."""
        for number in np.flatnonzero(self._whole):
            self._lower[number] = self._upper[number] = float(round(values[number]))
            self._whole[number] = False

    def solve(self, limit_s: float) -> Solution:
        """Solve; the best plan found within the limit is returned with its gap.

        Raises:
            PlanFailed: no plan was found, because none exists or because the time was too short.
        """
        solver = _SOLVER()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("time_limit", limit_s),
            ("mip_rel_gap", 1e-4),
        ):
            solver.setOptionValue(option, value)
        solver.passModel(self._model())
        solver.run()
        return self._read(solver, limit_s)

    def _model(self) -> Any:
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self._costs), len(self._row_lower)
        model.col_cost_ = np.array(self._costs)
        model.col_lower_, model.col_upper_ = np.array(self._lower), np.array(self._upper)
        model.row_lower_, model.row_upper_ = np.array(self._row_lower), np.array(self._row_upper)
        model.sense_ = highspy.ObjSense.kMaximize
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.start_ = np.array([*self._starts, len(self._index)], np.int32)
        matrix.index_ = np.array(self._index, np.int32)
        matrix.value_ = np.array(self._value)
        if any(self._whole):
            kinds = highspy.HighsVarType
            model.integrality_ = [
                kinds.kInteger if one else kinds.kContinuous for one in self._whole
            ]
        return model

    def _read(self, solver: Any, limit_s: float) -> Solution:
        status, info = solver.getModelStatus(), solver.getInfo()
        statuses = highspy.HighsModelStatus
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        if not found or status not in (statuses.kOptimal, statuses.kTimeLimit):
            raise PlanFailed(solver.modelStatusToString(status), limit_s)
        solution = solver.getSolution()
        mixed = any(self._whole)
        return Solution(
            values=np.array(solution.col_value),
            row_duals=None if mixed else np.array(solution.row_dual),
            objective=float(info.objective_function_value),
            gap=float(info.mip_gap) if mixed else 0.0,
        )
