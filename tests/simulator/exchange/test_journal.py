from pathlib import Path

from simulator.exchange.journal import Journal


def test_what_comes_after_a_line_that_a_crash_cut_off_is_not_lost(tmp_path: Path):
    file = tmp_path / "journal.jsonl"
    first = Journal(file)
    first.add({"kind": "taken", "key": "a"})
    first.close()
    with file.open("ab") as cut:
        cut.write('{"kind": "taken", "key": "中'.encode()[:-1])

    second = Journal(file)
    second.add({"kind": "taken", "key": "b"})
    second.close()

    third = Journal(file)
    assert [one["key"] for one in third.read()] == ["a", "b"]
    third.close()
