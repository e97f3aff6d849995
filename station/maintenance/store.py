"""Where a station keeps its models, and what it remembers of their life.

    models/active.json      the life: which model is in force, which on trial, how it does
    models/<sha256>/        an unpacked package, whole or not there at all
    models/<sha256>.part    what has arrived so far of one that is on its way

Every file is checked against its package before a model is used. All functions block.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from contract.errors import PackageError
from contract.model_order import ModelOrder
from contract.model_package import check_files, is_sha256, unpack
from station.maintenance.drift import Drift
from station.maintenance.errors import ModelError, NoRoom, PackageRefused
from station.maintenance.judge import Trial
from station.maintenance.life import SHIPPED, Life, Model, Stage

log = logging.getLogger(__name__)

_LIFE_FILE = "active.json"
_FORM = 1
_SPARE_BYTES = 64 << 20
"""The disk keeps so much for telemetry, which matters more."""


class ModelStore:
    """The folder of one station's models."""

    def __init__(self, folder: Path, shipped: Path, quota_bytes: int) -> None:
        """Keep packages in `folder`; `shipped` is the bundle that the configuration names."""
        self._folder = folder
        self._shipped = shipped
        self._quota_bytes = quota_bytes

    def folder_of(self, model: Model) -> Path:
        """Where a model's bundle lies."""
        return self._shipped if model.package == SHIPPED else self._folder / model.package

    def recall(self) -> Life:
        """Return the life as it was; a model whose files are not whole any more is not used.

        Raises:
            ModelError: the model that was shipped is not whole itself.
        """
        shipped = self.shipped()
        life = self._read(shipped)
        life = replace(
            life,
            active=shipped if life.active.package == SHIPPED else life.active,
            before=shipped if life.before and life.before.package == SHIPPED else life.before,
        )
        if life.shadow is not None and not self._is_whole(life.shadow):
            life = replace(life, shadow=None, stage=Stage.ROLLED_BACK, reason="model_invalid")
        if life.before is not None and not self._is_whole(life.before):
            life = replace(life, before=None)
        if not self._is_whole(life.active):
            life = Life(life.before or shipped, stage=Stage.ROLLED_BACK, reason="model_invalid")
        if life.stage is Stage.PROMOTED and life.before is None:
            life = replace(life, stage=Stage.NONE, order_id="")
        return life

    def keep(self, life: Life) -> None:
        """Write the life in the place of the last one; a reader sees the one or the other.

        Raises:
            ModelError: the disk does not take it; what was there is still there.
        """
        text = json.dumps({"form": _FORM, **asdict(life)}, ensure_ascii=False, indent=1)
        staging = self._folder / f"{_LIFE_FILE}.new"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(staging, text.encode())
            staging.replace(self._folder / _LIFE_FILE)
            _sync_folder(self._folder)
        except OSError as error:
            raise ModelError(
                f"{self._folder / _LIFE_FILE} cannot be written: {error.strerror}; free disk space"
            ) from error

    def shipped(self) -> Model:
        """Return the model of the configuration.

        Raises:
            ModelError: its files are not whole.
        """
        try:
            manifest = check_files(_files_of(self._shipped))
        except (PackageError, OSError) as error:
            raise ModelError(
                f"the model in {self._shipped} cannot be used: {error}; install it again"
            ) from error
        return Model(SHIPPED, manifest.name, manifest.version)

    def has(self, package: str) -> bool:
        """Whether a package is here, whole."""
        model = Model(package, "", 0)
        return self.folder_of(model).is_dir() and self._is_whole(model)

    def arrived(self, package: str) -> int:
        """How many bytes of a package on its way are here."""
        try:
            return self._part(package).stat().st_size
        except OSError:
            return 0

    def add(self, package: str, chunk: bytes) -> None:
        """Keep the next bytes of a package on its way.

        Raises:
            NoRoom: the disk is full.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._part(package).open("ab") as stream:
                stream.write(chunk)
        except OSError as error:
            raise NoRoom(f"{self._part(package)} cannot be written: {error.strerror}") from error

    def forget_part(self, package: str) -> None:
        """Let go what has arrived of a package."""
        self._part(package).unlink(missing_ok=True)

    def unpack(self, asked: ModelOrder) -> None:
        """Check the package that has arrived against its order, and put its bundle in place.

        Raises:
            PackageRefused: it is not what the order named; what had arrived is gone.
            NoRoom: the disk is full.
        """
        part = self._part(asked.package)
        try:
            blob = part.read_bytes()
        except OSError as error:
            raise PackageRefused(f"{part} cannot be read: {error.strerror}") from error
        try:
            package = unpack(blob)
        except PackageError as error:
            raise PackageRefused(str(error)) from error
        finally:
            part.unlink(missing_ok=True)
        found = package.manifest
        if package.sha256 != asked.package:
            raise PackageRefused(f"the package that came is {package.sha256}, not {asked.package}")
        if (found.name, found.version) != (asked.name, asked.version):
            raise PackageRefused(
                f"the package is {found.name} v{found.version}; the order named {asked.title}"
            )
        self._put(asked.package, package.files)

    def make_room(self, package: str, size: int, kept: frozenset[str]) -> None:
        """Let old packages go, oldest first, until this one fits; and what never became whole.

        Args:
            package: that is to come; what has arrived of it stays.
            size: its bytes.
            kept: packages that stay.

        Raises:
            NoRoom: it does not fit beside those that stay, or the disk is full.
        """
        self._sweep(package)
        old = sorted(self._packages() - kept, key=lambda name: _age(self._folder / name))
        taken = {name: _size(self._folder / name) for name in self._packages()}
        while old and sum(taken.values()) + size > self._quota_bytes:
            name = old.pop(0)
            log.info("event=model_dropped package=%s", name)
            shutil.rmtree(self._folder / name, ignore_errors=True)
            del taken[name]
        if sum(taken.values()) + size > self._quota_bytes:
            raise NoRoom(
                f"{size} bytes do not fit beside {sum(taken.values())} in use; "
                f"models.quota_mb allows {self._quota_bytes >> 20} MB"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free < 2 * size + _SPARE_BYTES:
            raise NoRoom(
                f"the disk has {free >> 20} MB left; "
                f"models leave {_SPARE_BYTES >> 20} MB for telemetry"
            )

    def _sweep(self, package: str) -> None:
        """Remove pieces and half-written bundles of packages that nobody waits for any more."""
        if not self._folder.is_dir():
            return
        for entry in self._folder.iterdir():
            if entry.suffix == ".part" and entry != self._part(package):
                entry.unlink(missing_ok=True)
            elif entry.suffix == ".new" and entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)

    def _put(self, package: str, files: Mapping[str, bytes]) -> None:
        """Write a bundle beside, and give it its name when it is whole and on the disk."""
        staging = self._folder / f"{package}.new"
        try:
            shutil.rmtree(staging, ignore_errors=True)
            for path, content in files.items():
                file = staging / path
                file.parent.mkdir(parents=True, exist_ok=True)
                _write(file, content)
            for folder in {(staging / path).parent for path in files}:
                _sync_folder(folder)
            shutil.rmtree(self._folder / package, ignore_errors=True)
            staging.rename(self._folder / package)
            _sync_folder(self._folder)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise NoRoom(f"{staging} cannot be written: {error.strerror}") from error

    def _read(self, shipped: Model) -> Life:
        file = self._folder / _LIFE_FILE
        try:
            return _life(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return Life(shipped)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("event=models_forgotten file=%s reason=%r", file, str(error))  # noqa: TRY400 - the text says it
            return Life(shipped)

    def _is_whole(self, model: Model) -> bool:
        folder = self.folder_of(model)
        try:
            check_files(_files_of(folder))
        except (PackageError, OSError) as error:
            log.error("event=model_not_whole folder=%s reason=%r", folder, str(error))  # noqa: TRY400 - as above
            return False
        return True

    def _packages(self) -> frozenset[str]:
        if not self._folder.is_dir():
            return frozenset()
        return frozenset(p.name for p in self._folder.iterdir() if is_sha256(p.name))

    def _part(self, package: str) -> Path:
        return self._folder / f"{package}.part"


def _life(found: dict[str, Any]) -> Life:
    if found.pop("form") != _FORM:
        msg = "it was written by another version"
        raise ValueError(msg)
    active = _model(found.pop("active"))
    if active is None:
        msg = "no model is in force"
        raise ValueError(msg)
    return Life(
        active=active,
        before=_model(found.pop("before")),
        shadow=_model(found.pop("shadow")),
        stage=Stage(found.pop("stage")),
        trial=Trial(**found.pop("trial")),
        drift=Drift(**found.pop("drift")),
        **found,
    )


def _model(found: dict[str, Any] | None) -> Model | None:
    if found is None:
        return None
    model = Model(**found)
    if model.package != SHIPPED and not is_sha256(model.package):
        msg = f"{model.package!r:.80} names no package"
        raise ValueError(msg)
    return model


def _files_of(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in _walk(folder)
        if "__pycache__" not in file.parts
    }


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in _walk(folder))


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
