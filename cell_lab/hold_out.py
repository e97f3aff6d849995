"""How well a make of cell is followed at a temperature that its parameters have never seen.

For each temperature inside the measured range the make is identified anew from the recordings of
all others, and then tried at this one. Kinds of profiles can be kept out of the identification,
too: then it is tried on these.

How far the estimates lay from the truth, against what the filter expected of itself, makes the
intervals of a make. For these each of its temperatures is left out in turn, those at the ends, too:
what is beyond a make's range must be known as well. So the intervals of a make that is tried at a
temperature held out come from holding out yet another one: neither the temperature nor any error
there has had a say in them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cell_lab.disturb import DEFAULT, Disturbance
from cell_lab.errors import IdentifyError
from cell_lab.evaluate_soc import Case, cases_of
from cell_lab.identify import Chemistry, Fit, identify
from cell_lab.intervals import Errors, errors_of, intervals_of
from cell_lab.methods import Progress
from cell_lab.recordings import Recording
from station.estimators.cell_model import CellModel, build_cell_model
from station.estimators.cell_parameters import OcvTable


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
    *,
    calibrated: bool = False,
) -> Iterator[HeldOut]:
    """Yield each temperature inside the range, with a model made without it.

    Args:
        recordings: of one make.
        disturbances: what is put into each recording.
        chemistry: of the make.
        ocv: open-circuit voltage where no recording is slow.
        without: parts of names of profiles that the identification never sees.
        calibrated: whether each model gets intervals of its own, by temperatures held out of
            what it was made of.

    Raises:
        IdentifyError: there are fewer than three temperatures, nothing is named as `without`
            says, or too little is left to identify from.
    """
    inside = _inside(recordings)
    if not inside:
        raise IdentifyError(
            f"{recordings[0].cell}: a temperature can be held out only where there are three; "
            "leave --hold-out away"
        )
    _check_kept_out(recordings, without)
    for chamber_c in inside:
        seen = [
            recording
            for recording in recordings
            if recording.chamber_c != chamber_c
            and not any(part in recording.profile for part in without)
        ]
        cell = recordings[0].cell
        if calibrated:
            fit = identify_calibrated(seen, cell, chemistry, "held out", ocv)
        else:
            fit = identify(seen, cell, chemistry, "held out", ocv)
        unseen = [recording for recording in recordings if recording.chamber_c == chamber_c]
        cases = cases_of(unseen, disturbances)
        if cases:
            yield HeldOut(chamber_c, build_cell_model(fit.parameters), cases)


def identify_calibrated(
    recordings: Sequence[Recording],
    make: str,
    chemistry: Chemistry,
    source: str,
    ocv: OcvTable | None,
    *,
    disturbances: Sequence[Disturbance] = DEFAULT,
    progress: Progress | None = None,
) -> Fit:
    """Identify a make, and find its intervals.

    At fewer than three temperatures none can be left out: then they are no narrower than the
    filter's own word.

    Raises:
        IdentifyError: as `identify`.
    """
    fit = identify(recordings, make, chemistry, source, ocv)
    cases = cases_of(recordings, disturbances)
    if not cases:
        return fit
    known_c = sorted({recording.chamber_c for recording in recordings})
    left_out = known_c if _inside(recordings) else []
    unseen = []
    for number, chamber_c in enumerate(left_out):
        others = [recording for recording in recordings if recording.chamber_c != chamber_c]
        own = [case for case in cases if case.recording.chamber_c == chamber_c]
        part = _identified(others, make, chemistry, source, ocv)
        if own and part is not None:
            unseen.append(_tried(part, [c for c in known_c if c != chamber_c], own))
        if progress is not None:
            progress((number + 1) / len(left_out))
    intervals = intervals_of(_tried(fit, known_c, cases), unseen, known_c)
    parameters = fit.parameters.model_copy(update={"intervals": intervals})
    return Fit(parameters, fit.residual_v)


def _identified(
    recordings: Sequence[Recording],
    make: str,
    chemistry: Chemistry,
    source: str,
    ocv: OcvTable | None,
) -> Fit | None:
    """Return a make without some of its recordings, None where the others do not suffice."""
    try:
        return identify(recordings, make, chemistry, source, ocv)
    except IdentifyError:
        return None


def _tried(fit: Fit, known_c: Sequence[float], cases: Sequence[Case]) -> Errors:
    return errors_of(build_cell_model(fit.parameters), known_c, cases)


def _check_kept_out(recordings: Sequence[Recording], without: Sequence[str]) -> None:
    profiles = sorted({recording.profile for recording in recordings})
    for part in without:
        if not any(part in profile for profile in profiles):
            raise IdentifyError(
                f"{recordings[0].cell}: no profile's name holds {part!r}, so nothing would be kept "
                f"out; the profiles are {', '.join(profiles)}"
            )


def _inside(recordings: Sequence[Recording]) -> list[float]:
    return sorted({recording.chamber_c for recording in recordings})[1:-1]
