"""How far a long command is, where nobody draws bars."""

import io
import sys

import pytest

from launcher.progress import Lines, progress


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def told(*news: tuple[float, str, float]) -> list[str]:
    """Lines that are written of (time, part, share)."""
    out, clock = io.StringIO(), Clock()
    tell = Lines(out, clock)
    for at_s, part, share in news:
        clock.now_s = at_s
        tell(part, share)
    return out.getvalue().splitlines()


def test_a_part_tells_its_beginning_its_tenths_and_its_end():
    lines = told(*((10.0 * k, "racks", k / 40) for k in range(41)))

    assert lines == [f"racks: {share} %" for share in range(0, 101, 10)]


def test_a_part_that_is_done_in_a_moment_tells_only_where_it_began_and_that_it_ended():
    assert told(*((0.01 * k, "racks", k / 10) for k in range(11))) == ["racks: 0 %", "racks: 100 %"]
    assert told((0.0, "racks", 1.0), (9.0, "racks", 1.0)) == ["racks: 100 %"]


def test_parts_are_told_apart():
    lines = told((0, "racks", 0.0), (1, "days", 0.5), (2, "racks", 1.0), (3, "days", 1.0))

    assert lines == ["racks: 0 %", "days: 50 %", "racks: 100 %", "days: 100 %"]


def test_without_a_terminal_lines_are_written_beside_what_a_command_finds(capsys):
    with progress() as tell:
        tell("training", 0.0, "loss 0.5")

    assert capsys.readouterr() == ("", "training: 0 % loss 0.5\n")


@pytest.mark.parametrize("stays", [True, False])
def test_at_a_terminal_bars_are_drawn(monkeypatch, stays):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress(stays=stays) as tell:
        tell("training", 0.25)

    assert "━" in terminal.getvalue()
