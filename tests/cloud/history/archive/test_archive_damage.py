"""One altered byte anywhere in an archive is found, named, and nothing of it is ever used."""

import numpy as np
import pytest

from cloud.errors import ArchiveError
from cloud.history.archive.month import check_files
from cloud.history.archive.store import place_of
from tests.cloud.history.archives import MONTH, Past, fill, open_past


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    await fill(stored)
    found = open_past(stored, tmp_path, tmp_path / "archive")
    await found.roll_up()
    await found.archive()
    return found


FILES = ["MANIFEST.json", "meter.parquet", "pcs.parquet", "rack.cells-12.parquet", "rack.parquet"]


@pytest.mark.parametrize("name", FILES)
async def test_a_flipped_byte_is_found_named_and_never_put_back(past, name):
    file = past.file(name)
    whole = file.read_bytes()
    await past.run("DELETE FROM blocks")
    rng = np.random.default_rng(3)
    for at in [0, len(whole) - 1, *rng.integers(0, len(whole), 8)]:
        altered = bytearray(whole)
        altered[at] ^= 1 << rng.integers(0, 8)
        file.write_bytes(altered)

        with pytest.raises(ArchiveError, match=name):
            await past.restore()

    assert await past.stored.count("blocks") == 0
    file.write_bytes(whole)
    assert (await past.restore()).put_back > 0


async def test_a_flipped_byte_is_found_by_a_store_that_knows_nothing_of_the_archive(past):
    folder = f"{place_of('alpha', MONTH)}/{past.versions()[0]}"
    check_files(past.files, folder)
    file = past.file("MANIFEST.json")
    whole = file.read_bytes()
    rng = np.random.default_rng(4)

    for at in rng.integers(0, len(whole), 40):
        altered = bytearray(whole)
        altered[at] ^= 1 << rng.integers(0, 8)
        file.write_bytes(altered)
        with pytest.raises(ArchiveError, match=r"MANIFEST\.json"):
            check_files(past.files, folder)


async def test_a_missing_file_is_named(past):
    past.file("rack.parquet").unlink()

    with pytest.raises(ArchiveError, match=r"rack\.parquet"):
        await past.restore()


async def test_a_month_under_the_name_of_another_is_not_put_back(past):
    february = past.root / "station=alpha" / "year=2026" / "month=02"
    february.mkdir(parents=True)
    past.file("").rename(february / "20260301T000000Z")

    with pytest.raises(ArchiveError, match="is of alpha 2026-01"):
        await past.restore(month=MONTH.replace(month=2))


async def test_a_store_that_does_not_keep_what_it_is_given_is_found_before_anything_counts(
    past, monkeypatch
):
    real = type(past.files).sha256
    first = past.versions()

    def forgetful(self, path):
        digest, size = real(self, path)
        return (b"\0" * 32, size) if path.endswith("pcs.parquet") else (digest, size)

    monkeypatch.setattr(type(past.files), "sha256", forgetful)
    with pytest.raises(ArchiveError, match=r"pcs\.parquet: was altered"):
        await past.archive()
    monkeypatch.undo()

    assert past.versions() == first
    row = (await past.rows("SELECT version FROM archives"))[0]
    assert [row[0]] == first
