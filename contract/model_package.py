"""A model package: what a station's estimators need for one make of cell, as one file.

The content is a bundle: `bundle.toml` says name, version, make of cell and the SHA-256 of every
other file; `cell.toml` holds the parameters of the cell, `card.md` says what the model was made
from and where it is weak; networks lie in folders beside them. One content has exactly one
package (a ZIP whose files are stored, sorted and undated), so that the SHA-256 of the package is
the name by which people approve it and orders call for it. Whatever differs from the one form by
a single byte is refused: nothing can hide in a package.
"""

import hashlib
import io
import re
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from contract.errors import PackageError

MANIFEST = "bundle.toml"
CELL = "cell.toml"
CARD = "card.md"
REQUIRED = (CELL, CARD)

MAX_PACKAGE_BYTES = 32 << 20
MAX_FILES = 64
MAX_CARD_BYTES = 64 << 10
MAX_VERSION = 1_000_000
_MAX_MANIFEST_BYTES = 64 << 10
_MAX_TEXT = 200
_MAX_PATH = 120
_MAX_DEPTH = 4

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,46}[a-z0-9])?")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNDATED = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3


@dataclass(frozen=True)
class Manifest:
    """What `bundle.toml` says.

    Attributes:
        name: of the line of models, such as "lfp-280ah"; lower case.
        version: counts up within the name.
        make: make of cell, as its type plate says.
        created: day of its making, YYYY-MM-DD.
        note: what is new in it, one line.
        sha256: hex digest of every other file, by path.
    """

    name: str
    version: int
    make: str
    created: str
    note: str
    sha256: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse what no station should have to meet."""
        _check_manifest(self)


@dataclass(frozen=True)
class Package:
    """A package that has been checked whole.

    Attributes:
        manifest: of its content.
        files: content by path, `bundle.toml` among them.
        sha256: hex digest of the package itself: its identity.
        size: of the package, bytes.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str
    size: int

    @property
    def card(self) -> str:
        """The model card: what it was made from, how well it does, where it is weak."""
        return self.files[CARD].decode()


def read_manifest(text: bytes) -> Manifest:
    """Read a `bundle.toml`.

    Raises:
        PackageError: naming the key that is wrong.
    """
    if len(text) > _MAX_MANIFEST_BYTES:
        msg = f"{MANIFEST} has {len(text)} bytes; at most {_MAX_MANIFEST_BYTES} are taken"
        raise PackageError(msg)
    try:
        found = tomllib.loads(text.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        msg = f"{MANIFEST} is no TOML: {error}"
        raise PackageError(msg) from error
    names = set(Manifest.__dataclass_fields__)
    if set(found) != names:
        missing, extra = sorted(names - set(found)), sorted(set(found) - names)
        msg = f"{MANIFEST} has the keys {sorted(names)}; missing {missing}, unknown {extra}"
        raise PackageError(msg)
    return Manifest(**found)


def write_manifest(manifest: Manifest) -> bytes:
    """Return the text of a `bundle.toml`, which `read_manifest` reads back."""
    lines = [
        f"name = {_quoted(manifest.name)}",
        f"version = {manifest.version}",
        f"make = {_quoted(manifest.make)}",
        f"created = {_quoted(manifest.created)}",
        f"note = {_quoted(manifest.note)}",
        "",
        "[sha256]",
        *(
            f"{_quoted(path)} = {_quoted(manifest.sha256[path])}"
            for path in sorted(manifest.sha256)
        ),
    ]
    return ("\n".join(lines) + "\n").encode()


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of every file but `bundle.toml`, in hex, by path."""
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if path != MANIFEST
    }


def check_files(files: Mapping[str, bytes]) -> Manifest:
    """Return the manifest of a bundle's files, given by path, after checking all of them.

    Raises:
        PackageError: a file is missing, added or altered; the text names it.
    """
    if MANIFEST not in files:
        msg = f"there is no {MANIFEST}; write one with `./stationmaster models seal FOLDER ...`"
        raise PackageError(msg)
    manifest = read_manifest(files[MANIFEST])
    found = digests_of(files)
    if set(found) != set(manifest.sha256):
        missing = sorted(set(manifest.sha256) - set(found))
        extra = sorted(set(found) - set(manifest.sha256))
        msg = f"the files are not those of {MANIFEST}: missing {missing}, not named there {extra}"
        raise PackageError(msg)
    altered = sorted(path for path, digest in found.items() if digest != manifest.sha256[path])
    if altered:
        msg = f"{altered[0]} is not the file that {MANIFEST} names: its SHA-256 is another"
        raise PackageError(msg)
    _check_card(files[CARD])
    return manifest


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the one package of these files, given by path.

    Raises:
        PackageError: they are no bundle, or too large.
    """
    check_files(files)
    blob = _zipped(files)
    if len(blob) > MAX_PACKAGE_BYTES:
        raise PackageError(_too_large(len(blob)))
    return blob


def unpack(blob: bytes) -> Package:
    """Return the checked content of a package.

    Raises:
        PackageError: it is no package, holds what a package may not hold, or was altered.
    """
    if len(blob) > MAX_PACKAGE_BYTES:
        raise PackageError(_too_large(len(blob)))
    files = _unzipped(blob)
    manifest = check_files(files)
    if _zipped(files) != blob:
        msg = "the archive holds more than its files or is not in the one form of a package"
        raise PackageError(f"{msg}; make it with `./stationmaster models pack`")
    return Package(manifest, MappingProxyType(files), hashlib.sha256(blob).hexdigest(), len(blob))


def is_sha256(text: object) -> bool:
    """Whether a text can be the name of a package: 64 hex digits in lower case."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def is_model_name(text: object) -> bool:
    """Whether a text can name a line of models."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_version(number: object) -> bool:
    """Whether a number can be the version of a model."""
    return type(number) is int and 1 <= number <= MAX_VERSION


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _UNDATED)
            entry.external_attr = _MODE
            entry.create_system = _UNIX
            archive.writestr(entry, files[path])
    return out.getvalue()


