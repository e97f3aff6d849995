import pytest

from station.estimation.keeping import Kept, KeptGroup, KeptStateError, keep, recall

KEPT = Kept(
    1_700_000_000_000, (KeptGroup(("A", "B"), "m v1", b"abc"), KeptGroup(("C",), "n v2", b""))
)


def test_what_is_kept_is_recalled(tmp_path):
    file = tmp_path / "estimators" / "state.bin"

    keep(file, KEPT)

    assert recall(file) == KEPT
    assert [path.name for path in file.parent.iterdir()] == ["state.bin"]


def test_where_nothing_was_kept_nothing_is_recalled(tmp_path):
    assert recall(tmp_path / "state.bin") is None


@pytest.mark.parametrize("cut", [0, 3, 20, -1])
def test_a_file_that_was_cut_off_is_refused(tmp_path, cut):
    file = tmp_path / "state.bin"
    keep(file, KEPT)
    file.write_bytes(file.read_bytes()[:cut])

    with pytest.raises(KeptStateError, match="damaged"):
        recall(file)


def test_a_file_of_another_form_is_refused(tmp_path):
    file = tmp_path / "state.bin"
    keep(file, KEPT)
    file.write_bytes(file.read_bytes().replace(b'"form":1', b'"form":9'))

    with pytest.raises(KeptStateError, match="form"):
        recall(file)
