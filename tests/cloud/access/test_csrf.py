import pytest

from cloud.access import csrf

OWN = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, None),
        ({"sec-fetch-site": "same-origin"}, None),
        ({"sec-fetch-site": "cross-site", "origin": OWN}, "cross-site"),
        ({"sec-fetch-site": "same-site"}, "same-site"),
        ({"sec-fetch-site": "none"}, "none"),
        ({"origin": OWN}, None),
        ({"origin": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000"),
        ({"origin": "https://evil.example"}, "https://evil.example"),
        ({"origin": "null"}, "null"),
    ],
)
def test_only_our_own_page_or_no_browser_at_all_is_not_foreign(headers, foreign):
    assert csrf.foreign_origin(headers, OWN) == foreign


def test_a_token_matches_only_itself():
    assert csrf.token_matches("secret", "secret")
    assert not csrf.token_matches("secret", "Secret")
    assert not csrf.token_matches("secret", "")
    assert not csrf.token_matches("secret", None)
    assert not csrf.token_matches("secret", "sécret\udcff")
