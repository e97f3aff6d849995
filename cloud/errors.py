"""Errors of the cloud. One root; each text says what is wrong, where, and what to do."""

from pathlib import Path


class CloudError(Exception):
    """Root of everything the cloud raises on purpose."""


class ConfigError(CloudError):
    """The configuration cannot be used; nothing has been started."""

    def __init__(self, file: Path | str, key: str, value: object, problem: str) -> None:
        self.file, self.key, self.value, self.problem = str(file), key, value, problem
        super().__init__(f"{file}: {key} = {value!r}: {problem}")


class DatabaseError(CloudError):
    """The database cannot be started, reached or migrated."""


class MigrationError(DatabaseError):
    """The schema in the database and the migrations of this version disagree."""


class Unavailable(CloudError):  # noqa: N818 - an outcome for the caller, answered with 503
    """The database does not answer in time; the caller repeats the request later."""


class KeyStoreError(CloudError):
    """A key file is missing, unreadable, or does not fit the data."""


class Refused(CloudError):  # noqa: N818 - an outcome, answered with `status`
    """A request was refused whole and changed nothing.

    Attributes:
        code: short machine word, e.g. "tampered"; part of the edge API.
        status: HTTP status that says the same.
    """

    code = "refused"
    status = 400

    def __init__(self, reason: str, *, code: str | None = None, status: int | None = None) -> None:
        self.code = code or self.code
        self.status = status or self.status
        self.reason = reason
        super().__init__(reason)


class NotFound(Refused):
    """The named station, device, signal or document does not exist."""

    code = "not_found"
    status = 404


class BadQuery(Refused):
    """A history query cannot be answered as asked; the text names the remedy."""

    code = "bad_query"
    status = 422


class TooManyPoints(BadQuery):
    """A history query asks for more points than one answer may carry."""

    code = "too_many_points"


class IdentityRefused(Refused):
    """The client certificate does not prove the identity that the request claims."""

    code = "identity"
    status = 403


class EnrolmentRefused(Refused):
    """The enrolment request cannot be granted."""

    code = "enrolment"
    status = 403
