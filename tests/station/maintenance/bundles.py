"""Packages for tests of the station: small, whole, and different by their version."""

import hashlib
from pathlib import Path

from contract.model_order import ModelAction, ModelOrder
from contract.model_package import Manifest, digests_of, pack, write_manifest

FILES = {"cell.toml": b"capacity_ah = 280.0\n", "card.md": b"# card\n"}


def files(version: int = 1, name: str = "lfp-280ah", **more: bytes) -> dict[str, bytes]:
    content = FILES | more
    manifest = Manifest(name, version, "LFP 280 Ah", "2026-11-26", "", digests_of(content))
    return content | {"bundle.toml": write_manifest(manifest)}


def package(version: int = 1, **more: bytes) -> bytes:
    return pack(files(version, **more))


def order_of(
    blob: bytes, version: int = 1, action: ModelAction = ModelAction.DEPLOY, shadow_s: int = 60
) -> ModelOrder:
    digest = hashlib.sha256(blob).hexdigest()
    return ModelOrder(action, digest, "lfp-280ah", version, len(blob), shadow_s)


def shipped(folder: Path, version: int = 1) -> Path:
    """A bundle as an installation brings it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files(version).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder
