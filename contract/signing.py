"""Signed JSON: a content, the name of the key and an Ed25519 signature over the canonical form.

The signed bytes begin with a context ("order", "receipt"), so a signature made for one purpose
never fits another.
"""

import base64
import binascii
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contract.canonical import canonical_json
from contract.errors import OrderBadSignature, OrderMalformed

MAX_SIGNED_BYTES = 256 << 10


def key_id(public: Ed25519PublicKey) -> str:
    """Return the name of a signing key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def sign(part: str, content: Any, key: Ed25519PrivateKey) -> bytes:
    """Return canonical JSON {part: content, "key_id", "signature"}."""
    signature = base64.b64encode(key.sign(_message(part, content))).decode()
    return canonical_json(
        {part: content, "key_id": key_id(key.public_key()), "signature": signature}
    )


def verify(part: str, content: Any, signature: bytes, key: Ed25519PublicKey) -> None:
    """Refuse with OrderBadSignature a signature that does not fit the content."""
    try:
        key.verify(signature, _message(part, content))
    except InvalidSignature as error:
        msg = f"the signature of this {part} does not fit its content"
        raise OrderBadSignature(msg) from error


def split(blob: bytes | str, part: str) -> tuple[Any, str, bytes]:
    """Return content, key id and signature of signed JSON, nothing verified yet.

    OrderMalformed for what is not such a text, repeats a key or holds a NaN.
    """
    if len(blob) > MAX_SIGNED_BYTES:
        msg = f"{len(blob)} bytes are over the limit of {MAX_SIGNED_BYTES} for one {part}"
        raise OrderMalformed(msg)
    try:
        found = json.loads(blob, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        msg = f"this {part} is no JSON: {error}"
        raise OrderMalformed(msg) from error
    wanted = {part, "key_id", "signature"}
    if not isinstance(found, dict) or set(found) != wanted:
        msg = f"a signed {part} has exactly the fields {sorted(wanted)}"
        raise OrderMalformed(msg)
    name, signature = found["key_id"], found["signature"]
    if not isinstance(name, str) or not isinstance(signature, str):
        msg = f"key_id and signature of this {part} must be texts"
        raise OrderMalformed(msg)
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"the signature of this {part} is no base64"
        raise OrderMalformed(msg) from error
    # The last character has bits to spare: another text of the same bytes is not what was sent.
    if base64.b64encode(raw).decode() != signature:
        msg = f"the signature of this {part} is not in its one base64 form"
        raise OrderMalformed(msg)
    return found[part], name, raw


def _message(part: str, content: Any) -> bytes:
    return f"stationmaster/{part}/v1\0".encode() + canonical_json(content)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key appears twice"
        raise ValueError(msg)
    return found


def _no_constant(text: str) -> Any:
    msg = f"{text} is no number"
    raise ValueError(msg)
