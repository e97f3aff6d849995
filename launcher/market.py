"""`./stationmaster market ...`: prices, forecasts and back-tests from the shell."""

from pathlib import Path
from typing import Annotated, Literal

import typer

market = typer.Typer(
    name="market",
    help="Prices, forecasts and back-tests of the market desk.",
    no_args_is_help=True,
)

CloudConfigFile = Annotated[Path, typer.Argument(help="The cloud's configuration file (TOML).")]


@market.command("import-prices")
def import_prices(
    config: CloudConfigFile,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet.")],
    *,
    series: Annotated[str, typer.Option(help="Id of the series, e.g. de-lu.day_ahead.")],
    kind: Annotated[str, typer.Option(help="e.g. price.day_ahead, price.real_time, load, wind.")],
    unit: Annotated[str, typer.Option(help="Of the series: EUR/MWh, CNY/MW, MW, degC.")],
    zone: Annotated[str, typer.Option(help="Bidding zone or node, in the market's words.")],
    timezone: Annotated[str, typer.Option(help="The market's local time, e.g. Asia/Shanghai.")],
    step: Annotated[int, typer.Option(min=1, max=1_440, help="Minutes an interval.")],
    columns: Annotated[
        str,
        typer.Option(
            help="time=NAME,value=NAME and known=NAME, joined by commas, as far as needed."
        ),
    ] = "value=value",
    published: Annotated[
        str,
        typer.Option(
            help="When values become known, without a column of it: 'day-1 12:45', 'after 15', "
            "'import'."
        ),
    ] = "import",
    file_unit: Annotated[
        str | None, typer.Option(help="Unit of the file, if another one, e.g. EUR/kWh.")
    ] = None,
    file_timezone: Annotated[
        str, typer.Option(help="Of times that name no zone; local times may change their clock.")
    ] = "UTC",
    label: Annotated[
        Literal["start", "end"], typer.Option(help="What a time is of its interval.")
    ] = "start",
    time_format: Annotated[
        str | None, typer.Option(help="Of times that are not ISO 8601, e.g. '%d.%m.%Y %H:%M'.")
    ] = None,
    delimiter: Annotated[str, typer.Option(help="Between columns of a CSV file.")] = ",",
    decimal: Annotated[str, typer.Option(help="Decimal point of a CSV file.")] = ".",
    accept: Annotated[
        list[str] | None,
        typer.Option(help="Import despite this finding: unit, negative or absurd; repeatable."),
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report here.")] = None,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="It tells what is expected, not what was.")
    ] = False,
) -> None:
    """Check a file of prices, load or weather and store it whole, or say why not."""
    from launcher.prices import PricesWish, run_import_prices

    wish = PricesWish(
        series=series,
        kind=kind,
        unit=unit,
        zone=zone,
        timezone=timezone,
        step=step,
        columns=columns,
        published=published,
        forecast=forecast,
        file_unit=file_unit,
        file_timezone=file_timezone,
        label=label,
        time_format=time_format,
        delimiter=delimiter,
        decimal=decimal,
        accept=tuple(accept or ()),
    )
    raise typer.Exit(run_import_prices(config, file, wish, json_out))


@market.command("forecast-eval")
def forecast_eval(
    *,
    prices: Annotated[Path, typer.Option(help="Parquet file with a column of UTC times.")],
    columns: Annotated[
        str,
        typer.Option(
            help="price=COLUMN, then any of forecast=COLUMN (known at gate closure) and "
            "settled=COLUMN (known two days later), joined by commas."
        ),
    ],
    train_until: Annotated[str, typer.Option(help="Last day trained on before the rolling run.")],
    from_day: Annotated[str, typer.Option("--from", help="First day that counts, YYYY-MM-DD.")],
    to_day: Annotated[str, typer.Option("--to", help="Last day that counts, YYYY-MM-DD.")],
    json: Annotated[Path, typer.Option(help="The rows are written to this file.")],
    reference: Annotated[
        Path | None, typer.Option(help="Published forecasts to show beside (Parquet).")
    ] = None,
    zone: Annotated[str, typer.Option(help="IANA zone in whose days the market trades.")] = "UTC",
    members: Annotated[
        str, typer.Option(help="all, quick (naive and LEAR), or names separated by commas.")
    ] = "all",
    allow_short: Annotated[
        bool, typer.Option("--allow-short", help="Train on less than three years; flagged.")
    ] = False,
) -> None:
    """Forecast day after day from what was known before, and score it; goes on where it stopped."""
    from launcher.market_forecast import Wishes, run_forecast_eval

    wishes = Wishes(prices, columns, zone, train_until, from_day, to_day, members, allow_short)
    raise typer.Exit(run_forecast_eval(wishes, json, reference))


