import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.envelope import (
    EnvelopeError,
    EnvelopeMalformed,
    EpochKey,
    KeyAnnouncement,
    KeyRefused,
    Replayed,
    ReplayWindow,
    Sealer,
    SequenceError,
    Stream,
    Tampered,
    UnknownEpoch,
    WrongStation,
    open_key,
    peek,
)
from contract.replay import MAX_SEQUENCE

CLOUD = X25519PrivateKey.generate()
STATION_KEY = Ed25519PrivateKey.generate()
STATION = "jinshan-1"


def sealer(station: str = STATION, epoch: int = 7) -> Sealer:
    return Sealer(station, CLOUD.public_key(), STATION_KEY, epoch)


def opened(announced: KeyAnnouncement | bytes) -> EpochKey:
    return open_key(announced, CLOUD, STATION_KEY.public_key())


SEALER = sealer()
EPOCH_KEY = opened(SEALER.announcement)
MESSAGE = SEALER.seal(5, Stream.TELEMETRY, b"power to the people" * 3)


@settings(max_examples=50)
@given(st.binary(max_size=300), st.sampled_from(Stream), st.integers(0, MAX_SEQUENCE))
def test_what_was_sealed_is_opened(plaintext, stream, sequence):
    blob = sealer().seal(sequence, stream, plaintext)

    header = peek(blob)

    assert (header.station, header.epoch) == (STATION, 7)
    assert (header.sequence, header.stream) == (sequence, stream)
    assert plaintext not in blob or len(plaintext) < 5


def test_the_announced_key_opens_and_the_wire_form_is_the_same_announcement():
    again = KeyAnnouncement.from_bytes(SEALER.announcement.to_bytes())

    assert again == SEALER.announcement
    assert EPOCH_KEY.open(MESSAGE, STATION) == b"power to the people" * 3
    assert opened(SEALER.announcement.to_bytes()).open(MESSAGE, STATION).startswith(b"power")


