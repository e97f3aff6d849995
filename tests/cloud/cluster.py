"""The cloud of docker/compose.yml as processes of this machine: replicas, jobs, a real HAProxy.

The very files of docker/ are used; only addresses, ports and paths are put in their places.
"""

import datetime as dt
import ipaddress
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from launcher.doctor import haproxy_path
from tests.cloud.stations import folder
from tests.waiting import wait_until

DOCKER = Path(__file__).parents[2] / "docker"
PROXY_ADDRESS = "127.0.0.5"
"""From here the proxy reaches the replicas; they trust nobody else."""
FAST_HISTORY = {"compact_after_s": 0.5, "compact_every_s": 0.7, "rollup_every_s": 0.9}


class Cloud:
    """One cloud: a supervisor and its children."""

    def __init__(self, home: Path, settings: dict[str, Any]) -> None:
        home.mkdir()
        self.config = home / "cloud.toml"
        self.settings = settings
        self.log = home / "log"
        self.told: list[dict[str, Any]] = []

    def start(self) -> None:
        """Start it; do not wait."""
        self.config.write_text(tomli_w.dumps(self.settings))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cloud", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def wait_ready(self) -> None:
        """Wait until it says that it is ready; its ports stay from then on."""
        assert self.process.stdout is not None
        self.told = [json.loads(line) for line in iter(self._line, b"")]
        assert self.told, self.log.read_text()
        assert self.told[-1].get("ready"), self.log.read_text()
        for name in ("web", "edge", "enrol"):
            if name in self.addresses:
                self.settings[name]["port"] = self.port(name)

    def _line(self) -> bytes:
        ready = bool(self.told_ready)
        line = b"" if ready else self.process.stdout.readline()  # type: ignore[union-attr]
        self.told_ready = b'"ready"' in line
        return line

    told_ready = False

    @property
    def addresses(self) -> dict[str, str]:
        return self.told[-1]["addresses"]

    def port(self, name: str) -> int:
        """Port of a listener."""
        return int(self.addresses[name].rsplit(":", 1)[1])

    def processes(self) -> list[psutil.Process]:
        """The supervisor and its children."""
        head = psutil.Process(self.process.pid)
        return [head, *head.children(recursive=True)]

    def kill(self) -> None:
        """kill -9 of everything."""
        for process in self.processes():
            process.kill()
        self.process.wait()
        self.told_ready = False

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


class Proxy:
    """HAProxy with docker/haproxy.cfg in front of replicas."""

    LISTENERS = ("console-http", "console", "edge", "enrol", "metrics")
    BINDS = (":80", ":443", ":8443", ":8444", ":8405")

    def __init__(self, home: Path, replicas: Mapping[str, Cloud]) -> None:
        home.mkdir()
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in self.BINDS]
        self.ports = {
            name: listener.getsockname()[1]
            for name, listener in zip(self.LISTENERS, self._listeners, strict=True)
        }
        self.certificate = home / "console-certificate.pem"
        secret = home / "console.pem"
        write_certificate(secret, self.certificate)
        text = (DOCKER / "haproxy.cfg").read_text()
        text = replaced(text, "/run/secrets/console.pem", str(secret))
        for bind, listener in zip(self.BINDS, self._listeners, strict=True):
            text = replaced(text, f"    bind {bind}", f"    bind fd@{listener.fileno()}")
        text = replaced(text, "    maxconn 8000\n", "    maxconn 400\n")
        text = replaced(text, "    retries 3\n", f"    retries 3\n    source {PROXY_ADDRESS}\n")
        text = re.sub(r"(?ms)^resolvers.*?\n\n", "", text)
        text = text.replace(" resolvers containers init-addr none", "").replace(
            "inter 2s", "inter 300ms"
        )
        for name, cloud in replicas.items():
            for port, listener in (("8000", "web"), ("8443", "edge"), ("8444", "enrol")):
                text = replaced(
                    text,
                    f"    server {name} {name}:{port}",
                    f"    server {name} 127.0.0.1:{cloud.port(listener)}"
                    f" check port {cloud.port('web')}",
                )
        self.config = home / "haproxy.cfg"
        self.config.write_text(text)
        self.log = home / "log"

    def start(self) -> None:
        program = haproxy_path()
        assert program is not None, "apt-get install haproxy"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-db", "-f", str(self.config)],
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno() for listener in self._listeners],
            )
        wait_until(self._runs, "the proxy")

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.ports['metrics']}/metrics", timeout=1)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        for listener in self._listeners:
            listener.close()


