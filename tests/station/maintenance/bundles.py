"""What the store of a station needs beside packages: orders of them, and an installed bundle."""

from pathlib import Path

from contract.model_order import ModelAction, ModelOrder
from tests.model_packages import NAME, files, package, sha256

__all__ = ["files", "order_of", "package", "shipped"]


def order_of(
    blob: bytes, version: int = 1, action: ModelAction = ModelAction.DEPLOY, shadow_s: int = 60
) -> ModelOrder:
    return ModelOrder(action, sha256(blob), NAME, version, len(blob), shadow_s)


def shipped(folder: Path, version: int = 1) -> Path:
    """A bundle as an installation brings it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files(version).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder
