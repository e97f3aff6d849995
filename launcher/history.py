"""`./stationmaster history ...`: what people do with the fifteen-year store from the shell."""

from pathlib import Path
from typing import Annotated

import typer

history = typer.Typer(
    name="history",
    help="Plan, check, back up, archive and restore the fifteen-year store.",
    no_args_is_help=True,
)

CloudConfigFile = Annotated[Path, typer.Argument(help="The cloud's configuration file (TOML).")]
