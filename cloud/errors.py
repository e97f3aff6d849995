"""Errors of the cloud. One root; each text says what is wrong, where, and what to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contract.words import Words

_SHOWN_PLACES: Final = 5


class CloudError(Exception):
    """Root of everything the cloud raises on purpose.

    An error that pages show is given its text in both languages; as text it is the English one.

    Attributes:
        words: the text in both languages; None: it is for programs and logs.
    """

    words: Words | None = None

    def __init__(self, text: str | Words = "") -> None:
        if isinstance(text, Words):
            self.words, text = text, text.en
        super().__init__(text)


class ConfigError(CloudError):
    """The configuration cannot be used; nothing has been started.

    `file` is None where the key is wrong and only the caller knows from which file it came.
    """

    def __init__(self, file: Path | str | None, key: str, value: object, problem: str) -> None:
        self.file = None if file is None else str(file)
        self.key, self.value, self.problem = key, value, problem
        super().__init__(f"{file or 'configuration'}: {key} = {value!r}: {problem}")

    def of(self, file: Path) -> "ConfigError":
        """Return the same error with a file's name, unless it has one."""
        if self.file is not None:
            return self
        return ConfigError(file, self.key, self.value, self.problem)


class DataInUseError(CloudError):
    """A living cloud works on the data folder."""

    def __init__(self, data_dir: Path, holder: str) -> None:
        self.data_dir, self.holder = data_dir, holder
        super().__init__(
            f"{data_dir} is in use by process {holder or '(starting)'}: stop that cloud, or name "
            "another data_dir; several clouds share one database server, never one data_dir"
        )


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
        remedy: what to do; empty: what the status says.
    """

    code = "refused"
    status = 400
    remedy = ""

    def __init__(
        self, reason: str | Words, *, code: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.code = code or self.code
        self.status = status or self.status
        self.reason = str(self)


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


class TooMuchWork(BadQuery):
    """A history query would have to read more than one query may."""

    code = "too_much_work"

    def __init__(self, bytes_to_read: int, most_bytes: int) -> None:
        super().__init__(
            f"{bytes_to_read / 1e6:,.0f} MB would have to be read, allowed are "
            f"{most_bytes / 1e6:,.0f} MB: ask for a shorter range, fewer signals or a coarser "
            "resolution (1min, 15min), or take the answer as a stream (format=arrow or parquet)"
        )


class DamagedHistory(Refused):
    """Stored parts of an answer cannot be opened; none of it is returned."""

    code = "damaged"
    status = 500

    def __init__(self, places: Sequence[str]) -> None:
        shown = "; ".join(places[:_SHOWN_PLACES])
        more = len(places) - _SHOWN_PLACES
        super().__init__(
            f"damaged in the store: {shown}{f' and {more} more' if more > 0 else ''}. Restore them "
            "from a backup or an archive; `./stationmaster history verify` lists all of them"
        )


class IdentityRefused(Refused):
    """The client certificate does not prove the identity that the request claims."""

    code = "identity"
    status = 403


class EnrolmentRefused(Refused):
    """The enrolment request cannot be granted."""

    code = "enrolment"
    status = 403


class BackupError(CloudError):
    """There is no backup, or none could be restored; the text says why and what to do."""


class ArchiveError(CloudError):
    """An archived month cannot be written, read or believed; the text says which, and why."""


class AlteredArchive(ArchiveError):  # noqa: N818 - what was found, not a failure to look
    """A file of an archived month was read and is not what was written, or is not there."""
