"""How well a make of cell is followed at a temperature that its parameters have never seen.

For each temperature inside the measured range the make is identified anew from the recordings of
all others, and then tried at this one. Kinds of profiles can be kept out of the identification,
too: then it is tried on these.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cell_lab.disturb import Disturbance
from cell_lab.errors import IdentifyError
from cell_lab.evaluate_soc import Case, cases_of
from cell_lab.identify import Chemistry, identify
from cell_lab.recordings import Recording
from station.estimators.cell_model import CellModel, OcvTable, build_cell_model


@dataclass(frozen=True)
class HeldOut:
    """A temperature, the model that has not seen it, and the cases to try it on."""

    chamber_c: float
    model: CellModel
    cases: list[Case]


def held_out(
    recordings: Sequence[Recording],
    disturbances: Sequence[Disturbance],
    chemistry: Chemistry,
    ocv: OcvTable | None = None,
    without: Sequence[str] = (),
) -> Iterator[HeldOut]:
    """Yield each temperature inside the range, with a model made without it.

    Args:
        recordings: of one make.
        disturbances: what is put into each recording.
        chemistry: of the make.
        ocv: open-circuit voltage where no recording is slow.
        without: parts of names of profiles that the identification never sees.

    Raises:
        IdentifyError: there are fewer than three temperatures, or too little to identify from.
    """
    inside = sorted({recording.chamber_c for recording in recordings})[1:-1]
    if not inside:
        raise IdentifyError(
            f"{recordings[0].cell}: a temperature can be held out only where there are three; "
            "leave --hold-out away"
        )
    for chamber_c in inside:
        seen = [
            recording
            for recording in recordings
            if recording.chamber_c != chamber_c
            and not any(part in recording.profile for part in without)
        ]
        fit = identify(seen, recordings[0].cell, chemistry, "held out", ocv)
        unseen = [recording for recording in recordings if recording.chamber_c == chamber_c]
        cases = cases_of(unseen, disturbances)
        if cases:
            yield HeldOut(chamber_c, build_cell_model(fit.parameters), cases)
