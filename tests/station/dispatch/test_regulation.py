import pytest

from station.dispatch.errors import RegulationError
from station.dispatch.regulation import RegulationSignal, load_regulation


def test_the_last_column_is_read_and_header_and_remarks_are_left_out(tmp_path):
    file = tmp_path / "signal.csv"
    file.write_text("# source\ntime_s,signal\n0,0.5\n4,-1\n")

    assert load_regulation(file, 300.0, 4.0).values == (0.5, -1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("signal\n0.5\n1.2\n", "row 3: 1.2 is not within -1..1"),
        ("signal\n0.5\nhigh\n", "row 3: 'high' is no number"),
        ("signal\nnan\n", "is not within"),
        ("signal\n", "holds no values"),
    ],
)
def test_a_wrong_file_is_refused_with_its_row(tmp_path, text, words):
    file = tmp_path / "signal.csv"
    file.write_text(text)

    with pytest.raises(RegulationError, match=str(file)) as refusal:
        load_regulation(file, 300.0, 4.0)

    assert words in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RegulationError, match="cannot be read"):
        load_regulation(tmp_path / "none.csv", 300.0, 4.0)


def test_the_value_depends_on_the_moment_alone_and_repeats():
    signal = RegulationSignal((0.0, 1.0, -1.0), capacity_kw=100, period_s=4)

    assert [signal.power_at(ms) for ms in (0, 3999, 4000, 8000, 12_000)] == [0, 0, 100, -100, 0]
