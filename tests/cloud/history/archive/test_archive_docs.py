"""docs/history.md: its commands run, its examples read the archive, its question is answered."""

import datetime as dt
import re
from pathlib import Path

import pytest

from launcher.paths import ROOT
from tests.cloud.history.archives import Past, fill, open_past
from tests.cloud.history.processes import cloud_config, history

GUIDE = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
async def past(stored, tmp_path) -> Past:
    await fill(stored)
    return open_past(stored, tmp_path, tmp_path / "archive")


async def test_every_command_runs(past, dsn, tmp_path):
    given = {
        "CONFIG": str(cloud_config(tmp_path, dsn)),
        "STATION": "alpha",
        "MONTH": "2026-01",
        "ARCHIVE": str(past.root),
    }
    ran = []
    for block in blocks("sh"):
        for line in block.splitlines():
            program, group, name, *words = line.split()
            assert (program, group) == ("./stationmaster", "history")
            config, *options = [given.get(word, word) for word in words]
            said = history(Path(config), name, *options).finish()
            ran.append((name, said))

    assert [name for name, _ in ran] == ["plan"] * 3 + ["archive"] * 3 + ["restore-archive"] * 2
    assert "GB, 15 years" in ran[0][1]
    assert "verified" in ran[3][1] + ran[4][1]
    assert "unaltered" in ran[5][1]
    assert "samples are here" in ran[7][1]


async def test_every_example_reads_the_archive(past):
    await past.archive()

    results = []
    for block in blocks("python"):
        names: dict[str, object] = {}
        exec(block.replace("ARCHIVE", str(past.root)), names)  # noqa: S102 - our own guide
        results.append(names)

    power, warmest, pandas = results
    assert len(power["power"]) == 3
    assert power["power"]["kw"].notna().all()
    assert warmest["warmest"]["cell"].between(1, 12).all()
    assert len(pandas["soc"]) == 270


async def test_the_question_of_bi_tools_is_answered(past):
    await past.run(
        "INSERT INTO rollups_15min (station, device, signal, bucket, minimum, maximum, mean, last,"
        " count, discharged_kwh) VALUES"
        " ('alpha', 'PCS-1', 'active_power_kw', '2026-01-01T00:00Z', 1, 3, 2, 3, 900, 0.5),"
        " ('alpha', 'PCS-2', 'active_power_kw', '2026-01-01T00:00Z', 1, 3, 2, 3, 900, 0.5)"
    )

    (question,) = blocks("sql")
    answer = await past.rows(question)

    assert answer == [(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 2.0, 0.5)]
