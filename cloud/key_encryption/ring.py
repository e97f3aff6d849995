"""Generations of key-encryption keys: the newest wraps, every one that is left unwraps."""

from collections.abc import Sequence
from typing import Protocol

from cloud.errors import KeyStoreError


class WrongKeyError(KeyStoreError):
    """A wrapped key was not made by this generation, or was altered."""


class KeyEncryption(Protocol):
    """A place where key-encryption keys live. Its calls block; a token may be across a network.

    A generation is a number from 1 on; its key is AES-256 and never changes. `place` names what
    is wrapped and is authenticated with it, so that wrapped keys cannot be exchanged.
    """

    @property
    def where(self) -> str:
        """What people call this place in messages."""
        ...

    def generations(self) -> frozenset[int]:
        """Return the generations that are there now; looks anew at every call."""
        ...

    def make(self, generation: int) -> None:
        """Make the key of a generation; on return it survives a crash.

        Raises:
            KeyStoreError: it cannot be made, or is there already.
        """
        ...

    def wrap(self, generation: int, place: bytes, key: bytes) -> bytes:
        """Return `key` wrapped.

        Raises:
            KeyStoreError: there is no such generation, or its place does not answer.
        """
        ...

    def unwrap(self, generation: int, place: bytes, wrapped: bytes) -> bytes:
        """Return what `wrap` was given.

        Raises:
            WrongKeyError: it was wrapped by another key or for another place, or was altered.
            KeyStoreError: there is no such generation, or its place does not answer.
        """
        ...

    def remove(self, generation: int) -> None:
        """Destroy the key of a generation for good."""
        ...


class KeyRing:
    """All generations that the cloud can reach.

    `wraps` makes and wraps; `former` holds generations from before the keys moved there. The
    numbers go on over such a move.
    """

    def __init__(self, wraps: KeyEncryption, former: Sequence[KeyEncryption] = ()) -> None:
        self._wraps = wraps
        self._places = (wraps, *former)

    @property
    def where(self) -> str:
        """What people call the place of new generations."""
        return self._wraps.where

    def newest(self) -> int | None:
        """Return the generation that wraps; None before the first one is made."""
        return max(self._wraps.generations(), default=None)

    def generations(self) -> list[int]:
        """Return all generations, oldest first."""
        return sorted(frozenset().union(*(place.generations() for place in self._places)))

    def make(self) -> int:
        """Make the next generation and return its number; from now on it wraps.

        Only one process may do so at a time (`cloud.vault.key_table.lock`).
        """
        generation = max(self.generations(), default=0) + 1
        self._wraps.make(generation)
        return generation

    def wrap(self, generation: int, place: bytes, key: bytes) -> bytes:
        """Return `key` wrapped; that it can be unwrapped again has been tried.

        Raises:
            KeyStoreError: there is no such generation, or what it wraps does not open.
        """
        wrapped = self._wraps.wrap(generation, place, key)
        if self._wraps.unwrap(generation, place, wrapped) != key:
            raise KeyStoreError(
                f"generation {generation} in {self.where} unwraps another key than it wrapped; "
                "nothing was changed"
            )
        return wrapped

    def unwrap(self, generation: int, place: bytes, wrapped: bytes) -> bytes:
        """Return the key that was wrapped.

        Raises:
            WrongKeyError: the generation of this number did not wrap it, or it was altered.
            KeyStoreError: there is no generation of this number.
        """
        holders = [one for one in self._places if generation in one.generations()]
        for number, holder in enumerate(holders, 1):
            try:
                return holder.unwrap(generation, place, wrapped)
            except WrongKeyError:
                if number == len(holders):
                    raise
        places = " and ".join(place.where for place in self._places)
        raise KeyStoreError(
            f"key-encryption generation {generation} is not in {places}; restore it from the backup"
        )

    def remove(self, generation: int) -> None:
        """Destroy a generation wherever it is.

        Raises:
            KeyStoreError: it is the newest one.
        """
        if generation == self.newest():
            raise KeyStoreError(f"generation {generation} wraps now and cannot be removed")
        for place in self._places:
            if generation in place.generations():
                place.remove(generation)