@market.command()
def retrain(
    config: CloudConfigFile,
    *,
    station: Annotated[
        str | None, typer.Option(help="Id; needed where several are configured.")
    ] = None,
    market_id: Annotated[
        str | None, typer.Option("--market", help="Id of its profile; needed as --station.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="Series of the price that is bid at, real time as a rule.")
    ] = None,
    day_ahead: Annotated[str | None, typer.Option(help="Series of the day-ahead price.")] = None,
    unseen_weeks: Annotated[int | None, typer.Option(help="Last weeks, kept for the gate.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps that each seed practises.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Policies trained and averaged.")] = None,
    allow_short: Annotated[
        bool, typer.Option("--allow-short", help="Train on less than three years; flagged.")
    ] = False,
    look: Annotated[bool, typer.Option("--look", hidden=True)] = False,
) -> None:
    """Learn a bidding policy anew from the stored prices of a running cloud, and judge it."""
    from launcher.market_retrain import RetrainWish, run_retrain

    short = True if allow_short else None
    wish = RetrainWish(station, market_id, price, day_ahead, unseen_weeks, steps, seeds, short)
    raise typer.Exit(run_retrain(config, wish, look=look))


@market.command()
def backtest(
    *,
    prices: Annotated[
        list[Path],
        typer.Option(help="Parquet with UTC times; given twice: by quarter hour, and by hour."),
    ],
    columns: Annotated[
        str,
        typer.Option(
            help="rt=COLUMN, with da=COLUMN and load=COLUMN if there are; joined by commas."
        ),
    ],
    battery: Annotated[Path, typer.Option(help="Description of the battery (TOML).")],
    market: Annotated[str, typer.Option(help="The market's rules: an id, or a TOML file.")],
    train_until: Annotated[str, typer.Option(help="Last day that is trained on, YYYY-MM-DD.")],
    from_day: Annotated[str, typer.Option("--from", help="First day tested, YYYY-MM-DD.")],
    to_day: Annotated[str, typer.Option("--to", help="Last day tested, YYYY-MM-DD.")],
    json: Annotated[Path, typer.Option(help="The rows; a run that was cut goes on from them.")],
    strategies: Annotated[
        str, typer.Option(help="all, or names separated by commas; a wrong one names them.")
    ] = "all",
    day_ahead_known: Annotated[
        str | None,
        typer.Option(help="Local time the day before at which day-ahead prices are published."),
    ] = None,
    cvar_cap: Annotated[
        float, typer.Option(min=0.0, help="Most CVaR95 of a day-ahead position, per MW and day.")
    ] = 40.0,
    policy: Annotated[
        Path | None, typer.Option(help="Folder of the learnt policy; JSON-policy without it.")
    ] = None,
    policy_steps: Annotated[
        int, typer.Option(min=1, help="Steps that each seed practises.")
    ] = 4_000_000,
    policy_seeds: Annotated[int, typer.Option(min=1, help="Policies trained and averaged.")] = 2,
    policy_as_is: Annotated[
        bool, typer.Option("--policy-as-is", help="Take the folder's policy; train nothing.")
    ] = False,
    shock: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Shake prices: 0.3 is by up to 30 %.")
    ] = 0.0,
    spoilt: Annotated[
        bool, typer.Option("--spoilt", help="Inputs go missing, come late, or are absurd.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of --shock and --spoilt.")] = 1,
    naive_utc: Annotated[
        bool, typer.Option("--naive-utc", help="Times that name no zone are UTC.")
    ] = False,
) -> None:
    """Let strategies bid on recorded prices, each told only what was known."""
    from launcher.market_backtest import Wishes, run_market_backtest

    wishes = Wishes(
        tuple(prices),
        columns,
        battery,
        market,
        train_until,
        from_day,
        to_day,
        strategies,
        day_ahead_known,
        cvar_cap,
        policy,
        policy_steps,
        policy_seeds,
        policy_as_is,
        shock,
        spoilt,
        seed,
        naive_utc,
    )
    raise typer.Exit(run_market_backtest(wishes, json))


@market.command()
def competitors(
    *,
    prices: Annotated[list[Path], typer.Option(help="Parquet file with a column of UTC times.")],
    columns: Annotated[str, typer.Option(help="rt=COLUMN")],
    battery: Annotated[
        list[Path], typer.Option(help="Description of a battery (TOML); given once for each.")
    ],
    market: Annotated[str, typer.Option(help="The market's rules: an id, or a TOML file.")],
    day: Annotated[str, typer.Option(help="The day they meet on, YYYY-MM-DD.")],
    fall: Annotated[
        float, typer.Option(min=0.0, help="The price falls so much for each MW sold together.")
    ],
    json: Annotated[Path, typer.Option(help="Prices, schedules and earnings.")],
    naive_utc: Annotated[
        bool, typer.Option("--naive-utc", help="Times that name no zone are UTC.")
    ] = False,
) -> None:
    """Let batteries that move a day's price answer one another until none gains."""
    from launcher.market_competitors import Wishes, run_competitors

    wishes = Wishes(tuple(prices), columns, tuple(battery), market, day, fall, naive_utc)
    raise typer.Exit(run_competitors(wishes, json))
