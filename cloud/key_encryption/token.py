"""Key-encryption keys in a token reached by PKCS#11, such as a hardware security module.

The keys are made in the token and cannot leave it; the token itself wraps and unwraps, by
CKM_AES_GCM (C_Encrypt and C_Decrypt) with a nonce of ours. Generation N is the secret key
labelled "PREFIX-N". A wrapped key is nonce (12 bytes), ciphertext, tag (16).
"""

import os
import stat
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from cloud.config import Pkcs11Section
from cloud.errors import KeyStoreError
from cloud.key_encryption.ring import WrongKeyError

_NONCE_BYTES: Final = 12
_KEY_BITS: Final = 256
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

_T = TypeVar("_T")

# A process logs in to a token once, for all its sessions, and the end of any of them ends the
# login: so all parts of a process share one session, one at a time.
_sessions: dict[tuple[str, str], Any] = {}
_turn = threading.RLock()


def read_pin(section: Pkcs11Section, environment: Mapping[str, str]) -> str:
    """Return the token's PIN from the file or the variable that the configuration names.

    Raises:
        KeyStoreError: there is none, or others can read the file.
    """
    if section.pin_file is None:
        pin = environment.get(section.pin_env or "", "")
        if not pin:
            raise KeyStoreError(f"the environment has no {section.pin_env}, which holds the PIN")
        return pin
    path = section.pin_file
    try:
        if path.stat().st_mode & _OTHERS:
            raise KeyStoreError(f"{path} is open to others: chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KeyStoreError(f"{path}: {error.strerror}; it must hold the token's PIN") from error


class TokenKeys:
    """Generations as secret keys of one token."""

    def __init__(self, section: Pkcs11Section) -> None:
        self._section = section
        self._pkcs11 = _library()

    @property
    def where(self) -> str:
        """The token's name."""
        return f"token {self._section.token!r}"

    def generations(self) -> frozenset[int]:
        """Return the generations that the token holds."""
        prefix = f"{self._section.key_label}-"

        def look(session: Any) -> frozenset[int]:
            labels = [str(key.label) for key in self._secret_keys(session)]
            numbers = [one.removeprefix(prefix) for one in labels if one.startswith(prefix)]
            return frozenset(int(number) for number in numbers if number.isdecimal())

        return self._in_session(look)

    def make(self, generation: int) -> None:
        """Have the token make a key that cannot leave it and does nothing but wrap for us."""
        attribute = self._pkcs11.Attribute
        never = ("EXTRACTABLE", "WRAP", "UNWRAP", "DERIVE", "SIGN", "VERIFY")
        always = ("SENSITIVE", "PRIVATE", "ENCRYPT", "DECRYPT")
        template = {attribute[name]: False for name in never}
        template |= {attribute[name]: True for name in always}

        def generate(session: Any) -> None:
            label = self._label(generation)
            if self._secret_keys(session, label):
                raise KeyStoreError(f"{self.where} holds {label!r} already; it is never replaced")
            session.generate_key(
                self._pkcs11.KeyType.AES, _KEY_BITS, label=label, store=True, template=template
            )

        self._in_session(generate)

    def wrap(self, generation: int, place: bytes, key: bytes) -> bytes:
        """Return nonce and sealed key."""
        nonce = os.urandom(_NONCE_BYTES)
        how = self._gcm(nonce, place)
        return nonce + self._in_session(
            lambda session: bytes(self._key(session, generation).encrypt(key, **how))
        )

    def unwrap(self, generation: int, place: bytes, wrapped: bytes) -> bytes:
        """Return the key."""
        errors = self._pkcs11.exceptions
        # SoftHSM answers "general error" to a tag that does not fit.
        unfit = errors.EncryptedDataInvalid, errors.EncryptedDataLenRange, errors.GeneralError
        nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]

        def decrypt(session: Any) -> bytes:
            key = self._key(session, generation)
            try:
                return bytes(key.decrypt(sealed, **self._gcm(nonce, place)))
            except unfit as error:
                raise WrongKeyError(
                    f"{self._label(generation)!r} in {self.where} is not the key that it was "
                    "made with; restore the token from its backup"
                ) from error

        return self._in_session(decrypt)

    def remove(self, generation: int) -> None:
        """Destroy the key in the token."""
        self._in_session(lambda session: self._key(session, generation).destroy())

    def _label(self, generation: int) -> str:
        return f"{self._section.key_label}-{generation}"

    def _gcm(self, nonce: bytes, place: bytes) -> dict[str, Any]:
        return {
            "mechanism": self._pkcs11.Mechanism.AES_GCM,
            "mechanism_param": self._pkcs11.GCMParams(nonce, place),
        }

    def _secret_keys(self, session: Any, label: str | None = None) -> list[Any]:
        attribute = self._pkcs11.Attribute
        search: dict[Any, Any] = {attribute.CLASS: self._pkcs11.ObjectClass.SECRET_KEY}
        if label is not None:
            search[attribute.LABEL] = label
        return list(session.get_objects(search))

    def _key(self, session: Any, generation: int) -> Any:
        label = self._label(generation)
        found = self._secret_keys(session, label)
        if len(found) != 1:
            raise KeyStoreError(
                f"{self.where} holds {len(found)} keys {label!r}, one is needed; restore the "
                "token from its backup"
            )
        return found[0]

    def _in_session(self, use: Callable[[Any], _T]) -> _T:
        """Call `use` with the session; once more with a fresh one when the token dropped it.

        Raises:
            KeyStoreError: the token cannot be used; the text says why.
        """
        errors = self._pkcs11.exceptions
        dropped = (
            *(errors.SessionHandleInvalid, errors.SessionClosed, errors.UserNotLoggedIn),
            *(errors.DeviceRemoved, errors.DeviceError, errors.TokenNotPresent),
        )
        with _turn:
            try:
                try:
                    return use(self._session())
                except dropped:
                    self._begin_anew()
                    return use(self._session())
            except errors.PKCS11Error as error:
                said = f"{type(error).__name__} {error}".strip()
                raise KeyStoreError(
                    f"{self.where} by {self._section.module}: {said}; check module, token, PIN "
                    "and that the token is reached"
                ) from error

    def _session(self) -> Any:
        section = self._section
        place = str(section.module), section.token
        if place not in _sessions:
            token = self._pkcs11.lib(place[0]).get_token(token_label=section.token)
            pin = read_pin(section, os.environ)
            _sessions[place] = token.open(rw=True, user_pin=pin)
        return _sessions[place]

    def _begin_anew(self) -> None:
        module = str(self._section.module)
        for place in [one for one in _sessions if one[0] == module]:
            del _sessions[place]
        self._pkcs11.lib(module).reinitialize()


def _library() -> Any:
    try:
        import pkcs11  # noqa: PLC0415 - installed only where a token is used
    except ImportError as error:
        raise KeyStoreError(
            "[keys.pkcs11] needs the package python-pkcs11: install the extra 'hsm' "
            "(.venv/bin/python -m pip install -c constraints.txt -e '.[hsm]')"
        ) from error
    return pkcs11
