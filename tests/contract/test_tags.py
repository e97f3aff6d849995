import pytest

from contract.tags import container_of, is_container


@pytest.mark.parametrize(
    ("tag", "container"),
    [
        ("C1-R07", "C1"),
        ("BESS12-R07-IMD", "BESS12"),
        ("METER", ""),
        ("BX-S1", ""),
        ("1-R07", ""),
        ("C1", ""),
        ("C\u0661-R07", ""),
    ],
)
def test_a_tag_names_its_container_by_letters_a_number_and_a_dash(tag, container):
    assert container_of(tag) == container
    assert not container or is_container(container)


@pytest.mark.parametrize("name", ["", "BX", "C", "7", "C1-", "C1-R1", "C1\n"])
def test_what_no_tag_can_name_is_no_container(name):
    assert not is_container(name)
