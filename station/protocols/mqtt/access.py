"""How a broker is entered: user, password and TLS, in a file of its own beside the station's.

The password stands in a file again, so that this one can be shown.
"""

import ssl
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from station.protocols.errors import ProfileError

_HINT = "docs/protocols.md lists the keys of a broker's file"


class AccessFile(BaseModel):
    """The file.

    Attributes:
        user: name at the broker; empty for none.
        password_file: file with the password.
        tls: talk in TLS; so it is as soon as `ca` is given.
        ca: authority of the broker's certificate (PEM); the system's own when left out.
        certificate, key: the station's own certificate and its key (PEM).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = ""
    password_file: Path | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "AccessFile":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key are given together, or neither")
        if self.password_file is not None and not self.user:
            raise ValueError("a password needs a user")
        return self


@dataclass(frozen=True)
class Access:
    """What is needed to enter a broker."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


def load(name: str) -> Access:
    """Read and check a broker's file; an empty name enters without anything.

    Raises:
        ProfileError: naming file, key and remedy.
    """
    if not name:
        return Access()
    path = Path(name)
    try:
        found = AccessFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise ProfileError(name, "file", problem, "name the broker's file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(name, "file", f"is no TOML: {error}", "mend the line") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise ProfileError(name, key, str(first["msg"]), _HINT) from error
    return Access(found.user or None, _password(path, found), _context(path, found))


def _password(path: Path, found: AccessFile) -> str | None:
    if found.password_file is None:
        return None
    file = path.parent / found.password_file
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{file} cannot be read"
        raise ProfileError(str(path), "password_file", problem, "write it there") from error


def _context(path: Path, found: AccessFile) -> ssl.SSLContext | None:
    if not (found.tls or found.ca or found.certificate):
        return None
    folder = path.parent
    try:
        cafile = None if found.ca is None else str(folder / found.ca)
        context = ssl.create_default_context(cafile=cafile)
        if found.certificate is not None and found.key is not None:
            context.load_cert_chain(folder / found.certificate, folder / found.key)
    except (OSError, ssl.SSLError) as error:
        problem = f"a file of TLS cannot be used: {error}"
        raise ProfileError(str(path), "ca, certificate, key", problem, "give PEM files") from error
    return context