@given(st.integers(0, len(MESSAGE) * 8 - 1))
def test_a_flipped_bit_anywhere_is_refused(bit):
    blob = bytearray(MESSAGE)
    blob[bit // 8] ^= 1 << bit % 8

    with pytest.raises(EnvelopeError):
        EPOCH_KEY.open(bytes(blob), STATION)


@given(st.integers(0, len(MESSAGE) - 1))
def test_a_truncated_message_is_refused(length):
    with pytest.raises(EnvelopeError):
        EPOCH_KEY.open(MESSAGE[:length], STATION)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    with pytest.raises(EnvelopeError):
        EPOCH_KEY.open(noise, STATION)
    with pytest.raises(EnvelopeError):
        opened(noise)


def test_altered_header_fields_are_noticed_by_the_tag():
    header_size = len(MESSAGE) - len(b"power to the people" * 3) - 16
    for at in range(header_size - 9, header_size):  # sequence and stream
        blob = bytearray(MESSAGE)
        blob[at] ^= 3
        with pytest.raises((Tampered, EnvelopeMalformed)):
            EPOCH_KEY.open(bytes(blob), STATION)


def test_a_message_of_another_station_is_refused_before_its_key_is_tried():
    other = sealer("jinshan-2").seal(1, Stream.LIVE, b"x")

    with pytest.raises(WrongStation, match="jinshan-2"):
        EPOCH_KEY.open(other, STATION)
    with pytest.raises(WrongStation):
        EPOCH_KEY.open(MESSAGE, "jinshan-2")


def test_a_message_of_another_epoch_asks_for_its_key():
    later = sealer(epoch=8).seal(1, Stream.TELEMETRY, b"x")

    with pytest.raises(UnknownEpoch, match="announce"):
        EPOCH_KEY.open(later, STATION)


def test_a_message_of_an_old_epoch_is_still_opened_with_its_own_key():
    sealer(epoch=8)

    assert EPOCH_KEY.open(MESSAGE, STATION)


def test_streams_do_not_share_nonces():
    first = sealer()
    blobs = [first.seal(3, stream, b"same plaintext") for stream in Stream]
    key = opened(first.announcement)

    assert len({b[-30:] for b in blobs}) == len(Stream)
    assert {key.open(b, STATION) for b in blobs} == {b"same plaintext"}


def test_a_sequence_is_never_used_twice():
    station = sealer()
    station.seal(4, Stream.TELEMETRY, b"x")

    for sequence in (4, 3, -1, MAX_SEQUENCE + 1):
        with pytest.raises(SequenceError):
            station.seal(sequence, Stream.TELEMETRY, b"x")
    station.seal(4, Stream.EVENTS, b"x")
    station.seal(5, Stream.TELEMETRY, b"x")


def test_every_epoch_has_a_key_of_its_own():
    first, second = sealer(epoch=1), sealer(epoch=1)
    blob = first.seal(1, Stream.LIVE, b"secret")

    with pytest.raises(Tampered):
        opened(second.announcement).open(blob, STATION)


def test_an_announcement_signed_by_another_station_is_refused():
    foreign = Sealer(STATION, CLOUD.public_key(), Ed25519PrivateKey.generate(), 7)

    with pytest.raises(KeyRefused, match="not signed"):
        opened(foreign.announcement)


def test_an_announcement_for_another_cloud_is_refused():
    foreign = Sealer(STATION, X25519PrivateKey.generate().public_key(), STATION_KEY, 7)

    with pytest.raises(KeyRefused, match="not wrapped"):
        opened(foreign.announcement)


@given(st.data())
def test_an_altered_announcement_is_refused(data):
    blob = bytearray(SEALER.announcement.to_bytes())
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8

    with pytest.raises(EnvelopeError):
        opened(bytes(blob))


def test_a_key_cannot_be_moved_to_another_epoch_even_by_the_station_itself():
    own = SEALER.announcement
    moved = sealer(epoch=9).announcement
    mixed = KeyAnnouncement(STATION, 9, own.wrapped, moved.signature)

    with pytest.raises(KeyRefused):
        opened(mixed)


@pytest.mark.parametrize("station", ["", "x" * 33, "电" * 11, "a\0b", "line\n", "\ud800" * 40])
def test_a_station_id_that_does_not_fit_the_header_is_refused(station):
    with pytest.raises(EnvelopeMalformed):
        sealer(station)


def test_a_chinese_station_id_survives():
    station = "金山一号"
    blob = sealer(station).seal(1, Stream.LIVE, b"x")

    assert peek(blob).station == station


@pytest.mark.parametrize("epoch", [-1, 1 << 32])
def test_an_epoch_outside_its_range_is_refused(epoch):
    with pytest.raises(EnvelopeMalformed):
        sealer(epoch=epoch)


def test_a_poor_source_of_entropy_is_refused():
    with pytest.raises(KeyRefused, match="entropy"):
        Sealer(STATION, CLOUD.public_key(), STATION_KEY, 1, entropy=lambda n: b"\0" * (n - 1))


class Model:
    """The replay rule in slow words."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: set[int] = set()

    def takes(self, sequence: int) -> bool:
        top = max(self.seen, default=-1)
        fresh = sequence > top - self.size and sequence not in self.seen
        if fresh:
            self.seen.add(sequence)
        return fresh


@settings(max_examples=200)
@given(
    st.integers(1, 70),
    st.lists(st.integers(0, 200) | st.integers(0, MAX_SEQUENCE), max_size=60),
)
def test_the_replay_window_follows_its_model(size, sequences):
    window, model = ReplayWindow(size), Model(size)

    for sequence in sequences:
        try:
            window.check_and_mark(sequence)
            taken = True
        except Replayed:
            taken = False
        assert taken == model.takes(sequence)


def test_the_replay_window_takes_late_messages_once():
    window = ReplayWindow()
    window.check_and_mark(5000)
    window.check_and_mark(5000 - 1023)

    for sequence in (5000, 5000 - 1023, 5000 - 1024, -1, MAX_SEQUENCE + 1):
        with pytest.raises(Replayed):
            window.check_and_mark(sequence)


def test_a_jump_of_the_sequence_costs_no_memory():
    window = ReplayWindow(64)
    window.check_and_mark(0)
    window.check_and_mark(MAX_SEQUENCE)

    with pytest.raises(Replayed):
        window.check_and_mark(0)


def test_a_window_that_remembers_nothing_is_refused():
    with pytest.raises(SequenceError):
        ReplayWindow(0)
