"""The best figures of others, to stand beside ours: a TOML file that a cell expert writes."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cell_lab.errors import PublishedFiguresError

PUBLISHED = Path(__file__).resolve().parent.parent / "data" / "published" / "soc.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedFigure(_Strict):
    """A figure, what it was made on, and which of our lines it may stand beside.

    Attributes:
        cells: beginnings of names of cells; profiles: parts of names, all where it is empty.
        disturbances: names of those with which it can be compared.
        rmse_pct, mae_pct: percent of SOC.
        method, conditions, source: what was done, on what, and where it is told.
    """

    cells: Annotated[tuple[str, ...], Field(min_length=1)]
    profiles: tuple[str, ...] = ()
    disturbances: Annotated[tuple[str, ...], Field(min_length=1)]
    rmse_pct: Annotated[float, Field(gt=0)]
    mae_pct: Annotated[float, Field(gt=0)] | None = None
    method: str
    conditions: str
    source: str


class _File(_Strict):
    figure: tuple[PublishedFigure, ...] = ()


def read_published(path: Path = PUBLISHED) -> tuple[PublishedFigure, ...]:
    """Return the figures of a file, in its order.

    Raises:
        PublishedFiguresError: the file is missing or wrong.
    """
    try:
        return _File.model_validate(tomllib.loads(path.read_text("utf-8"))).figure
    except OSError as error:
        raise PublishedFiguresError(path, error.strerror or "cannot be read") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PublishedFiguresError(path, f"{where}: {first['msg']}") from error
    except ValueError as error:
        raise PublishedFiguresError(path, f"is no TOML ({error})") from error


def best_published(
    figures: Sequence[PublishedFigure], cell: str, profile: str, disturbance: str
) -> PublishedFigure | None:
    """Return the first figure that may stand beside a line, or None."""
    for figure in figures:
        if (
            cell.startswith(figure.cells)
            and (not figure.profiles or any(part in profile for part in figure.profiles))
            and disturbance in figure.disturbances
        ):
            return figure
    return None
