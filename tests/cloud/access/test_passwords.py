import re

from argon2 import PasswordHasher

from cloud.access import Passwords
from cloud.access.passwords import random_password
from tests.cloud.web.console import quick_passwords


async def test_a_password_fits_only_its_own_hash():
    passwords = quick_passwords()

    stored = await passwords.hash("right horse battery")

    assert await passwords.verify(stored, "right horse battery")
    assert not await passwords.verify(stored, "wrong horse battery")
    assert not await passwords.verify("no hash at all", "right horse battery")


async def test_the_default_hash_is_argon2id_with_64_mib_and_three_passes():
    stored = await Passwords().hash("right horse battery")

    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_an_unknown_user_costs_the_same_check_and_never_matches():
    checked = []

    class Counting(PasswordHasher):
        def verify(self, *stored_and_password: str):
            checked.append(stored_and_password)
            return super().verify(*stored_and_password)

    passwords = Passwords(Counting(time_cost=1, memory_cost=8, parallelism=1))

    assert not await passwords.verify(None, "anything")
    assert len(checked) == 1


async def test_a_hash_with_weaker_parameters_is_outdated():
    weak = await quick_passwords().hash("right horse battery")

    assert Passwords().outdated(weak)
    assert not quick_passwords().outdated(weak)


def test_random_passwords_are_long_readable_and_different():
    made = {random_password() for _ in range(50)}

    assert len(made) == 50
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){4}[a-hjkmnp-z2-9]{4}", one) for one in made)
