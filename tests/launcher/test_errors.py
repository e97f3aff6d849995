import pytest

from launcher import main as command_line
from launcher.errors import CloudAnswerError


def test_a_command_that_the_cloud_refuses_ends_with_1_whatever_the_cloud_answered(
    monkeypatch, capsys
):
    def refused(**_: object) -> None:
        raise CloudAnswerError("POST", "/api/v1/session", 401, "wrong password")

    monkeypatch.setattr(command_line, "app", refused)

    with pytest.raises(SystemExit) as ended:
        command_line.main()

    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "POST /api/v1/session: the cloud answered 401: wrong password" in told.out + told.err
