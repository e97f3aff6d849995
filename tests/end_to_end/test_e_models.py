"""A new model goes to the running station and proves itself; a bad one rolls back by itself."""

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from contract.model_package import MANIFEST, Manifest, digests_of, pack, write_manifest
from launcher.cloud_client import CloudClient
from launcher.paths import DATA
from tests.end_to_end.house import House
from tests.waiting import wait_until

SHIPPED = DATA / "models" / "lfp-280ah"
WHY = {"reason": "end-to-end test"}
PASSWORD = "a second pair of eyes"
SHADOW_S = 10
WORSE_V = 0.04
"""Open-circuit voltages of the bad model are off by so much: another make's, say."""


def read(folder: Path) -> dict[str, bytes]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def package(version: int, *, off_v: float = 0.0) -> bytes:
    """The shipped model as another version, with its open-circuit voltages off by so much."""
    files = read(SHIPPED)
    manifest = tomllib.loads(files.pop(MANIFEST).decode())
    cell = tomllib.loads(files["cell.toml"].decode())
    cell["source"] = f"{cell['source']}, version {version}"
    cell["ocv"]["voltage_v"] = [[v + off_v for v in row] for row in cell["ocv"]["voltage_v"]]
    files["cell.toml"] = tomli_w.dumps(cell).encode()
    note = f"off by {off_v:g} V" if off_v else "as shipped"
    made = Manifest(
        manifest["name"], version, manifest["make"], "2026-11-26", note, digests_of(files)
    )
    return pack(files | {MANIFEST: write_manifest(made)})


@pytest.fixture(scope="module")
def second_person(house: House) -> CloudClient:
    house.client.create_user("second", PASSWORD, ["engineer"])
    client = CloudClient(house.stack.addresses["web"])
    client.sign_in("second", PASSWORD)
    return client


def estimators(house: House) -> dict[str, Any]:
    return house.stack.status().get("estimators", {})


def deploy(house: House, other: CloudClient, blob: bytes, shadow_s: int) -> tuple[str, str]:
    """Upload, approve and send a model; return its hash and the order's id."""
    sha256 = house.client.upload_model(blob)["sha256"]
    other.approve_model(sha256, "looked at it in a test")
    asked = {"sha256": sha256, "shadow_s": shadow_s} | WHY
    return sha256, house.client.order_model("demo", "deploy", asked)["id"]


def place(house: House, sha256: str) -> dict[str, Any]:
    """Where a model stands at the station, as the cloud knows it."""
    (model,) = [m for m in house.client.models() if m["sha256"] == sha256]
    return model["deployments"][0]


def receipt(house: House, order_id: str) -> dict[str, Any] | None:
    (order,) = [o for o in house.client.orders("demo") if o["id"] == order_id]
    return order["receipt"]


def is_settled(house: House, order_id: str, outcome: str) -> bool:
    found = receipt(house, order_id)
    return found is not None and found["outcome"] == outcome


def codes_since(house: House, begun_ms: int) -> list[str]:
    """Codes of model events, oldest first."""
    events = house.client.events("demo", begun_ms, time.time_ns() // 1_000_000 + 1)
    return [e["code"] for e in reversed(events) if e["code"].startswith("model.")]


def test_a_good_model_is_tried_and_promoted_and_a_bad_one_rolls_back_by_itself(
    house: House, second_person: CloudClient
):
    wait_until(lambda: estimators(house).get("answers"), "the estimators' first answer", 60)
    begun_ms = time.time_ns() // 1_000_000

    good, order_id = deploy(house, second_person, package(2), SHADOW_S)
    wait_until(lambda: place(house, good)["state"] == "shadow", "the good model in shadow", 40)
    wait_until(lambda: place(house, good)["state"] == "promoted", "its promotion", SHADOW_S + 40)
    wait_until(lambda: is_settled(house, order_id, "executed"), "the receipt of it", 20)
    wait_until(lambda: estimators(house)["model"] == "lfp-280ah v2", "the good model at work", 20)

    # So long as a model is on probation no other one is taken: people who are content end it.
    house.client.order_model("demo", "promote", {"sha256": good} | WHY)
    wait_until(lambda: place(house, good)["state"] == "confirmed", "the end of its probation", 20)

    bad, order_id = deploy(house, second_person, package(3, off_v=WORSE_V), 0)
    wait_until(lambda: place(house, bad)["state"] == "rolled_back", "the bad one's return", 80)
    wait_until(lambda: is_settled(house, order_id, "failed"), "the receipt of it", 20)

    assert receipt(house, order_id)["reason_code"] == "model_worse"
    assert "mV" in place(house, bad)["why_en"]
    wait_until(lambda: estimators(house)["model"] == "lfp-280ah v2", "the good model again", 20)
    assert codes_since(house, begun_ms) == [
        *("model.shadow", "model.promoted", "model.confirmed"),
        *("model.promoted", "model.rolled_back"),
    ]
