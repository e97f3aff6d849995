"""Configuration of the cloud: one TOML file, checked whole before anything starts.

A wrong file is refused with its name, the key, the value and a remedy. A missing key has a
default that is safe on a single machine: embedded PostgreSQL, loopback listeners, free ports.
"""

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cloud.config_alarms import AlarmsSection, NotificationsSection
from cloud.config_market import MarketSection
from cloud.errors import ConfigError

Port = Annotated[int, Field(ge=0, le=65_535, description="TCP port; 0 lets the system choose")]
EMBEDDED = "embedded"
_CONNINFO = re.compile(r"postgres(ql)?://|[a-z_]+ *=")


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError as error:
        raise ValueError("write an IP address, e.g. 127.0.0.1") from error


Address = Annotated[str, AfterValidator(_address)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSection(_Section):
    """Where the data lives."""

    dsn: str = Field(EMBEDDED, description='"embedded" or postgresql://user@host/database')
    password_file: Path | None = Field(
        None, description="file whose first line is the password of the dsn's user"
    )
    pool_size: int = Field(8, ge=2, le=100, description="connections per worker")
    pool_timeout_s: float = Field(2.0, gt=0, description="wait for a connection before 503")

    @field_validator("dsn")
    @classmethod
    def _known_scheme(cls, dsn: str) -> str:
        if dsn == EMBEDDED or _CONNINFO.match(dsn):
            return dsn
        raise ValueError('write "embedded" or a postgresql:// address')

    @property
    def embedded(self) -> bool:
        """Whether this cloud runs its own PostgreSQL."""
        return self.dsn == EMBEDDED


class ListenSection(_Section):
    """One listener."""

    host: Address = Field("127.0.0.1", description="address to bind")
    port: Port = 0


class WebSection(ListenSection):
    """The listener for people and programs (plain HTTP; a proxy in front ends public TLS)."""

    trusted_proxies: tuple[Address, ...] = Field(
        (),
        description="proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; by address,"
        " never by network or name",
    )


class EdgeSection(ListenSection):
    """The listener for stations (mutual TLS 1.3)."""

    names: tuple[str, ...] = Field(
        (), description="DNS names or addresses under which stations reach this listener"
    )
    trusted_proxies: tuple[Address, ...] = Field(
        (),
        description="proxies that pass TLS through to the edge and enrolment listeners; with any,"
        " every connection must come from one of them and begin with a PROXY v2 header",
    )
    max_batch_bytes: int = Field(8 << 20, ge=1 << 10, description="largest sealed body taken")


class EnrolSection(ListenSection):
    """The listener for enrolment (server-side TLS only)."""

    enabled: bool = True


class Pkcs11Section(_Section):
    """A token (hardware security module) that keeps the key-encryption keys."""

    module: Path = Field(description="the token maker's PKCS#11 library (.so)")
    token: str = Field(min_length=1, description="label of the token")
    key_label: str = Field(
        "stationmaster", min_length=1, description="keys are labelled with it and their generation"
    )
    pin_file: Path | None = Field(None, description="file of mode 0600 that holds the PIN")
    pin_env: str | None = Field(None, description="environment variable that holds the PIN")

    @model_validator(mode="after")
    def _one_pin(self) -> Self:
        if (self.pin_file is None) == (self.pin_env is None):
            raise ValueError("name pin_file or pin_env, one of them; the PIN itself stays outside")
        return self


class KeysSection(_Section):
    """Where private keys live; must be on a disk that only the cloud's account can read."""

    dir: Path | None = Field(None, description="default: data_dir/keys")
    pkcs11: Pkcs11Section | None = Field(
        None, description="keep the key-encryption keys in a token instead of files"
    )

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        token = self.pkcs11
        if token is not None and token.pin_file is not None:
            token = token.model_copy(update={"pin_file": base / token.pin_file})
        folder = None if self.dir is None else base / self.dir
        return self.model_copy(update={"dir": folder, "pkcs11": token})


class HistorySection(_Section):
    """When data moves from batches to blocks and rollups."""

    compact_after_s: float = Field(45.0, ge=0, description="age at which a batch is compacted")
    compact_every_s: float = Field(30.0, gt=0, description="period of compaction")
    rollup_every_s: float = Field(15.0, gt=0, description="period of the rollup job")
    merge_every_s: float = Field(
        120.0, gt=0, description="period of merging the parts of past hours"
    )
    cells_every_s: float = Field(60.0, gt=0, description="period of rolling up cells")
    spans_every_s: float = Field(
        1_800.0, gt=0, description="period of merging rollups of past days and months"
    )
    hour_grace_s: float = Field(
        600.0, ge=0, description="wait for late data before merging an hour"
    )
    max_points: int = Field(2_000_000, ge=1_000, description="points in one query answer")
    cache_mb: int = Field(
        128, ge=0, description="megabytes in each worker for history that was opened lately"
    )
    max_read_mb: int = Field(
        256, ge=1, description="stored megabytes that one query may read; streams read in pieces"
    )
    retain_every_s: float = Field(
        3_600.0, gt=0, description="period of the job that archives and drops past months"
    )
    policy: Path | None = Field(
        None, description="retention policy; none: cloud/history/policy.toml of this version"
    )


class BackupSection(_Section):
    """Backups of the embedded database, and its log, which reaches every moment between them."""

    dir: Path | None = Field(None, description="folder of backups; none: the log is not archived")
    wal_timeout_s: int = Field(
        60, ge=1, le=86_400, description="age at which the newest changes are in the archive"
    )
    every_h: float = Field(
        24.0,
        ge=0,
        le=8_760,
        description="hours after which the cloud backs itself up anew; 0: only by command",
    )
    full_after_days: float = Field(
        7.0, gt=0, le=365, description="age of the last full backup at which the next is full"
    )
    keep_chains: int = Field(
        2, ge=1, le=1_000, description="full backups kept, with all that builds on them"
    )
    max_mb_s: float | None = Field(
        None, ge=0.1, le=1_000, description="most megabytes a second that a backup may take"
    )


class ArchiveSection(_Section):
    """Where past months go as Parquet files, readable without any key of ours."""

    url: str = Field(min_length=1, description="a folder, or s3://BUCKET/PREFIX")
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^/]+$", description="of a store that is not Amazon's"
    )
    region: str | None = Field(None, description="of the bucket")
    ca_file: Path | None = Field(None, description="certificates that the endpoint is checked by")
    credentials_file: Path | None = Field(
        None,
        description="as the AWS tools write it, section [default]; none: AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY, or what the machine's role grants",
    )

    @property
    def local(self) -> bool:
        """Whether it is a folder."""
        return not self.url.startswith("s3://")

    @model_validator(mode="after")
    def _known_kind(self) -> Self:
        if self.local and "://" in self.url:
            raise ValueError("url must be a folder or s3://BUCKET/PREFIX")
        if self.local and (self.endpoint or self.region or self.credentials_file):
            raise ValueError("endpoint, region and credentials_file are for s3://BUCKET/PREFIX")
        return self

    def beside(self, base: Path) -> Self:
        """Return the section with its relative paths counted from `base`."""
        update: dict[str, object] = {
            name: base / path
            for name in ("ca_file", "credentials_file")
            if (path := getattr(self, name)) is not None
        }
        if self.local:
            update["url"] = str(base / self.url)
        return self.model_copy(update=update)


