"""Files of cell parameters: where the house keeps them, and how they are written."""

import csv
from pathlib import Path

import numpy as np
import tomli_w

from cell_lab.errors import NoParametersError, OcvFileError
from cell_lab.recordings import CapacityOf
from station.estimators.cell_parameters import CellParameters, OcvTable, load_cell_parameters

_FEWEST = 20
_BEYOND = 0.05
CELLS = Path(__file__).resolve().parent.parent / "data" / "cells"


def parameters_of(cell: str) -> CellParameters:
    """Return the parameters at hand for a cell as recordings name it, or begin its name.

    Raises:
        NoParametersError: there are none.
        CellParametersError: the file is wrong.
    """
    files = sorted(CELLS.glob("*.toml"), key=lambda path: len(path.stem), reverse=True)
    for path in files:
        if cell.startswith(path.stem):
            return load_cell_parameters(path)
    raise NoParametersError(cell, sorted(path.stem for path in files))


def capacity_at_hand(named: CellParameters | None) -> CapacityOf:
    """Return how to find the capacity of a cell whose recordings do not tell it.

    It is that of the make that was named, or else whose name begins the cell's; NaN, to be found
    from the recordings themselves, where there is neither.
    """

    def capacity_of(cell: str) -> float:
        if named is not None:
            return named.capacity_ah
        try:
            return parameters_of(cell).capacity_ah
        except NoParametersError:
            return float("nan")

    return capacity_of


def read_ocv(path: Path) -> OcvTable:
    """Return the open-circuit voltage of a parameter file, or of a CSV table.

    A CSV table has the columns soc (a share of 1) and ocv_v, or SOC and OCV, of 25 deg C.

    Raises:
        OcvFileError: the file is missing or wrong.
        CellParametersError: it is a file of parameters, and wrong.
    """
    if not path.is_file():
        raise OcvFileError(path, "there is no such file")
    if path.suffix == ".toml":
        return load_cell_parameters(path).ocv
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            head = [name.strip().lower() for name in next(reader, [])]
            rows = [dict(zip(head, row, strict=True)) for row in reader]
        soc = [float(row["soc"]) for row in rows]
        voltage_v = [float(row.get("ocv_v") or row["ocv"]) for row in rows]
    except OSError as error:
        raise OcvFileError(path, error.strerror or "cannot be read") from error
    except KeyError as error:
        raise OcvFileError(path, "has no such columns") from error
    except ValueError as error:
        raise OcvFileError(path, f"is no table of numbers ({error})") from error
    if len(set(soc)) < _FEWEST or min(soc) < -_BEYOND or max(soc) > 1 + _BEYOND:
        raise OcvFileError(path, f"needs {_FEWEST} rows or more, each SOC a share of 1")
    order = np.argsort(soc, kind="stable")
    at = np.linspace(0, 1, 101)
    voltage = np.interp(at, np.asarray(soc)[order], np.asarray(voltage_v)[order])
    return OcvTable(
        soc=tuple(float(value) for value in at),
        temperature_c=(25.0,),
        voltage_v=(tuple(round(float(value), 5) for value in voltage),),
    )


def write_parameters(parameters: CellParameters, path: Path) -> None:
    """Write a file that `load_cell_parameters` reads."""
    path.write_text(tomli_w.dumps(parameters.model_dump(exclude_none=True)), "utf-8")
