"""`./stationmaster commission`: a commissioning test of the virtual plant's cell, as a file."""

from pathlib import Path

from launcher.errors import WrongInput
from launcher.lab_errors import check_file


def run_commission(cell: Path, out: Path, seed: int) -> int:
    """Write the recordings of a test to a Parquet file that `identify` reads.

    Raises:
        WrongInput: a file cannot be used.
    """
    check_file(out)
    import pyarrow as pa
    from pyarrow import parquet

    from simulator.commission import as_columns, commission
    from simulator.errors import ConfigError

    try:
        capacity_ah, recordings = commission(cell, seed)
    except ConfigError as error:
        raise WrongInput(str(error)) from error
    parquet.write_table(pa.table(as_columns(capacity_ah, recordings)), out, compression="zstd")
    hours = sum(one.time_s[-1] for one in recordings) / 3600
    print(f"{out}: {len(recordings)} recordings, {hours:.0f} hours of {capacity_ah:g} Ah")
    return 0