class CloudConfig(_Section):
    """Everything the cloud needs to know before it starts."""

    data_dir: Path
    database: DatabaseSection = DatabaseSection()
    web: WebSection = WebSection()
    edge: EdgeSection = EdgeSection()
    enrol: EnrolSection = EnrolSection()
    workers: int = Field(
        1, ge=0, le=64, description="web and ingest processes; 0: this cloud only does jobs"
    )
    jobs: bool = Field(
        True, description="compaction, rollups, retention; false: another cloud does them"
    )
    keys: KeysSection = KeysSection()
    history: HistorySection = HistorySection()
    backup: BackupSection = BackupSection()
    archive: ArchiveSection | None = Field(
        None, description="none: nothing is archived, and what must be archived first is kept"
    )
    alarms: AlarmsSection = AlarmsSection()
    notifications: NotificationsSection = NotificationsSection()
    market: MarketSection = MarketSection()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("workers")
    @classmethod
    def _serves_somebody(cls, workers: int, info: ValidationInfo) -> int:
        database = info.data.get("database")
        if workers == 0 and isinstance(database, DatabaseSection) and database.embedded:
            raise ValueError(
                "leaves an embedded database without console and without stations; set it to 1,"
                " or set database.dsn to the server that other clouds with workers use"
            )
        return workers

    @field_validator("jobs")
    @classmethod
    def _does_something(cls, jobs: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's
        workers, database = info.data.get("workers"), info.data.get("database")
        if not jobs and workers == 0:
            raise ValueError("and workers = 0 leave nothing to run; switch one of them on")
        if not jobs and isinstance(database, DatabaseSection) and database.embedded:
            raise ValueError(
                "leaves an embedded database without jobs; set database.dsn to the server that"
                " another cloud with jobs uses, or leave jobs on"
            )
        return jobs

    @field_validator("backup")
    @classmethod
    def _can_archive(cls, backup: BackupSection, info: ValidationInfo) -> BackupSection:
        database = info.data.get("database")
        if backup.dir and isinstance(database, DatabaseSection) and not database.embedded:
            raise ValueError(
                "dir is for the embedded database; back up a server of your own by its own means"
                " (docs/backup.md) and remove it here"
            )
        return backup

    @property
    def keys_dir(self) -> Path:
        """Folder of the key files."""
        return self.keys.dir or self.data_dir / "keys"

    @property
    def policies_dir(self) -> Path:
        """Folder of the bidding policies that were learnt."""
        return self.market.policies_dir or self.data_dir / "policies"


def load(path: Path) -> CloudConfig:
    """Read and check `path`; relative paths in it count from its folder.

    Raises:
        ConfigError: unreadable file, wrong TOML, unknown or wrong key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "file", str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "file", str(path), f"is not TOML: {error}") from error
    _require_no_other_tier(raw, path)
    return parse(raw, path)


def _require_no_other_tier(raw: dict[str, Any], path: Path) -> None:
    """Name a file of another tier, instead of its first key that is unknown here."""
    for tier, keys in (("station", {"station", "devices"}), ("plant", {"plant", "ports"})):
        if keys & raw.keys() and "data_dir" not in raw:
            problem = f"is the file of a {tier}; give the cloud's, which has data_dir"
            raise ConfigError(path, "file", path.name, problem)


def parse(raw: dict[str, Any], path: Path) -> CloudConfig:
    """Check the content of a configuration file named `path`."""
    try:
        config = CloudConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        given = None if first["type"] == "missing" else first["input"]
        raise ConfigError(path, key, given, _remedy(first["type"], first["msg"])) from error
    base = path.resolve().parent
    backup = config.backup
    if backup.dir is not None:
        backup = backup.model_copy(update={"dir": base / backup.dir})
    database = config.database
    if database.password_file is not None:
        database = database.model_copy(update={"password_file": base / database.password_file})
    history = config.history
    if history.policy is not None:
        history = history.model_copy(update={"policy": base / history.policy})
    alarms = config.alarms
    if alarms.definitions is not None:
        alarms = alarms.model_copy(update={"definitions": base / alarms.definitions})
    archive = None if config.archive is None else config.archive.beside(base)
    data_dir = base / config.data_dir
    if archive is not None and archive.local and _lies_in(Path(archive.url), data_dir):
        problem = (
            "lies in data_dir: an archive is readable without keys, what lies there is not; name "
            "a folder on an encrypted disk of its own"
        )
        raise ConfigError(path, "archive.url", archive.url, problem)
    return config.model_copy(
        update={
            "data_dir": data_dir,
            "keys": config.keys.beside(base),
            "database": database,
            "history": history,
            "backup": backup,
            "archive": archive,
            "alarms": alarms,
            "notifications": config.notifications.beside(base),
            "market": config.market.beside(base),
        }
    )


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _remedy(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return "is not a known key; check its spelling or remove it"
    return message.removeprefix("Value error, ")
