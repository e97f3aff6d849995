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


@history.command()
def backup(
    config: CloudConfigFile,
    to: Annotated[
        Path | None, typer.Option(help="Folder of backups, if not that of the configuration.")
    ] = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="Do not build on the last backup.")] = False,
) -> None:
    """Back up the store of a running cloud: all of it, or what changed since the last time."""
    from launcher.backups import run_backup

    raise typer.Exit(run_backup(config, to, full=full))


@history.command()
def restore(
    backups: Annotated[Path, typer.Argument(help="The folder of backups.")],
    data_dir: Annotated[Path, typer.Argument(help="A new or empty folder; may hold the keys.")],
    at: Annotated[
        str | None, typer.Option(help="Moment to go back to, e.g. 2026-10-03T10:15:00Z.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Folder of the keys, if not DATA_DIR/keys.")
    ] = None,
    from_backup: Annotated[
        str | None, typer.Option("--backup", help="Start from this backup, not the newest.")
    ] = None,
    *,
    no_log: Annotated[
        bool, typer.Option("--no-log", help="To the end of the backup; replay no archived log.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not open every block.")] = False,
    despite_findings: Annotated[
        bool, typer.Option("--despite-findings", help="Keep a store with which something is wrong.")
    ] = False,
) -> None:
    """Restore a store whole and prove it: counts, hashes, every block opened."""
    from launcher.backups import run_restore

    raise typer.Exit(
        run_restore(
            backups,
            data_dir,
            at=at,
            keys=keys,
            backup=from_backup,
            no_log=no_log,
            quick=quick,
            despite_findings=despite_findings,
        )
    )


@history.command()
def verify(
    path: Annotated[
        Path, typer.Argument(help="A folder of backups, or a cloud's configuration file.")
    ],
) -> None:
    """Check every byte of all backups in a folder, or the whole store of a running cloud."""
    from launcher.backups import run_verify

    raise typer.Exit(run_verify(path))


@history.command("rotate-keys")
def rotate_keys(
    config: CloudConfigFile,
    station: Annotated[
        str | None, typer.Option(help="Only this station; every station if left out.")
    ] = None,
    *,
    key_encryption: Annotated[
        bool,
        typer.Option(
            "--key-encryption", help="A new key-encryption key wraps all data keys anew instead."
        ),
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Destroy key-encryption keys that wrap nothing.")
    ] = False,
) -> None:
    """New keys seal what comes; what is stored stays as it is and goes on opening."""
    from launcher.rotate_keys import Wish, run_rotate_keys

    raise typer.Exit(run_rotate_keys(config, Wish(station, key_encryption, retire)))


@history.command()
def archive(
    config: CloudConfigFile,
    station: Annotated[str | None, typer.Option(help="Only this station.")] = None,
    month: Annotated[
        str | None, typer.Option(help="Only this month, e.g. 2026-07; else all that are due.")
    ] = None,
    *,
    verify_only: Annotated[
        bool, typer.Option("--verify", help="Archive nothing; read every byte of what is archived.")
    ] = False,
) -> None:
    """Archive past months of a running cloud as Parquet files, and prove each of them."""
    from launcher.archives import run_archive

    raise typer.Exit(run_archive(config, station, month, verify=verify_only))


@history.command("restore-archive")
def restore_archive(
    config: CloudConfigFile,
    station: Annotated[str, typer.Option(help="The station's id.")],
    month: Annotated[str, typer.Option(help="The month, e.g. 2026-07.")],
    from_url: Annotated[
        str | None,
        typer.Option("--from", help="A folder or s3://BUCKET/PREFIX, if not the configured one."),
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(help="Retention leaves it alone so long, if not as the policy.")
    ] = None,
) -> None:
    """Put an archived month back into the store of a running cloud, and prove it."""
    from launcher.archives import run_restore_archive

    raise typer.Exit(run_restore_archive(config, station, month, from_url, keep_days))


@history.command()
def plan(
    config: CloudConfigFile,
    station: Annotated[
        str | None, typer.Option(help="Only this station, from what is stored of it.")
    ] = None,
    *,
    points: Annotated[
        int | None, typer.Option(min=1, help="Plan a station to come: signals at 1 s.")
    ] = None,
    cells: Annotated[int, typer.Option(min=0, help="Its cells; each V and T at 10 s.")] = 0,
    racks: Annotated[int, typer.Option(min=0, help="Its racks.")] = 0,
    disk_price: Annotated[float | None, typer.Option(help="Of a GB-month on disk.")] = None,
    archive_price: Annotated[
        float | None, typer.Option(help="Of a GB-month in the archive.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Of these prices.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
) -> None:
    """What history takes and costs: bytes a day, after a year and after 15, by class and tier."""
    from launcher.plans import run_plan

    size = None if points is None else (points, cells, racks)
    raise typer.Exit(
        run_plan(config, station, size, (disk_price, archive_price, currency), json=json)
    )
