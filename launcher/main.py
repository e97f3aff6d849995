"""The command line: one word for each thing a person does with Stationmaster.

Only Typer is imported here; each command imports what it needs when it runs, so that `--help`
answers at once and a machine without the cloud's libraries can run a station.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from launcher.history import history
from launcher.market import market
from launcher.models import models
from launcher.profile import profile

app = typer.Typer(
    name="stationmaster",
    help="Runs battery-storage stations from afar and sells what they can do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

evaluate = typer.Typer(
    name="evaluate", help="Try the estimators on recordings.", no_args_is_help=True
)
app.add_typer(history)
app.add_typer(market)
app.add_typer(models)
app.add_typer(profile)
app.add_typer(evaluate)
train = typer.Typer(name="train", help="Train the models of estimators.", no_args_is_help=True)
app.add_typer(train)

# Typer names the root of its errors about arguments in no public place.
_USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]

ConfigFile = Annotated[Path, typer.Argument(help="The TOML file that describes it.")]


@app.command()
def demo(
    minutes: Annotated[
        float,
        typer.Option(min=0.0, help="Stop by itself after so many minutes; 0: run until Ctrl-C."),
    ] = 0.0,
    scenario: Annotated[
        str, typer.Option(help="What happens: a name from data/simulator/scenarios, or a file.")
    ] = "normal-day",
    report: Annotated[Path | None, typer.Option(help="Write the figures of the run here.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Keep configuration, data and logs in this folder.")
    ] = None,
    *,
    browser: Annotated[bool, typer.Option(help="Open the console in a browser.")] = True,
) -> None:
    """A living station on this machine: virtual plant, edge controller, cloud, console."""
    from launcher.demo import DemoOptions, run_demo

    raise typer.Exit(
        run_demo(
            DemoOptions(
                minutes=minutes, scenario=scenario, report=report, keep=keep, browser=browser
            )
        )
    )


@app.command()
def simulate(
    config: ConfigFile,
    station: Annotated[
        Path | None,
        typer.Option(help="Write the file of a station that reads this plant, and run nothing."),
    ] = None,
) -> None:
    """Run the virtual plant: physics with real Modbus and IEC 61850 servers."""
    if station is not None:
        from launcher.plant_station import write_station_of

        others = write_station_of(config, station)[1:]
        print(f"{station}: a station that reads the plant of {config}")
        print(f"beside it: {', '.join(path.name for path in others)}; docs/engineer.md enrols it")
        raise typer.Exit(0)
    from launcher.tiers import run_simulator

    raise typer.Exit(run_simulator(config))


@app.command()
def simulate_exchange(
    config: ConfigFile,
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep token, port, journal and file drop here, whatever the file says."),
    ] = None,
) -> None:
    """Run the test exchange: bids in the markets' formats, cleared at recorded prices."""
    from launcher.tiers import run_exchange

    raise typer.Exit(run_exchange(config, folder))


@app.command()
def commission(
    out: Annotated[Path, typer.Option(help="The recordings to write (Parquet).")],
    cell: Annotated[
        Path | None, typer.Option(help="Description of a virtual cell; the demo's own if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same number gives the same recordings.")] = 1,
) -> None:
    """Record a commissioning test of the virtual plant's cell, to identify its make from."""
    from launcher.commission import run_commission
    from launcher.paths import DATA

    raise typer.Exit(run_commission(cell or DATA / "battery" / "lfp-280ah.toml", out, seed))


@app.command()
def station(
    config: ConfigFile,
    *,
    enrol: Annotated[
        bool, typer.Option("--enrol", help="Enrol with the cloud by a one-time token, then end.")
    ] = False,
    token_file: Annotated[
        Path | None, typer.Option(help="The file that holds the one-time token.")
    ] = None,
) -> None:
    """Run the edge controller of one site."""
    from launcher.tiers import run_station

    raise typer.Exit(run_station(config, enrol=enrol, token_file=token_file))


@app.command()
def on_site(
    config: ConfigFile,
    *,
    reset: Annotated[
        str | None, typer.Option(help="Device whose latched trip is reset, or station.")
    ] = None,
    schedule: Annotated[Path | None, typer.Option(help="A day's powers (JSON).")] = None,
) -> None:
    """Ask the station that runs with this configuration; without an option, what it holds."""
    from launcher.tiers import ask_on_site

    raise typer.Exit(ask_on_site(config, reset=reset, schedule=schedule))


@app.command()
def cloud(config: ConfigFile) -> None:
    """Run the cloud: database, ingest, history, console."""
    from launcher.tiers import run_cloud

    raise typer.Exit(run_cloud(config))


