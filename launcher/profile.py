"""`./stationmaster profile ...`: device profiles before they go into a station's configuration."""

from pathlib import Path
from typing import Annotated

import typer

profile = typer.Typer(
    name="profile",
    help="List signals, check a device profile, and try it on a real device.",
    no_args_is_help=True,
)

_MODBUS_PORT, _UNIT = 502, 1


@profile.command()
def check(
    file: Annotated[str, typer.Argument(help="The profile (TOML), or the name of one that ships.")],
) -> None:
    """Say what is wrong in a profile, or what it fills and how often it asks."""
    from launcher.profile_check import run_check

    raise typer.Exit(run_check(file))


@profile.command()
def signals(
    layout: Annotated[
        str | None, typer.Argument(help="One of them: its signals, units and words.")
    ] = None,
) -> None:
    """List the layouts that a profile may fill, and their signals."""
    from launcher.profile_signals import run_signals

    raise typer.Exit(run_signals(layout))


@profile.command()
def probe(
    host: Annotated[str, typer.Argument(help="Address of the device or gateway.")],
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Its TCP port: 502, with --iec61850 102."),
    ] = None,
    unit: Annotated[
        int | None, typer.Option(min=0, max=255, help="Modbus unit id behind it; 1 if left out.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--profile", help="The profile (TOML), or one that ships.")
    ] = None,
    *,
    timeout: Annotated[float, typer.Option(min=0.05, max=30, help="Seconds for an answer.")] = 2.0,
    save: Annotated[
        Path | None, typer.Option(help="With --sunspec: write a profile of the device here.")
    ] = None,
    sunspec: Annotated[
        bool, typer.Option("--sunspec", help="Ask the device for its SunSpec models.")
    ] = False,
    unmapped: Annotated[
        bool, typer.Option("--unmapped", help="Also read what is no signal of the station.")
    ] = False,
    cells: Annotated[
        bool, typer.Option("--cells", help="Each value of the signals that have many.")
    ] = False,
    iec61850: Annotated[
        bool, typer.Option("--iec61850", help="The device speaks IEC 61850, not Modbus.")
    ] = False,
    scl: Annotated[
        str, typer.Option(help="With --iec61850: its SCL file; left out, the device is browsed.")
    ] = "",
    mapping: Annotated[
        str, typer.Option(help="With --iec61850: the mapping (TOML), or one that ships.")
    ] = "",
    ied: Annotated[
        str, typer.Option(help="With --iec61850: its name; left out, the device is asked for it.")
    ] = "",
) -> None:
    """Read a real device once: values beside names, units, quality and raw registers."""
    from launcher import profile_iec61850
    from launcher.profile_probe import ProbeOptions, run_probe

    if iec61850:
        modbus = {"--profile": file, "--unit": unit, "--save": save}
        _refuse(
            [name for name, given in modbus.items() if given is not None]
            + ["--sunspec"] * sunspec + ["--unmapped"] * unmapped + ["--cells"] * cells,
            "goes without --iec61850: it belongs to Modbus",
        )  # fmt: skip
        asked = profile_iec61850.Iec61850Options(
            host=host,
            port=port or profile_iec61850.PORT,
            scl=scl,
            mapping=mapping,
            ied=ied,
            timeout_s=timeout,
        )
        raise typer.Exit(profile_iec61850.run_iec61850(asked))
    mms = {"--scl": scl, "--mapping": mapping, "--ied": ied}
    _refuse([name for name, given in mms.items() if given], "goes with --iec61850 only")
    raise typer.Exit(
        run_probe(
            ProbeOptions(
                host=host,
                port=port or _MODBUS_PORT,
                unit=_UNIT if unit is None else unit,
                profile=file,
                sunspec=sunspec,
                timeout_s=timeout,
                unmapped=unmapped,
                cells=cells,
                save=save,
            )
        )
    )


def _refuse(options: list[str], why: str) -> None:
    """Refuse options that would be dropped silently.

    Raises:
        WrongInput: there are any.
    """
    from launcher.errors import WrongInput

    if options:
        raise WrongInput(f"{', '.join(options)} {why}")
