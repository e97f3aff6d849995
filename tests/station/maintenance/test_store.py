"""Models on the disk: whole or not there, inside their quota, remembered across a restart."""

from dataclasses import replace

import pytest

from station.maintenance import ModelError, ModelStore, NoRoom, PackageRefused
from station.maintenance.judge import Trial
from station.maintenance.life import SHIPPED, Life, Model, Stage, begin, promote
from tests.station.maintenance import bundles


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models", bundles.shipped(tmp_path / "shipped"), 1 << 20)


def bring(store, blob, version) -> Model:
    """Let a package arrive in two pieces and unpack it."""
    order = bundles.order_of(blob, version)
    store.add(order.package, blob[:100])
    store.add(order.package, blob[100:])
    store.unpack(order)
    return Model(order.package, order.name, version)


def test_a_new_station_runs_the_model_that_was_shipped(store):
    life = store.recall()

    assert life == Life(Model(SHIPPED, "lfp-280ah", 1))
    assert (store.folder_of(life.active) / "cell.toml").is_file()


def test_a_package_arrives_in_pieces_and_lies_there_unpacked(store):
    model = bring(store, bundles.package(2), 2)

    assert store.has(model.package)
    assert store.arrived(model.package) == 0
    files = sorted(p.name for p in store.folder_of(model).iterdir())
    assert files == ["bundle.toml", "card.md", "cell.toml"]


def test_what_has_arrived_is_still_there_after_a_restart(store, tmp_path):
    store.add("a" * 64, b"12345")

    again = ModelStore(tmp_path / "models", tmp_path / "shipped", 1 << 20)

    assert again.arrived("a" * 64) == 5


@pytest.mark.parametrize("fault", ["other package", "other version", "altered", "noise"])
def test_a_package_that_is_not_the_ordered_one_leaves_nothing_behind(store, fault):
    blob = bundles.package(2)
    order = bundles.order_of(blob, 2)
    came = {
        "other package": bundles.package(2, more=b"x"),
        "altered": blob[:-1] + b"x",
        "noise": b"noise",
    }.get(fault, blob)
    if fault == "other version":
        order = replace(order, version=3)
    store.add(order.package, came)

    with pytest.raises(PackageRefused):
        store.unpack(order)

    assert not store.has(order.package)
    assert store.arrived(order.package) == 0


def test_the_life_is_remembered_with_its_trial(store):
    model = bring(store, bundles.package(2), 2)
    life = begin(store.recall(), bundles.order_of(bundles.package(2), 2), "o-1").life
    life = replace(life, trial=Trial(seconds=7, compared=6, square=5.5))
    store.keep(life)

    assert store.recall() == life
    assert store.recall().shadow == model


def test_a_model_whose_files_have_suffered_is_not_used(store):
    model = bring(store, bundles.package(2), 2)
    life = begin(store.recall(), bundles.order_of(bundles.package(2), 2), "o-1").life
    store.keep(promote(life).life)
    (store.folder_of(model) / "cell.toml").write_text("capacity_ah = 999.0\n")

    recalled = store.recall()

    assert recalled.active.package == SHIPPED
    assert recalled.stage is Stage.ROLLED_BACK
    assert recalled.reason == "model_invalid"


def test_a_shadow_whose_files_are_gone_is_not_tried(store):
    life = begin(store.recall(), bundles.order_of(bundles.package(2), 2), "o-1").life
    store.keep(life)

    assert store.recall().running.second is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": 9}', '{"form": 1, "active": null}'])
def test_a_life_that_cannot_be_read_is_begun_anew(store, tmp_path, text):
    store.keep(store.recall())
    (tmp_path / "models/active.json").write_text(text)

    assert store.recall() == Life(store.shipped())


def test_a_newer_shipped_model_takes_the_place_of_the_older_one(store, tmp_path):
    store.keep(store.recall())
    bundles.shipped(tmp_path / "shipped", version=2)

    assert store.recall().active.version == 2


def test_an_installation_without_a_whole_model_is_told(store, tmp_path):
    (tmp_path / "shipped/cell.toml").write_text("x = 1\n")

    with pytest.raises(ModelError, match=r"cell.toml is not the file"):
        store.recall()


def test_old_packages_make_room_and_those_in_use_do_not(store):
    large = {"weights.bin": b"x" * 400_000}
    first = bring(store, bundles.package(2, **large), 2)
    second = bring(store, bundles.package(3, **large), 3)

    store.make_room("a" * 64, 400_000, frozenset({second.package}))
    assert not store.has(first.package)
    assert store.has(second.package)

    with pytest.raises(NoRoom, match="quota_mb"):
        store.make_room("a" * 64, 800_000, frozenset({second.package}))
    assert store.has(second.package)


def test_half_a_package_is_never_taken_for_a_whole_one(store, tmp_path):
    staging = tmp_path / "models" / ("a" * 64 + ".new")
    staging.mkdir(parents=True)
    (staging / "cell.toml").write_text("x = 1\n")

    store.add("b" * 64, b"given up")
    store.add("c" * 64, b"on its way")

    store.make_room("c" * 64, 1000, frozenset())

    assert not store.has("a" * 64)
    assert not staging.exists()
    assert (store.arrived("b" * 64), store.arrived("c" * 64)) == (0, 10)
