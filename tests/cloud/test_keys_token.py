"""Key-encryption keys in a real PKCS#11 token (SoftHSM2)."""

import pytest
from pydantic import ValidationError

from cloud.config import Pkcs11Section
from cloud.errors import KeyStoreError
from cloud.key_encryption import FileKeys, KeyRing, WrongKeyError
from cloud.key_encryption import token as token_room
from cloud.key_encryption.token import TokenKeys, read_pin
from cloud.keys import open_keys
from tests.cloud.tokens import MODULE, PIN, make_token

KEY = bytes(range(32))


@pytest.fixture
def section(tmp_path) -> Pkcs11Section:
    return make_token(tmp_path)


@pytest.fixture
def token(section) -> TokenKeys:
    return TokenKeys(section)


def test_a_token_makes_generations_and_wraps_by_itself(token):
    ring = KeyRing(token)

    assert ring.newest() is None
    assert [ring.make(), ring.make(), ring.newest()] == [1, 2, 2]
    wrapped = ring.wrap(2, b"alpha\x001", KEY)
    assert ring.unwrap(2, b"alpha\x001", wrapped) == KEY
    assert len(wrapped) == 12 + len(KEY) + 16


def test_a_key_of_the_token_cannot_leave_it(token):
    import pkcs11
    from pkcs11 import Attribute

    token.make(1)

    (key,) = token._in_session(token._secret_keys)
    told = {one: key[one] for one in (Attribute.EXTRACTABLE, Attribute.SENSITIVE, Attribute.LOCAL)}
    assert told == {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True, Attribute.LOCAL: True}
    assert key[Attribute.NEVER_EXTRACTABLE]
    assert key.key_length == 256
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        key[Attribute.VALUE]


def test_a_wrapped_key_opens_only_by_its_generation_at_its_place_and_unaltered(token):
    ring = KeyRing(token)
    ring.make()
    ring.make()
    wrapped = ring.wrap(1, b"alpha\x001", KEY)

    for generation, place, altered in (
        (2, b"alpha\x001", wrapped),
        (1, b"beta\x001", wrapped),
        (1, b"alpha\x001", wrapped[:-1] + bytes([wrapped[-1] ^ 1])),
    ):
        with pytest.raises(WrongKeyError, match="is not the key that it was made with"):
            ring.unwrap(generation, place, altered)


def test_a_generation_is_not_made_twice_and_can_be_destroyed(token):
    token.make(1)
    token.make(2)

    with pytest.raises(KeyStoreError, match="never replaced"):
        token.make(2)
    token.remove(1)

    assert token.generations() == {2}
    with pytest.raises(KeyStoreError, match="holds 0 keys"):
        token.wrap(1, b"", KEY)


def test_keys_with_other_labels_are_no_generations(section, token):
    other = TokenKeys(section.model_copy(update={"key_label": "stationmaster-backup"}))
    other.make(1)
    token.make(5)

    assert token.generations() == {5}
    assert other.generations() == {1}


def test_files_from_before_the_token_go_on_unwrapping_and_numbers_go_on(token, tmp_path):
    files = FileKeys(tmp_path)
    wrapped = KeyRing(files).wrap(KeyRing(files).make(), b"alpha\x001", KEY)

    ring = KeyRing(token, [files])

    assert ring.newest() is None  # the token wraps, and has nothing yet
    assert ring.make() == 2
    assert ring.unwrap(1, b"alpha\x001", wrapped) == KEY
    assert ring.unwrap(2, b"alpha\x001", ring.wrap(2, b"alpha\x001", KEY)) == KEY
    assert ring.generations() == [1, 2]


def test_a_number_that_both_places_hold_is_tried_in_both(token, tmp_path):
    files = FileKeys(tmp_path)
    files.make(1)
    token.make(1)
    ring = KeyRing(token, [files])

    assert ring.unwrap(1, b"p", files.wrap(1, b"p", KEY)) == KEY
    assert ring.unwrap(1, b"p", token.wrap(1, b"p", KEY)) == KEY
    with pytest.raises(WrongKeyError):
        ring.unwrap(1, b"q", token.wrap(1, b"p", KEY))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the library
def test_a_session_that_the_token_has_dropped_is_opened_again(section, token):
    token.make(1)
    token_room._sessions[str(MODULE), section.token].close()

    assert token.generations() == {1}


def test_two_parts_of_a_process_use_one_login(section):
    first, second = TokenKeys(section), TokenKeys(section)

    first.make(1)

    assert second.generations() == {1}
    assert second.unwrap(1, b"p", first.wrap(1, b"p", KEY)) == KEY


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "nobody"}, "NoSuchToken"),
        ({"module": "/nowhere/lib.so"}, "cannot open shared object"),
    ],
)
def test_a_token_that_is_not_there_stops_the_start_and_is_named(section, tmp_path, change, words):
    with pytest.raises(KeyStoreError, match=words):
        open_keys(tmp_path / "keys", section.model_copy(update=change))


def test_a_wrong_pin_stops_the_start_without_showing_it(section, tmp_path):
    section.pin_file.write_text("9999")

    with pytest.raises(KeyStoreError, match="PinIncorrect") as error:
        open_keys(tmp_path / "keys", section)

    assert "9999" not in str(error.value)


def test_the_pin_comes_from_a_private_file_or_from_the_environment(section, tmp_path):
    by_name = Pkcs11Section(module=MODULE, token="t", pin_env="SM_PIN")

    assert read_pin(section, {}) == PIN
    assert read_pin(by_name, {"SM_PIN": "1234"}) == "1234"
    with pytest.raises(KeyStoreError, match="the environment has no SM_PIN"):
        read_pin(by_name, {})
    section.pin_file.chmod(0o640)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        read_pin(section, {})
    section.pin_file.unlink()
    with pytest.raises(KeyStoreError, match="must hold the token's PIN"):
        read_pin(section, {})


@pytest.mark.parametrize("pins", [{}, {"pin_file": "a", "pin_env": "B"}])
def test_a_configuration_names_exactly_one_source_of_the_pin(pins):
    with pytest.raises(ValidationError, match="one of them"):
        Pkcs11Section(module=MODULE, token="t", **pins)


def test_a_pin_in_the_configuration_is_an_unknown_key():
    with pytest.raises(ValidationError, match="pin"):
        Pkcs11Section.model_validate({"module": MODULE, "token": "t", "pin": "1"})
