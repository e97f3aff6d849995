"""Archives in a bucket: a real server that speaks S3, on loopback."""

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cloud.config import ArchiveSection
from cloud.errors import AlteredArchive, ArchiveError
from cloud.history.archive.store import open_store
from tests.cloud.history.archives import ALL_GONE, MONTH, SOON, fill, open_past

BUCKET = "lake"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    _client(url).create_bucket(Bucket=BUCKET)
    yield url
    server.stop()


def _client(url: str):
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="us",
        aws_secret_access_key="secret",
    )


@pytest.fixture
def section(endpoint, tmp_path, request) -> ArchiveSection:
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = us\naws_secret_access_key = secret\n")
    return ArchiveSection(
        url=f"s3://{BUCKET}/{request.node.name}",
        endpoint=endpoint,
        region="us-east-1",
        credentials_file=credentials,
    )


def objects(section: ArchiveSection) -> dict[str, int]:
    prefix = section.url.removeprefix(f"s3://{BUCKET}/")
    found = _client(section.endpoint).list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/")
    return {one["Key"]: one["Size"] for one in found.get("Contents", [])}


async def test_a_month_goes_to_a_bucket_is_dropped_and_comes_back(stored, tmp_path, section):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path, files=open_store(section))
    await past.roll_up()
    before = await past.frames()

    await past.retain(SOON)
    assert await past.retain(ALL_GONE) == []
    gone = await stored.count("blocks")
    done = await past.restore()

    names = sorted(key.rpartition("/")[2] for key in objects(section) if not key.endswith("/"))
    assert names[0] == "MANIFEST.json"
    assert len(names) == 5
    assert gone == 0
    assert done.put_back == done.manifest.samples
    assert await past.frames() == before


async def test_a_month_archived_again_leaves_one_version(stored, tmp_path, section):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path, files=open_store(section))

    await past.archive(SOON)
    await past.archive(SOON)

    versions = past.files.versions("alpha", MONTH)
    assert len(versions) == 1
    assert {key.split("/")[-2] for key in objects(section) if not key.endswith("/")} == set(
        versions
    )


async def test_objects_without_a_manifest_do_not_count_and_are_cleared_away(
    stored, tmp_path, section
):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path, files=open_store(section))
    prefix = section.url.removeprefix(f"s3://{BUCKET}/")
    left = f"{prefix}/station=alpha/year=2026/month=01/20260201T000000Z/meter.parquet"
    _client(section.endpoint).put_object(Bucket=BUCKET, Key=left, Body=b"half")

    assert past.files.versions("alpha", MONTH) == []
    await past.archive(SOON)

    assert left not in objects(section)
    assert past.files.months("alpha") == [MONTH]


async def test_a_flipped_byte_in_an_object_is_found(stored, tmp_path, section):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path, files=open_store(section))
    await past.archive(SOON)
    key = next(key for key in objects(section) if key.endswith("pcs.parquet"))
    client = _client(section.endpoint)
    content = bytearray(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    content[len(content) // 3] ^= 4
    client.put_object(Bucket=BUCKET, Key=key, Body=bytes(content))

    with pytest.raises(ArchiveError, match=r"pcs\.parquet: was altered"):
        await past.restore()


async def test_a_store_that_cannot_be_reached_is_named_with_a_remedy(stored, tmp_path, section):
    await fill(stored)
    nowhere = section.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    past = open_past(stored, tmp_path, tmp_path, files=open_store(nowhere))

    with pytest.raises(ArchiveError, match="check that the store can be reached"):
        await past.archive(SOON)


async def test_a_bucket_that_cannot_be_reached_for_a_while_keeps_its_archive_and_its_trust(
    stored, tmp_path, section
):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path, files=open_store(section))
    await past.roll_up()
    await past.retain(SOON)
    good = past.versions()
    past.files = open_store(section.model_copy(update={"endpoint": "http://127.0.0.1:9"}))

    waiting = await past.retain(ALL_GONE)

    assert "check that the store can be reached" in waiting[0]
    assert await stored.count("blocks") == 12
    past.files = open_store(section)
    assert await past.retain(ALL_GONE) == []
    assert past.versions() == good
    assert await stored.count("blocks") == 0


async def test_an_object_that_is_gone_is_told_as_missing(stored, tmp_path, section):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path, files=open_store(section))
    await past.archive(SOON)
    key = next(key for key in objects(section) if key.endswith("pcs.parquet"))
    _client(section.endpoint).delete_object(Bucket=BUCKET, Key=key)

    with pytest.raises(AlteredArchive, match=r"pcs\.parquet: is missing"):
        await past.restore()


async def test_credentials_that_cannot_be_read_are_named(tmp_path, section):
    file = tmp_path / "other"
    file.write_text("nothing")

    with pytest.raises(ArchiveError, match="aws_access_key_id"):
        open_store(section.model_copy(update={"credentials_file": file}))
