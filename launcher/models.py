"""`./stationmaster models ...`: a bundle becomes a package that can be uploaded, approved, sent."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from launcher.errors import WrongInput
from launcher.lab_errors import check_file

models = typer.Typer(
    name="models",
    help="Make and look into packages of estimator models (docs/models.md).",
    no_args_is_help=True,
)

Bundle = Annotated[Path, typer.Argument(help="Folder with cell.toml, card.md and networks.")]


@models.command()
def seal(
    bundle: Bundle,
    name: Annotated[str, typer.Option(help="Of the line of models, e.g. lfp-280ah.")],
    version: Annotated[int, typer.Option(min=1, help="Higher than that of the model before.")],
    make: Annotated[str, typer.Option(help="Make of cell, as its type plate says.")],
    note: Annotated[str, typer.Option(help="What is new in it.")] = "",
) -> None:
    """Write the bundle.toml that names a model and the SHA-256 of its files."""
    from contract.model_package import MANIFEST, Manifest, digests_of, write_manifest

    parts = "put cell.toml (./stationmaster identify) and card.md into it; docs/models.md"
    with _refusals(bundle, f"{parts} tells more"):
        files = _files_of(bundle)
        today = dt.datetime.now(dt.UTC).date().isoformat()
        made = Manifest(name, version, make, today, note, digests_of(files))
        (bundle / MANIFEST).write_bytes(write_manifest(made))
    print(f"{bundle / MANIFEST}: {name} v{version}, {len(made.sha256)} files")


@models.command()
def pack(
    bundle: Bundle,
    out: Annotated[Path, typer.Option(help="The package to write, e.g. lfp-280ah-2.zip.")],
) -> None:
    """Make the one package of a sealed bundle; its SHA-256 is the model's name everywhere."""
    from contract.model_package import pack as packed
    from contract.model_package import unpack

    check_file(out)
    again = f"./stationmaster models seal {bundle} --name NAME --version N --make MAKE"
    with _refusals(bundle, f"put its files right, seal it anew, and pack it then: {again}"):
        blob = packed(_files_of(bundle))
        out.write_bytes(blob)
    found = unpack(blob)
    print(f"{out}: {found.manifest.name} v{found.manifest.version}, {found.size} bytes")
    print(f"SHA-256 {found.sha256}")


@models.command()
def show(
    package: Annotated[Path, typer.Argument(help="A package.")],
) -> None:
    """Check a package whole and say what is in it."""
    from contract.model_package import unpack

    if package.is_dir():
        made = f"./stationmaster models pack {package} --out {package.name}.zip"
        raise WrongInput(f"{package}: is a folder; its package is made by {made}")
    with _refusals(package, "a package is made by ./stationmaster models pack FOLDER --out FILE"):
        found = unpack(package.read_bytes())
    manifest = found.manifest
    print(f"{manifest.name} v{manifest.version} of {manifest.created} for {manifest.make}")
    print(f"{manifest.note}\n" if manifest.note else "", end="")
    for path, content in sorted(found.files.items()):
        print(f"{len(content):>10}  {path}")
    print(f"SHA-256 {found.sha256}\n\n{found.card}")


@contextmanager
def _refusals(place: Path, remedy: str) -> Iterator[None]:
    """Tell what is wrong with files as one sentence, and what to do unless that is said already."""
    from contract.errors import PackageError

    try:
        yield
    except OSError as error:
        raise WrongInput(f"{error.filename}: {error.strerror}; {remedy}") from error
    except PackageError as error:
        told = "./stationmaster" in str(error)
        raise WrongInput(f"{place}: {error}" if told else f"{place}: {error}; {remedy}") from error


def _files_of(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise WrongInput(
            f"{folder}: is no folder; name the one that holds cell.toml and card.md, or begin with "
            "a copy of data/models/lfp-280ah"
        )
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