@app.command()
def doctor() -> None:
    """Say what is missing on this machine and how to get it."""
    from launcher.doctor import run_doctor

    raise typer.Exit(run_doctor())


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; 'list' names them.")],
    json: Annotated[Path | None, typer.Option(help="Also write the rows to this file.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="acquisition: so long for the whole plant, instead of 600."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="acquisition: this part alone: modbus, iec61850 or plant."),
    ] = None,
) -> None:
    """Measure, and print the figures beside their targets and peers.

    Most take a minute or two; acquisition takes 13, or 3 more than --seconds says.
    """
    from launcher.bench import run_bench

    raise typer.Exit(run_bench(name, json, seconds, only))


@app.command()
def identify(  # noqa: PLR0917 - Typer names every option
    data: Annotated[Path, typer.Option(help="Recordings of a commissioning test (Parquet).")],
    out: Annotated[Path, typer.Option(help="The parameter file to write (TOML).")],
    make: Annotated[str, typer.Option(help="What the type plate says.")],
    cell: Annotated[str | None, typer.Option(help="Only this cell of the file.")] = None,
    chemistry: Annotated[
        Literal["LFP", "NMC", "NCA"], typer.Option(help="Of the positive electrode.")
    ] = "LFP",
    source: Annotated[
        str, typer.Option(help="Where the recordings come from; kept in the file.")
    ] = "commissioning test",
    ocv_from: Annotated[
        Path | None,
        typer.Option(help="Open-circuit voltage of this file (TOML, CSV) if no test was slow."),
    ] = None,
    capacity_ah: Annotated[
        float | None, typer.Option(min=0.01, help="Of SOC, if the file has no column q_ref_ah.")
    ] = None,
) -> None:
    """Find the parameters of a make of cell from a commissioning test."""
    from launcher.lab import run_identify

    raise typer.Exit(
        run_identify(
            data,
            cell,
            out,
            make=make,
            chemistry=chemistry,
            source=source,
            ocv_from=ocv_from,
            capacity_ah=capacity_ah,
        )
    )


@evaluate.command("soc")
def evaluate_soc(
    data: Annotated[Path, typer.Option(help="Recordings with the SOC that a bench counted.")],
    cell_params: Annotated[
        str, typer.Option(help="A parameter file, or auto: the house's own, by the cell's name.")
    ] = "auto",
    disturb: Annotated[
        str,
        typer.Option(help="default: a set; one name of it; or KEY=NUMBER,... (docs/estimators.md)"),
    ] = "default",
    json: Annotated[Path | None, typer.Option(help="Also write the rows to this file.")] = None,
    *,
    hold_out: Annotated[
        bool,
        typer.Option("--hold-out", help="Identify the make without a temperature, then try there."),
    ] = False,
    without: Annotated[
        str, typer.Option(help="With --hold-out: profiles that are not identified from, A,B,...")
    ] = "",
    chemistry: Annotated[
        Literal["LFP", "NMC", "NCA"], typer.Option(help="With --hold-out: of the electrode.")
    ] = "LFP",
    ocv_from: Annotated[Path | None, typer.Option(help="With --hold-out: as for identify.")] = None,
) -> None:
    """Try the SOC estimator on recordings, beside coulomb counting and a plain Kalman filter."""
    from launcher.lab import HoldOut, run_evaluate_soc

    if hold_out and cell_params != "auto":
        raise typer.BadParameter("--hold-out identifies the make: leave --cell-params away")
    if not hold_out and (without or ocv_from):
        raise typer.BadParameter("--without and --ocv-from go with --hold-out only")
    kept_out = tuple(part.strip() for part in without.split(",") if part.strip())
    wanted = HoldOut(chemistry, ocv_from, kept_out) if hold_out else None
    raise typer.Exit(run_evaluate_soc(data, cell_params, disturb, json, wanted))


@evaluate.command("soh")
def evaluate_soh(
    data: Annotated[Path, typer.Option(help="Whole lives of cells: ends of charges, capacity.")],
    models: Annotated[
        Path | None, typer.Option(help="The folder of the models; the house's own without it.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the rows to this file.")] = None,
) -> None:
    """Try the SOH models on cells, beside simpler models and the best that was published."""
    from launcher.soh import MODELS, run_evaluate_soh

    raise typer.Exit(run_evaluate_soh(data, models or MODELS, json))


@evaluate.command("anomaly")
def evaluate_anomaly(  # noqa: PLR0917 - Typer names every option
    data: Annotated[
        list[Path] | None, typer.Option(help="More recordings of cells; may be given repeatedly.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="The detector's folder; the house's own without it.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the rows to this file.")] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Of each fault and size; 0 watches healthy racks alone.")
    ] = 2,
    healthy_hours: Annotated[
        float, typer.Option(min=1, help="Rack-hours of healthy racks watched for false alarms.")
    ] = 730.0,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder of what healthy racks have shown; a count goes on from there."),
    ] = None,
) -> None:
    """Put faults into racks made of recorded and of simulated cells, and see what is found."""
    from launcher.anomaly import DETECTOR, run_evaluate_anomaly

    raise typer.Exit(
        run_evaluate_anomaly(
            data or [],
            models or DETECTOR,
            json,
            trials=trials,
            healthy_hours=healthy_hours,
            keep=keep,
        )
    )


