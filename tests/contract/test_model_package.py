"""One content has one package; whatever else it could be is refused before it is believed."""

import io
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import model_package
from contract.errors import PackageError
from contract.model_package import Manifest, digests_of, pack, unpack, write_manifest

FILES = {
    "cell.toml": b"capacity_ah = 280.0\n",
    "card.md": "# LFP 280 Ah\nWeak below 0 °C.\n".encode(),
    "network/gru.onnx": bytes(range(256)) * 8,
}


def bundle(files=FILES, **changes: object) -> dict[str, bytes]:
    """The files of a bundle with the manifest that fits them."""
    facts = {
        "name": "lfp-280ah",
        "version": 3,
        "make": "LFP 280 Ah",
        "created": "2026-11-26",
        "note": "colder data",
        "sha256": digests_of(files),
    } | changes
    return dict(files) | {"bundle.toml": write_manifest(Manifest(**facts))}


def zipped(files, *, method=zipfile.ZIP_STORED, comment=b"", names=()) -> bytes:
    """An archive as any tool may write it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, content in [*files.items(), *names]:
            archive.writestr(path, content)
        archive.comment = comment
    return out.getvalue()


def test_a_package_gives_back_its_files_and_is_named_by_its_hash():
    blob = pack(bundle())

    package = unpack(blob)

    assert dict(package.files) == bundle()
    assert (package.manifest.name, package.manifest.version) == ("lfp-280ah", 3)
    assert package.card.startswith("# LFP 280 Ah")
    assert package.size == len(blob)
    assert len(package.sha256) == 64


def test_the_same_files_make_the_same_package_in_whatever_order_they_come():
    files = bundle()

    assert pack(files) == pack(dict(reversed(files.items())))


@given(
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=60).filter(
        str.isprintable
    ),
    st.integers(1, 1_000_000),
)
def test_every_manifest_reads_back(note, version):
    made = Manifest("a.b-1", version, f"make {note}", "2026-01-31", note, digests_of(FILES))

    assert model_package.read_manifest(write_manifest(made)) == made


@pytest.mark.parametrize("at", [0, 40, -1, -30])
def test_a_package_with_one_changed_byte_is_refused(at):
    blob = bytearray(pack(bundle()))
    blob[at] ^= 1

    with pytest.raises(PackageError):
        unpack(bytes(blob))


@given(st.data())
def test_no_byte_can_be_changed_unseen(data):
    blob = bytearray(pack(bundle()))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(PackageError):
        unpack(bytes(blob))


@given(st.binary(max_size=200))
def test_noise_is_no_package(noise):
    with pytest.raises(PackageError):
        unpack(noise)


@pytest.mark.parametrize(
    "path",
    ["../cell.toml", "/etc/passwd", "a/../b", "a\\b", ".hidden", "a//b", "a/b/c/d/e", "C:x", "-rf"],
)
def test_a_path_that_leads_elsewhere_is_refused(path):
    with pytest.raises(PackageError, match="no path of a package"):
        unpack(zipped(bundle(), names=[(path, b"x")]))
    with pytest.raises(PackageError, match="no path of a package"):
        bundle(FILES | {path: b"x"})


def test_what_would_grow_on_unpacking_is_refused():
    blob = zipped(bundle(FILES | {"big": b"0" * 9999}), method=zipfile.ZIP_DEFLATED)

    with pytest.raises(PackageError, match="compressed"):
        unpack(blob)


def test_files_that_lie_in_one_another_are_refused_before_they_are_read():
    blob = zipped({"cell.toml": b"x" * 5000})
    start = blob.index(b"PK\x01\x02")
    end = blob.index(b"PK\x05\x06")
    entry, tail = blob[start:end], bytearray(blob[end:])
    tail[8:12] = (50).to_bytes(2, "little") * 2
    tail[12:16] = (50 * len(entry)).to_bytes(4, "little")

    with pytest.raises(PackageError, match="lie in one another"):
        unpack(blob[:start] + entry * 50 + bytes(tail))


@pytest.mark.parametrize(
    "blob",
    [
        zipped(bundle(), comment=b"more"),
        zipped(bundle()),  # dated, unsorted
        b"#!/bin/sh\n" + pack(bundle()),
        pack(bundle()) + b"tail",
    ],
    ids=["a comment", "another form", "something before", "something behind"],
)
def test_nothing_can_hide_in_a_package(blob):
    with pytest.raises(PackageError):
        unpack(blob)


def test_a_file_that_the_manifest_does_not_name_or_that_is_gone_is_named():
    added = bundle() | {"extra.bin": b"x"}
    gone = {path: content for path, content in bundle().items() if path != "network/gru.onnx"}

    with pytest.raises(PackageError, match=r"not named there \['extra.bin'\]"):
        pack(added)
    with pytest.raises(PackageError, match=r"missing \['network/gru.onnx'\]"):
        pack(gone)


def test_an_altered_file_is_named():
    with pytest.raises(PackageError, match=r"cell.toml is not the file"):
        pack(bundle() | {"cell.toml": b"capacity_ah = 300.0\n"})


@pytest.mark.parametrize("path", ["cell.toml", "card.md"])
def test_a_model_without_parameters_or_card_is_refused(path):
    files = {name: content for name, content in FILES.items() if name != path}

    with pytest.raises(PackageError, match=path):
        bundle(files)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "LFP"}, "name"),
        ({"name": ""}, "name"),
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"make": ""}, "make"),
        ({"note": "two\nlines"}, "note"),
        ({"created": "today"}, "created"),
        ({"sha256": {"cell.toml": "x", "card.md": "y"}}, "64 hex digits"),
        ({"sha256": digests_of(FILES) | {"CARD.md": "0" * 64}}, "twice"),
        ({"sha256": digests_of(FILES) | {"network": "0" * 64}}, "a file and a folder"),
        ({"sha256": digests_of(FILES) | {"Bundle.toml": "0" * 64}}, "name itself"),
    ],
)
def test_a_manifest_that_no_station_should_meet_is_refused_and_named(changes, words):
    with pytest.raises(PackageError, match=words):
        bundle(**changes)


@pytest.mark.parametrize("text", [b"\xff", b"name = ", b'name = "x"\n', b"[" * 5000, b" " * 70_000])
def test_a_broken_manifest_is_refused(text):
    with pytest.raises(PackageError, match=r"bundle\.toml"):
        pack(dict(FILES) | {"bundle.toml": text})


def test_a_package_has_a_size_and_a_number_of_files(monkeypatch):
    with pytest.raises(PackageError, match="at most 63 files"):
        bundle(FILES | {f"f{i}": b"" for i in range(80)})

    monkeypatch.setattr(model_package, "MAX_PACKAGE_BYTES", 1000)
    with pytest.raises(PackageError, match="at most 1,000"):
        pack(bundle())


def test_a_card_that_nobody_can_read_is_refused():
    with pytest.raises(PackageError, match="UTF-8"):
        pack(bundle(FILES | {"card.md": b"\xff\xfe"}))
    with pytest.raises(PackageError, match="has 0 bytes"):
        pack(bundle(FILES | {"card.md": b""}))


def test_a_manifest_can_be_changed_only_into_another_valid_one():
    made = unpack(pack(bundle())).manifest

    with pytest.raises(PackageError):
        replace(made, version=-1)
