"""Model packages for tests: small, whole, and different by their version."""

import hashlib

from contract.model_package import Manifest, digests_of, pack, write_manifest

NAME = "lfp-280ah"
FILES = {"cell.toml": b"capacity_ah = 280.0\n", "card.md": b"# LFP 280 Ah\n"}


def files(version: int = 1, name: str = NAME, **more: bytes) -> dict[str, bytes]:
    """The files of a bundle; `more` are added to those that every bundle has."""
    content = FILES | more
    note = f"version {version}"
    manifest = Manifest(name, version, "LFP 280 Ah", "2026-11-26", note, digests_of(content))
    return content | {"bundle.toml": write_manifest(manifest)}


def package(version: int = 1, **more: bytes) -> bytes:
    """The package of a bundle."""
    return pack(files(version, **more))


def sha256(blob: bytes) -> str:
    """The name of a package."""
    return hashlib.sha256(blob).hexdigest()
