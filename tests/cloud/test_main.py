"""How the cloud's command line tells that it cannot do what it was asked."""

import pytest

from cloud.main import main


def test_a_wrong_configuration_is_one_line_with_file_and_key(tmp_path, capsys):
    config = tmp_path / "cloud.toml"
    config.write_text('data_dir = "data"\n[web]\nport = "high"\n')

    status = main([str(config)])

    (told,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert told.startswith(f"stationmaster: {config}: web.port = 'high': ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("arguments", [[], ["cloud.toml", "--prepair"]])
def test_wrong_arguments_are_one_line_that_names_the_help(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    (told,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert told.startswith("stationmaster: ")
    assert told.endswith("; see python -m cloud --help")
