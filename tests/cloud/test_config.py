"""A wrong configuration names file, key, value and remedy."""

import socket
from pathlib import Path

import pytest

from cloud.config import load
from cloud.errors import ConfigError
from cloud.main import main
from cloud.workers import bind

MANAGED = '[database]\ndsn = "postgresql://a@127.0.0.1/c"'


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("", "data_dir", "is required; add it"),
        ('data_dir = "d"\nworker = 2', "worker", "not a known key"),
        ('data_dir = "d"\nworkers = -1', "workers", "greater than or equal to 0"),
        (
            f'data_dir = "d"\nworkers = 0\njobs = false\n{MANAGED}',
            "jobs",
            "leave nothing to run",
        ),
        ('data_dir = "d"\nworkers = 0', "workers", "without console and without stations"),
        ('[station]\nid = "s"', "file", "the file of a station"),
        ('scenario = "hot-cell"\n[plant]\ncontainers = 2', "file", "the file of a plant"),
        ('data_dir = "d"\njobs = false', "jobs", "set database.dsn to the server"),
        ('data_dir = "d"\n[web]\ntrusted_proxies = ["*"]', "web.trusted_proxies.0", "IP address"),
        (
            'data_dir = "d"\n[edge]\ntrusted_proxies = ["10.0.0.0/8"]',
            "edge.trusted_proxies.0",
            "IP address",
        ),
        ('data_dir = "d"\n[web]\nport = 70000', "web.port", "less than or equal to 65535"),
        ('data_dir = "d"\n[edge]\nhost = "here"', "edge.host", "write an IP address"),
        ('data_dir = "d"\n[database]\ndsn = "mysql://x"', "database.dsn", "postgresql://"),
        (
            'data_dir = "d"\n[market]\nkeep_prices_years = 2',
            "market.keep_prices_years",
            "equal to 3",
        ),
        ('data_dir = "d"\n[market]\nfallback_min = 90', "market", "people are called first"),
        ("data_dir = ", "file", "is not TOML"),
    ],
)
def test_each_fault_is_named_with_its_remedy(tmp_path: Path, capsys, text, key, words):
    path = tmp_path / "cloud.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=words) as caught:
        load(path)

    assert caught.value.key == key
    assert str(path) in str(caught.value)
    assert main([str(path)]) == 2
    assert words in capsys.readouterr().err


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path):
    path = tmp_path / "cloud.toml"
    path.write_text(
        'data_dir = "data"\n[keys]\ndir = "/secret/keys"\n[database]\npassword_file = "password"'
    )

    config = load(path)

    assert config.data_dir == tmp_path / "data"
    assert config.keys_dir == Path("/secret/keys")
    assert config.database.password_file == tmp_path / "password"
    assert config.database.embedded


def test_a_port_in_use_is_named_with_its_file(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as used:
        path = tmp_path / "cloud.toml"
        path.write_text(f'data_dir = "d"\n[web]\nport = {used.getsockname()[1]}')

        with pytest.raises(ConfigError) as caught:
            bind(load(path))

    assert str(caught.value.of(path)).startswith(f"{path}: web.port = ")


def test_the_section_of_the_guide_of_bids_is_read(tmp_path: Path):
    guide = Path(__file__).parents[2] / "docs" / "market-bids.md"
    section = guide.read_text("utf-8").split("```toml\n")[1].split("```")[0]
    path = tmp_path / "cloud.toml"
    path.write_text(f'data_dir = "data"\n{section}', "utf-8")

    market = load(path).market

    assert market.exchanges[0].report_meter
    assert market.exchanges[0].token_file == tmp_path / "exchange.token"
