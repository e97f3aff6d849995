from dataclasses import replace

from contract.commands import CommandState as Kept
from contract.words import Words
from station.command_book import LATE_MS, MOST_OPEN, CommandBook
from station.dispatch.commands import (
    SETPOINT,
    Command,
    CommandState,
    ConverterCommands,
    DeliveryRules,
)

T0 = 1_795_000_000_000


def issued(
    name: str = "c",
    at: int = T0,
    point: str = SETPOINT,
    device: str = "C1-PCS",
    source: str = "schedule",
) -> Command:
    return Command(name, device, point, 500.0, "order-1", "SOC band", at, source=source)


def accepted(command: Command, at: int) -> Command:
    return replace(command, state=CommandState.ACCEPTED, accepted_ms=at)


def settled(command: Command, state: CommandState, at: int, reason: str = "") -> Command:
    return replace(command, state=state, settled_ms=at, reason=reason)


def told(book: CommandBook, now_ms: int) -> list[tuple[str, str]]:
    return [(record.id, record.state.value) for record in book.page(now_ms).due]


def test_a_command_is_kept_at_every_step_and_told_once_when_it_has_settled():
    book, command = CommandBook("s"), replace(issued(), source="agc")
    book.note([command])
    first = book.page(T0)
    book.note([accepted(command, T0 + 10)])
    second = book.page(T0 + 1000)
    book.note([settled(accepted(command, T0 + 10), CommandState.DELIVERED, T0 + 2000)])
    third = book.page(T0 + 2000)

    assert [[r.state for r in page.changed] for page in (first, second, third)] == [
        [Kept.ISSUED],
        [Kept.ACCEPTED],
        [Kept.DELIVERED],
    ]
    assert (first.due, second.due, third.due) == ((), (), third.changed)
    (record,) = third.due
    assert (record.station, record.source, record.requester) == ("s", "agc", "order-1")
    assert (record.bound_by, record.value) == ("SOC band", 500.0)
    assert (record.issued_ms, record.accepted_ms, record.settled_ms) == (T0, T0 + 10, T0 + 2000)
    assert not book.page(T0 + 3000)


def test_of_a_whole_life_in_one_page_only_its_end_is_kept_and_told():
    book = CommandBook("s")
    life = [issued(), accepted(issued(), T0 + 10)]
    book.note([*life, settled(life[1], CommandState.SUPERSEDED, T0 + 50)])

    page = book.page(T0 + 1000)

    assert [r.state for r in page.changed] == [Kept.SUPERSEDED]
    assert page.due == page.changed


def test_a_set_point_that_stays_accepted_is_told_after_a_minute_and_again_when_it_settles():
    book, command = CommandBook("s"), accepted(issued(), T0)
    book.note([command])

    before = told(book, T0 + LATE_MS - 1)
    late = told(book, T0 + LATE_MS)
    again = told(book, T0 + LATE_MS + 1000)
    book.note([settled(command, CommandState.FAILED, T0 + 90_000, "why")])

    assert (before, late, again) == ([], [("c", "accepted")], [])
    assert told(book, T0 + 90_000) == [("c", "failed")]


def test_a_command_that_no_measurement_shows_is_told_when_it_was_accepted():
    book, contactor = CommandBook("s"), issued("trip", point="open_contactor", device="C1-R01")
    trip = replace(contactor, source="protection")
    book.note([trip, accepted(trip, T0 + 5)])
    first = told(book, T0 + 1000)
    book.note([settled(accepted(trip, T0 + 5), CommandState.DELIVERED, T0 + 400)])
    page = book.page(T0 + 2000)

    assert first == [("trip", "accepted")]
    assert [(r.state, r.source) for r in page.due] == [(Kept.DELIVERED, "protection")]


def test_a_failure_is_told_with_its_likely_cause_and_any_text_of_a_device_can_be_kept():
    book = CommandBook("s", lambda c: Words(f"cause of {c.id}", f"{c.id} 的原因"))
    odd = replace(issued(), requester="x" * 100)
    book.note([settled(odd, CommandState.FAILED, T0 + 1, "line 1\nline\0 2 " + "y" * 600)])

    (record,) = book.page(T0 + 1000).due

    assert (record.cause_en, record.cause_zh) == ("cause of c", "c 的原因")
    assert record.reason.startswith("line 1 line 2 yyy")
    assert (len(record.reason), len(record.requester)) == (500, 64)


def test_what_a_failure_in_between_made_forgotten_is_superseded_by_the_next_accepted():
    rules = DeliveryRules(1.0, 10_000, 50.0, 5_000)
    converter, book = ConverterCommands(rules), CommandBook("s")
    for number, outcome in enumerate(("accept", "fail", "accept")):
        command = issued(f"c{number}", T0 + 3000 * number)
        converter.issue(command)
        book.note([command])
        at_ms = command.issued_ms + 10
        changed = converter.accept(at_ms) if outcome == "accept" else converter.fail(at_ms, "no")
        book.note(changed)

    assert told(book, T0 + 7000) == [("c0", "superseded"), ("c1", "failed")]


def test_a_loop_of_twenty_set_points_a_second_tells_one_record_of_each_in_order():
    rules = DeliveryRules(0.1, 10_000, 0.1, 5_000)
    converter, book = ConverterCommands(rules), CommandBook("s")
    found = []
    for tick in range(100):
        command = replace(issued(f"c{tick:03}", T0 + 50 * tick), source="primary_frequency")
        converter.issue(command)
        book.note([command])
        book.note(converter.accept(command.issued_ms + 12))
        if tick % 20 == 19:
            found += told(book, command.issued_ms + 20)

    assert found == [(f"c{tick:03}", "superseded") for tick in range(99)]


def test_the_book_stays_small_whatever_is_never_settled():
    book = CommandBook("s")
    for n in range(MOST_OPEN + 500):
        book.note([issued(f"c{n}", T0 + n)])
    book.page(T0)

    book.note([settled(issued(f"c{n}", T0 + n), CommandState.FAILED, T0 + n) for n in (0, 5499)])

    assert len(book._open) <= MOST_OPEN + 2
    assert [record.id for record in book.page(T0).due] == ["c0", "c5499"]


def test_what_protection_told_a_device_settles_by_what_the_plant_shows():
    book = CommandBook("s")
    trips = [
        replace(issued(device, point="open_contactor", device=device), source="protection")
        for device in ("C1-R01", "C1-R02")
    ]
    book.note([accepted(trip, T0 + 5) for trip in trips])
    book.page(T0 + 1000)

    book.settle("C1-R01", "open_contactor", T0 + 1500, delivered=True)
    book.settle("C1-R02", "open_contactor", T0 + 3500, delivered=False)
    book.settle("C1-R03", "open_contactor", T0 + 3500, delivered=False)

    settled_ones = {record.id: record for record in book.page(T0 + 4000).due}
    assert settled_ones["C1-R01"].state is Kept.DELIVERED
    assert settled_ones["C1-R02"].state is Kept.FAILED
    assert settled_ones["C1-R02"].reason == "not confirmed by the plant"
    assert len(settled_ones) == 2
