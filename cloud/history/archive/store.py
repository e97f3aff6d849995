"""Where archives lie: a folder, or a bucket of an S3-compatible store (pyarrow's file systems).

A version of a station's month is one folder with all its files. In a folder of this machine it is
written aside and appears under its name in one step, when it is whole and on the disk; in a bucket
its manifest is uploaded last. A version without a manifest does not count, and is cleared away.

    station=alpha/year=2026/month=07/20261103T021500Z/pcs.parquet ... MANIFEST.json
"""

import configparser
import datetime as dt
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs as pafs

from cloud.config import ArchiveSection
from cloud.errors import AlteredArchive, ArchiveError
from cloud.private_files import sync_folder

MANIFEST: Final = "MANIFEST.json"
_STAGING: Final = "_unfinished"
_PIECE: Final = 4 << 20
_S3: Final = "s3"
_VERSION: Final = re.compile(r"\d{8}T\d{6}Z(-[0-9a-f]{4})?")
_CONNECT_S: Final = 10.0
_REQUEST_S: Final = 60.0


@dataclass(frozen=True)
class ArchiveStore:
    """One store of archives. All its calls block.

    Attributes:
        url: as people name it.
        root: path of its top within the file system.
        local: whether it is a folder of this machine.
    """

    url: str
    files: Any
    root: str
    local: bool

    def versions(self, station: str, month: dt.date) -> list[str]:
        """Return the versions of a month that have a manifest, oldest first."""
        return [
            version for version, whole in self._versions(place_of(station, month)).items() if whole
        ]

    def months(self, station: str) -> list[dt.date]:
        """Return the months of a station that have an archive."""
        found = set()
        for info in self._list(f"station={station}", deep=True):
            parts = info.path.removeprefix(f"{self.root}/").split("/")
            if parts[-1] == MANIFEST:
                values = dict(part.split("=", 1) for part in parts if "=" in part)
                found.add(dt.date(int(values["year"]), int(values["month"]), 1))
        return sorted(found)

    def begin(self, station: str, month: dt.date, now: dt.datetime) -> "Draft":
        """Begin a version; what was begun before and never finished is cleared away."""
        place = place_of(station, month)
        with self.told("clear", place):
            if self.local:
                self._remove(f"{_STAGING}/{place}")
            for version, whole in self._versions(place).items():
                if not whole:
                    self._remove(f"{place}/{version}")
        version = f"{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
        if version in self._versions(place):
            version += f"-{secrets.token_hex(2)}"
        return Draft(self, place, version)

    @contextmanager
    def open(self, path: str) -> Iterator[Any]:
        """Open a file for reading at any position.

        Raises:
            AlteredArchive: it is not there, and the store has others.
            ArchiveError: it cannot be read, or the whole store is empty, as a disk not mounted is.
        """
        with self.told("read", path):
            try:
                file = self.files.open_input_file(self.at(path))
            except FileNotFoundError as error:
                if self._is_empty():
                    raise
                raise AlteredArchive(
                    f"archive {self.url}/{path}: is missing; put it back from a copy of the store"
                ) from error
            with file:
                yield file

    def read(self, path: str) -> bytes:
        """Return the content of a small file."""
        with self.open(path) as file:
            content: bytes = file.read()
            return content

    def sha256(self, path: str) -> tuple[bytes, int]:
        """Read a whole file; return its hash and its size."""
        digest, size = hashlib.sha256(), 0
        with self.open(path) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        return digest.digest(), size

    def remove(self, station: str, month: dt.date, version: str) -> None:
        """Remove a version."""
        self.remove_folder(f"{place_of(station, month)}/{version}")

    def remove_folder(self, folder: str) -> None:
        """Remove the folder of a version, if it is there."""
        with self.told("remove", folder):
            # Its manifest first, so that no half of it counts.
            if self.files.get_file_info(self.at(f"{folder}/{MANIFEST}")).is_file:
                self.files.delete_file(self.at(f"{folder}/{MANIFEST}"))
            self._remove(folder)

    def _versions(self, place: str) -> dict[str, bool]:
        """Versions of a place, each with whether it has a manifest, oldest first."""
        found: dict[str, bool] = {}
        for info in self._list(place, deep=True):
            version, _, name = info.path.removeprefix(f"{self.at(place)}/").partition("/")
            if _VERSION.fullmatch(version):
                found[version] = found.get(version, False) or name == MANIFEST
        return dict(sorted(found.items()))

    def _list(self, path: str, *, deep: bool) -> list[Any]:
        selector = pafs.FileSelector(self.at(path), allow_not_found=True, recursive=deep)
        with self.told("list", path):
            found: list[Any] = self.files.get_file_info(selector)
            return found

    def _is_empty(self) -> bool:
        top = pafs.FileSelector(self.root, allow_not_found=True, recursive=False)
        return not self.files.get_file_info(top)

    def _remove(self, path: str) -> None:
        if self.files.get_file_info(self.at(path)).type is pafs.FileType.Directory:
            self.files.delete_dir(self.at(path))

    def at(self, path: str) -> str:
        """The path of something in the store, as its file system has it."""
        return f"{self.root}/{path}"

    @contextmanager
    def told(self, act: str, path: str) -> Iterator[None]:
        """Tell a failure of the file system as what it means here."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise ArchiveError(
                f"archive {self.url}: cannot {act} {path} ({error}); check that the store can be "
                "reached and that our account may read, write and delete there"
            ) from error


class Draft:
    """One version under way: files in folder `writing` until it is published as `folder`."""

    def __init__(self, store: ArchiveStore, place: str, version: str) -> None:
        self._store = store
        self.place = place
        self.version = version
        self.folder = f"{place}/{version}"
        self.writing = f"{_STAGING}/{self.folder}" if store.local else self.folder

    @contextmanager
    def create(self, name: str) -> "Iterator[Sink]":
        """Write a file of this version; on return it is stored whole."""
        store, path = self._store, self._store.at(f"{self.writing}/{name}")
        with store.told("write", f"{self.folder}/{name}"):
            if store.local:
                store.files.create_dir(path.rpartition("/")[0], recursive=True)
            stream = store.files.open_output_stream(path, metadata=None)
            with stream:
                yield Sink(stream)
            if store.local:
                _sync_file(Path(path))

    def discard(self) -> None:
        """Remove what was written, published or not."""
        for folder in {self.writing, self.folder}:
            self._store.remove_folder(folder)

    def publish(self, manifest: bytes) -> None:
        """Make the version count: its manifest is written last, and whole."""
        with self.create(MANIFEST) as sink:
            sink.write(manifest)
        store = self._store
        if not store.local:
            return
        source, target = (Path(store.at(path)) for path in (self.writing, self.folder))
        with store.told("publish", self.folder):
            sync_folder(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            for folder in [target.parent, *target.parent.parents]:
                sync_folder(folder)
                if str(folder) == store.root:
                    break


class Sink(io.RawIOBase):
    """A file under way that knows the hash and the size of what was written to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        view = memoryview(data)
        self._stream.write(view)
        self._digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Where the next byte goes."""
        return self.size

    @property
    def sha256(self) -> bytes:
        """Hash of what was written."""
        return self._digest.digest()


def place_of(station: str, month: dt.date) -> str:
    """The folder of all versions of a month."""
    return f"station={station}/year={month.year:04d}/month={month.month:02d}"


def open_store(section: ArchiveSection) -> ArchiveStore:
    """Open the configured store.

    Raises:
        ArchiveError: its credentials cannot be read.
    """
    return open_url(section.url, section)


def open_url(url: str, section: ArchiveSection | None) -> ArchiveStore:
    """Open the store at `url`: a folder, or s3://BUCKET/PREFIX with the settings of `section`.

    Raises:
        ArchiveError: the address is none, or the credentials cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme == _S3:
        root = f"{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
        return ArchiveStore(url, _s3(section), root, local=False)
    if parts.scheme not in ("", "file"):
        raise ArchiveError(f"archive {url}: write a folder or s3://BUCKET/PREFIX")
    root = str(Path(parts.path if parts.scheme else url).absolute())
    return ArchiveStore(url, pafs.LocalFileSystem(), root, local=True)


def _s3(section: ArchiveSection | None) -> Any:
    options: dict[str, Any] = {"connect_timeout": _CONNECT_S, "request_timeout": _REQUEST_S}
    if section is not None:
        if section.endpoint is not None:
            endpoint = urlsplit(section.endpoint)
            options |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
        if section.region is not None:
            options["region"] = section.region
        if section.ca_file is not None:
            options["tls_ca_file_path"] = str(section.ca_file)
        if section.credentials_file is not None:
            options |= _credentials(section.credentials_file)
    try:
        return pafs.S3FileSystem(**options)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ArchiveError(f"the S3 store cannot be opened: {error}") from error


def _credentials(path: Path) -> dict[str, str]:
    """Read a credentials file as the AWS tools write it, section [default]."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        found = parser["default"]
        return {
            "access_key": found["aws_access_key_id"],
            "secret_key": found["aws_secret_access_key"],
        }
    except (OSError, configparser.Error, KeyError) as error:
        raise ArchiveError(
            f"archive.credentials_file {path}: cannot be used ({type(error).__name__}); it needs "
            "a section [default] with aws_access_key_id and aws_secret_access_key"
        ) from error


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