def _unzipped(blob: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(blob))
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        msg = f"this is no model package: {error}"
        raise PackageError(msg) from error


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse before anything is read: names that lead elsewhere, and what would grow."""
    if len(entries) > MAX_FILES:
        msg = f"the package has {len(entries)} files; at most {MAX_FILES} are taken"
        raise PackageError(msg)
    for entry in entries:
        _check_path(entry.filename)
        if entry.compress_type != zipfile.ZIP_STORED:
            msg = f"{entry.filename} is compressed; a package only stores its files"
            raise PackageError(msg)
    if sum(entry.file_size for entry in entries) > size:
        msg = "the files of the package are more than the package: some lie in one another"
        raise PackageError(msg)


def _check_path(path: object) -> None:
    if isinstance(path, str) and len(path) <= _MAX_PATH:
        parts = path.split("/")
        if len(parts) <= _MAX_DEPTH and all(_PART.fullmatch(part) for part in parts):
            return
    msg = (
        f"{path!r:.130} is no path of a package: relative, at most {_MAX_DEPTH} parts of letters, "
        "digits, '.', '_' and '-', none of them beginning with '.' or '-'"
    )
    raise PackageError(msg)


def _check_manifest(manifest: Manifest) -> None:
    if not is_model_name(manifest.name):
        _wrong("name", manifest.name, "lower-case letters, digits, '.' and '-', at most 48")
    if not is_version(manifest.version):
        _wrong("version", manifest.version, f"a whole number 1..{MAX_VERSION}")
    if not isinstance(manifest.created, str) or not _DATE.fullmatch(manifest.created):
        _wrong("created", manifest.created, "a date as text, YYYY-MM-DD")
    _check_line("make", manifest.make, least=1)
    _check_line("note", manifest.note, least=0)
    _check_digests(manifest.sha256)


def _check_line(key: str, text: object, *, least: int) -> None:
    if not isinstance(text, str) or not least <= len(text) <= _MAX_TEXT:
        _wrong(key, text, f"a text of {least}..{_MAX_TEXT} characters")
    elif text and not text.isprintable():
        _wrong(key, text, "one printable line")


def _check_digests(digests: Mapping[str, str]) -> None:
    if not isinstance(digests, Mapping) or len(digests) >= MAX_FILES:
        _wrong("sha256", digests, f"a table of at most {MAX_FILES - 1} files")
    for path, digest in digests.items():
        _check_path(path)
        if not is_sha256(digest):
            _wrong(f"sha256.{path}", digest, "64 hex digits in lower case")
    _check_one_place(digests)
    for path in REQUIRED:
        if path not in digests:
            msg = f"{MANIFEST} names no {path}; every model has one"
            raise PackageError(msg)


def _check_one_place(paths: Mapping[str, str]) -> None:
    """Refuse paths that one folder cannot hold side by side on every file system."""
    if MANIFEST in {path.lower() for path in paths}:
        msg = f"{MANIFEST} cannot name itself"
        raise PackageError(msg)
    lowered = [path.lower() for path in paths]
    folders = {str(parent) for path in lowered for parent in PurePosixPath(path).parents}
    twice = sorted(path for path in lowered if lowered.count(path) > 1 or path in folders)
    if twice:
        msg = f"{twice[0]} is there twice, or is a file and a folder"
        raise PackageError(msg)


def _check_card(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        msg = f"{CARD} is no UTF-8 text: {error}"
        raise PackageError(msg) from error
    if not 1 <= len(text) <= MAX_CARD_BYTES:
        msg = f"{CARD} has {len(text)} bytes; write 1..{MAX_CARD_BYTES}"
        raise PackageError(msg)


def _too_large(size: int) -> str:
    return f"the package has {size:,} bytes; at most {MAX_PACKAGE_BYTES:,} are taken"


def _wrong(key: str, value: object, wanted: str) -> None:
    msg = f"{MANIFEST}: {key} = {value!r:.80} must be {wanted}"
    raise PackageError(msg)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
