"""What a model order asks of a station: take a model on trial, put it in force, take it back.

The order names the package by its SHA-256: the station runs exactly the bytes that were approved,
or nothing. A model on trial runs in shadow, beside the one in force, and decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contract.errors import ModelOrderError
from contract.model_package import (
    MAX_PACKAGE_BYTES,
    MAX_VERSION,
    is_model_name,
    is_sha256,
    is_version,
)

MAX_SHADOW_S = 90 * 86_400
USUAL_SHADOW_S = 86_400
"""A day: the cells have been full, empty and at rest, cold and warm."""


class ModelAction(StrEnum):
    """What becomes of the model that the order names."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """A model order's content.

    Attributes:
        action: deploy (fetch it and let it run in shadow), promote (put the one in shadow in
            force), rollback (the one in shadow or in force goes, the one before is in force).
        package: SHA-256 of the package, hex.
        name, version: of the model, for people; the package's own must be the same.
        size: of the package in bytes.
        shadow_s: how long it is tried in shadow; 0 puts it in force at once, with the model
            before it beside it as the reference.
        auto_promote: whether the station may put it in force by itself after that time. If not,
            it waits in shadow for a promote order.
    """

    action: ModelAction
    package: str
    name: str
    version: int
    size: int
    shadow_s: int = USUAL_SHADOW_S
    auto_promote: bool = True

    def __post_init__(self) -> None:
        """Refuse what no station could do."""
        _check(self)

    @property
    def title(self) -> str:
        """Name and version, as people call the model."""
        return f"{self.name} v{self.version}"

    def to_payload(self) -> dict[str, Any]:
        """Return the payload of a MODEL order."""
        return {
            "action": self.action.value,
            "package": self.package,
            "name": self.name,
            "version": self.version,
            "size": self.size,
            "shadow_s": self.shadow_s,
            "auto_promote": self.auto_promote,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "ModelOrder":
        """Read the payload of a MODEL order.

        Raises:
            ModelOrderError: naming the field that is wrong.
        """
        names = set(cls.__dataclass_fields__)
        if not isinstance(payload, Mapping) or set(payload) != names:
            msg = f"a model order has exactly the fields {sorted(names)}"
            raise ModelOrderError(msg)
        return cls(**payload)


def _check(order: ModelOrder) -> None:
    try:
        object.__setattr__(order, "action", ModelAction(order.action))
    except ValueError as error:
        msg = f"action = {order.action!r:.40} must be one of {[a.value for a in ModelAction]}"
        raise ModelOrderError(msg) from error
    if not is_sha256(order.package):
        _wrong("package", order.package, "the SHA-256 of a package: 64 hex digits")
    if not is_model_name(order.name):
        _wrong("name", order.name, "the name of a model")
    if not is_version(order.version):
        _wrong("version", order.version, f"a whole number 1..{MAX_VERSION}")
    if type(order.size) is not int or not 1 <= order.size <= MAX_PACKAGE_BYTES:
        _wrong("size", order.size, f"bytes, 1..{MAX_PACKAGE_BYTES}")
    if type(order.shadow_s) is not int or not 0 <= order.shadow_s <= MAX_SHADOW_S:
        _wrong("shadow_s", order.shadow_s, f"seconds, 0..{MAX_SHADOW_S}")
    if type(order.auto_promote) is not bool:
        _wrong("auto_promote", order.auto_promote, "true or false")
    if order.shadow_s == 0 and not order.auto_promote:
        msg = "shadow_s = 0 puts the model in force at once: auto_promote must be true"
        raise ModelOrderError(msg)


def _wrong(field: str, value: object, wanted: str) -> None:
    msg = f"{field} = {value!r:.80} must be {wanted}"
    raise ModelOrderError(msg)