class Cluster:
    """Two web replicas, one jobs cloud, a proxy; one database and one folder of keys."""

    def __init__(self, home: Path, dsn: str) -> None:
        self.dsn = dsn
        words = conninfo_to_dict(dsn)
        password = home / "database_password"
        password.write_text(f"{words.pop('password', 'none')}\n")
        database = {"dsn": make_conninfo("", **words), "password_file": str(password)}
        self.keys = home / "keys"
        self.web = {}
        for name in ("web-1", "web-2"):
            settings = shipped("web.toml", home / name, database, self.keys)
            settings["workers"] = 1
            for listener in ("web", "edge", "enrol"):
                settings[listener] |= {"host": "127.0.0.1", "port": 0}
            for listener in ("web", "edge"):
                settings[listener]["trusted_proxies"] = [PROXY_ADDRESS]
            self.web[name] = Cloud(home / name, settings)
        jobs = shipped("jobs.toml", home / "jobs", database, self.keys)
        self.jobs = Cloud(home / "jobs", jobs | {"history": FAST_HISTORY})
        self.clouds = [*self.web.values(), self.jobs]
        self.home = home

    def start(self) -> None:
        """Start all clouds at once on nothing, then the proxy."""
        for cloud in self.clouds:
            cloud.start()
        for cloud in self.clouds:
            cloud.wait_ready()
        self.proxy = Proxy(self.home / "proxy", self.web)
        self.proxy.start()
        self.addresses = {
            "edge": f"https://127.0.0.1:{self.proxy.ports['edge']}",
            "enrol": f"https://127.0.0.1:{self.proxy.ports['enrol']}",
            "ca": self.web["web-1"].addresses["ca"],
        }
        self.console = f"https://localhost:{self.proxy.ports['console']}"
        self.trust = ssl.create_default_context(cafile=str(self.proxy.certificate))

    def stop(self) -> None:
        self.proxy.stop()
        for cloud in self.clouds:
            if cloud.process.poll() is None:
                assert cloud.stop() == 0

    def all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with psycopg.connect(self.dsn) as conn:
            return conn.execute(sql.encode(), values).fetchall()

    def refused(self, kind: str, source: str) -> None:
        """Wait until the book of refusals has an entry of this kind from this address."""
        wait_until(
            lambda: self.all(
                "SELECT FROM security_events WHERE kind = %s AND source = %s", kind, source
            ),
            f"{kind} from {source} in the book",
        )

    @property
    def first_sign_ins(self) -> list[dict[str, str]]:
        """What the clouds told of first sign-ins."""
        lines = [cloud.told[-1] for cloud in self.clouds]
        return [line["first_sign_in"] for line in lines if "first_sign_in" in line]


@contextmanager
def running_cluster(server_dsn: str) -> Iterator[Cluster]:
    """A cluster on an empty database of the server."""
    name = f"cluster_{secrets.token_hex(6)}"
    home = folder()
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
        cluster = Cluster(home, make_conninfo(server_dsn, dbname=name))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            shutil.rmtree(home)


def shipped(file: str, home: Path, database: dict[str, str], keys: Path) -> dict[str, Any]:
    """A configuration of docker/ with the paths of this machine."""
    settings = tomllib.loads((DOCKER / file).read_text())
    settings["data_dir"] = str(home / "data")
    settings["database"] |= database
    settings["keys"]["dir"] = str(keys)
    return settings


def replaced(text: str, old: str, new: str) -> str:
    assert old in text, old
    return text.replace(old, new)


def write_certificate(secret: Path, public: Path) -> None:
    """A certificate for localhost as a public authority would give one, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    public.write_bytes(pem)
    secret.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
