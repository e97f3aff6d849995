"""The sets of cells that SOH models are made for: a TOML file that a cell expert writes."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cell_lab.errors import CellSetsError
from station.estimators.charge_ends import ChargeEndRule
from station.estimators.soh import Make

SETS_FILE = "sets.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Strict):
    """A figure of others on the same cells, of the whole set or of one batch; percent of SOH."""

    batch: str | None = None
    mape_pct: float
    rmse_pct: float | None = None


class CellSet(_Strict):
    """Where cells come from, what was done with them, and their makes by the names of batches.

    Attributes:
        end_soh: where a life ends that remaining cycles are counted to.
        charge: what the end of a charge is in these recordings; None: not the same in all.
    """

    source: str
    licence: str
    duty: str = ""
    end_soh: Annotated[float, Field(gt=0, lt=1)] = 0.8
    published: tuple[Published, ...] = ()
    charge: ChargeEndRule | None = None
    makes: Annotated[dict[str, Make], Field(min_length=1)]


def read_sets(path: Path) -> dict[str, CellSet]:
    """Return the sets of a file by their names.

    Raises:
        CellSetsError: the file is missing or wrong.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        return TypeAdapter(dict[str, CellSet]).validate_python(tables)
    except OSError as error:
        raise CellSetsError(path, error.strerror or "cannot be read") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CellSetsError(path, f"{where}: {first['msg']}") from error
    except ValueError as error:
        raise CellSetsError(path, f"is no TOML ({error})") from error
