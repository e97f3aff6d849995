"""The launcher's view of the cloud: the same REST interface that every program uses."""

import time
from typing import Any, Self

import httpx

from launcher.errors import CloudAnswerError

_TIMEOUT_S = 30.0
_UNAVAILABLE = 503
_NOT_SIGNED_IN = 401
_PATIENCE_S = 15.0
_AGAIN_S = 0.3


class CloudClient:
    """Signed in as one user; cookies and the CSRF token are kept.

    A session that nobody has used for a while ends; the next call then signs in again.
    """

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(
            base_url=base_url, timeout=_TIMEOUT_S, headers={"Origin": base_url}
        )
        self._who: tuple[str, str] | None = None

    def __enter__(self) -> Self:
        """Use the connection for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._http.close()

    def sign_in(self, user: str, password: str) -> None:
        """Open a session.

        Raises:
            CloudAnswerError: wrong user or password.
        """
        self._who = None
        answer = self._call("POST", "/api/v1/session", {"user": user, "password": password})
        self._http.headers["X-CSRF-Token"] = answer["csrf_token"]
        self._who = user, password

    def create_station(self, facts: dict[str, Any]) -> str:
        """Create a station and return its one-time enrolment token."""
        return str(self._call("POST", "/api/v1/stations", facts)["enrolment_token"])

    def send_schedule(self, station: str, schedule: dict[str, Any]) -> dict[str, Any]:
        """Sign a schedule as an order to the station; return the order's facts."""
        return dict(self._call("POST", f"/api/v1/stations/{station}/schedules", schedule))

    def orders(self, station: str) -> list[dict[str, Any]]:
        """The orders of a station with their receipts, newest first."""
        return list(self._call("GET", f"/api/v1/stations/{station}/orders")["orders"])

    def station(self, station: str) -> dict[str, Any]:
        """What the cloud knows of the station now."""
        return dict(self._call("GET", f"/api/v1/stations/{station}"))

    def live(self, station: str) -> dict[str, Any]:
        """The newest image of the station."""
        return dict(self._call("GET", f"/api/v1/stations/{station}/live"))

    def samples(
        self, station: str, device: str, layout: str, start_ms: int, end_ms: int
    ) -> dict[str, Any]:
        """The sample times that the cloud holds for one device, and how many are held twice."""
        query = {"device": device, "layout": layout, "from": start_ms, "to": end_ms}
        return dict(self._call("GET", f"/api/v1/stations/{station}/samples", query=query))

    def ledger(self, station: str, start_ms: int, end_ms: int) -> dict[str, Any]:
        """Counts of what was received and what it costs on the wire and on disk."""
        query = {"from": start_ms, "to": end_ms}
        return dict(self._call("GET", f"/api/v1/stations/{station}/ledger", query=query))

    def order(self, station: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a control order (`setpoint`, `release`, `reset`, `self-test`); return its facts."""
        return dict(self._call("POST", f"/api/v1/stations/{station}/control/{what}", body))

    def create_user(self, name: str, password: str, roles: list[str]) -> None:
        """Add a user, as an administrator."""
        self._call("POST", "/api/v1/users", {"name": name, "password": password, "roles": roles})

    def upload_model(self, package: bytes) -> dict[str, Any]:
        """Upload a model package; return its facts, `sha256` among them."""
        answer = self._http.post(
            "/api/v1/models",
            content=package,
            headers={"Content-Type": "application/octet-stream"},
        )
        if answer.is_error:
            raise CloudAnswerError("POST", "/api/v1/models", answer.status_code, answer.text)
        return dict(answer.json())

    def approve_model(self, sha256: str, note: str) -> dict[str, Any]:
        """Approve a model that somebody else has uploaded."""
        return dict(self._call("POST", f"/api/v1/models/{sha256}/approve", {"note": note}))

    def order_model(self, station: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a model order (`deploy`, `promote`, `rollback`); return its facts."""
        return dict(self._call("POST", f"/api/v1/stations/{station}/models/{what}", body))

    def models(self) -> list[dict[str, Any]]:
        """All models, and what has become of each at the stations."""
        return list(self._call("GET", "/api/v1/models")["models"])

    def bids(self, station: str) -> list[dict[str, Any]]:
        """The bids of a station for today and tomorrow."""
        return list(self._call("GET", f"/api/v1/stations/{station}/bids")["bids"])

    def bid(self, station: str, bid: str) -> dict[str, Any]:
        """One bid whole."""
        return dict(self._call("GET", f"/api/v1/stations/{station}/bids/{bid}"))

    def draft_bid(self, station: str, body: dict[str, Any]) -> dict[str, Any]:
        """Draft a bid; return it whole."""
        return dict(self._call("POST", f"/api/v1/stations/{station}/bids", body))

    def approve_bid(self, station: str, bid: str, version: int, fingerprint: str) -> None:
        """Approve exactly the version that this fingerprint names."""
        body = {"version": version, "fingerprint": fingerprint, "why": "looked at"}
        self._call("POST", f"/api/v1/stations/{station}/bids/{bid}/approve", body)

    def set_limits(self, desk: str, limits: dict[str, float], why: str) -> None:
        """Set the limits of a market desk, as a head of trading."""
        self._call("PUT", f"/api/v1/desks/{desk}/limits", {"limits": limits, "why": why})

    def commands(
        self, station: str, start_ms: int, end_ms: int, limit: int = 1000
    ) -> list[dict[str, Any]]:
        """The newest commands of a station that were issued in a range, newest first."""
        query = {"from": start_ms, "to": end_ms, "limit": limit}
        answer = self._call("GET", f"/api/v1/stations/{station}/commands", query=query)
        return list(answer["commands"])

    def events(self, station: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """The events of a station in a range, newest first."""
        query = {"from": start_ms, "to": end_ms}
        return list(self._call("GET", f"/api/v1/stations/{station}/events", query=query)["events"])

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
    ) -> Any:
        answer = self._http.request(method, path, json=body, params=query)
        end = time.monotonic() + _PATIENCE_S
        while answer.status_code == _UNAVAILABLE and method == "GET" and time.monotonic() < end:
            time.sleep(
                _AGAIN_S
            )  # a database that comes back says so, and a reading can be repeated
            answer = self._http.request(method, path, params=query)
        if answer.status_code == _NOT_SIGNED_IN and self._who is not None:
            self.sign_in(*self._who)
            answer = self._http.request(method, path, json=body, params=query)
        if answer.is_error:
            raise CloudAnswerError(method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else {}