@train.command("anomaly")
def train_anomaly(
    out: Annotated[Path, typer.Option(help="The folder for the detector and its card.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Recordings of cells; may be given repeatedly.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same detector.")] = 1,
) -> None:
    """Train the anomaly detector on healthy racks; an interrupted run goes on where it stopped."""
    from launcher.anomaly import run_train_anomaly

    raise typer.Exit(run_train_anomaly(data or [], out, seed))


@evaluate.command("life")
def evaluate_life(
    data: Annotated[
        Path, typer.Option(help="Whole lives (Parquet), or discharges of cycles 2 to 100 (NPZ).")
    ],
    models: Annotated[
        Path | None, typer.Option(help="The folder of the models; the house's own without it.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the rows to this file.")] = None,
) -> None:
    """Try the models of remaining and early life on cells, beside simpler and published ones."""
    from launcher.life import MODELS, run_evaluate_life

    raise typer.Exit(run_evaluate_life(data, models or MODELS, json))


@train.command("life")
def train_life(
    data: Annotated[Path, typer.Option(help="The folder with a file for each set.")],
    out: Annotated[Path, typer.Option(help="The folder for models and model card.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same models.")] = 1,
) -> None:
    """Train the models of remaining and early life and measure them on cells not seen."""
    from launcher.life import run_train_life

    raise typer.Exit(run_train_life(data, out, seed))


@train.command("soh")
def train_soh(
    data: Annotated[Path, typer.Option(help="The folder with a Parquet file for each set.")],
    out: Annotated[Path, typer.Option(help="The folder for models, baselines and model card.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same models.")] = 1,
) -> None:
    """Train the SOH models and measure them on whole cells that they had not seen."""
    from launcher.soh import run_train_soh

    raise typer.Exit(run_train_soh(data, out, seed))


@train.command("network")
def train_network(
    *,
    data: Annotated[Path, typer.Option(help="The folder of recordings (Parquet files).")],
    out: Annotated[Path, typer.Option(help="The folder for network, checkpoint and model card.")],
    splits: Annotated[
        Path | None, typer.Option(help="What is held out; the house's own without it.")
    ] = None,
    fold: Annotated[str, typer.Option(help="Which fold of the splits.")] = "all",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the training.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same network.")] = 1,
    made: Annotated[int, typer.Option(min=0, help="Series of made cells.")] = 1500,
    variants: Annotated[
        int, typer.Option(min=1, help="Series of each 2000 s that a recording lasts.")
    ] = 10,
    plain: Annotated[
        bool, typer.Option("--plain", help="The plain GRU that others are compared with.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in the folder.")
    ] = False,
) -> None:
    """Train the SOC network and try it on temperatures and cycles that it never saw."""
    from launcher.network import Wishes, run_train_network

    wishes = Wishes(fold, steps, seed, made, variants, plain)
    raise typer.Exit(run_train_network(data, out, splits, wishes, resume=resume))


@train.command("trust")
def train_trust(
    *,
    data: Annotated[Path, typer.Option(help="The folder of recordings (Parquet files).")],
    networks: Annotated[
        Path | None, typer.Option(help="The folder of all folds; the house's own without it.")
    ] = None,
) -> None:
    """Find how far the SOC networks may be trusted; writes it into their files and cards."""
    from launcher.network import NETWORKS, run_train_trust

    raise typer.Exit(run_train_trust(data, networks or NETWORKS))


@app.command("test")
def run_tests(
    *,
    long: Annotated[
        bool, typer.Option("--long", help="Also the long campaigns: many kills, many hours.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(help="Only the tests under this path, and no linters.")
    ] = None,
) -> None:
    """Lint, type-check, check the rules of the house, and run every test."""
    from launcher.checks import run_checks

    raise typer.Exit(run_checks(long=long, only=only))


def main() -> None:
    """Run the command line; every error is one sentence.

    The status is 2 for wrong arguments and configuration, 1 for what fails at work.
    """
    from launcher.errors import LauncherError

    try:
        sys.exit(app(prog_name="./stationmaster", standalone_mode=False))
    except LauncherError as error:
        for fault in str(error).splitlines():
            print(f"stationmaster: {fault}", file=sys.stderr)
        sys.exit(error.status)
    except _USAGE_ERROR as error:
        if message := error.format_message():  # none where help has been shown instead
            command = error.ctx.command_path if error.ctx else "./stationmaster"
            said = f"{message[:1].lower()}{message[1:].rstrip('.')}"
            print(f"stationmaster: {said}; see {command} --help", file=sys.stderr)
        sys.exit(error.exit_code)
