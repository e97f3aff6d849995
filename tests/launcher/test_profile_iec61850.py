"""`profile probe --iec61850` and `profile check` of mappings, against a real server."""

import socket
import threading
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from contract.frame import Quality
from contract.layout import Column, Layout
from contract.signals import SIGNALS
from launcher.errors import LauncherError, WrongInput
from launcher.main import app
from launcher.profile_check import run_check
from launcher.profile_iec61850 import Iec61850Options, _rows, run_iec61850
from launcher.reach import answers_mms
from station.protocols.driver import Reading
from station.protocols.iec61850.mapping import Binding, load
from tests.station.protocols.iec61850_made import EDITION_1, IED, MEASURED, Made
from tests.station.protocols.iec61850_peer import Converter

MAPPING = "pcs-iec61850-ed1.toml"


@pytest.fixture
def device(tmp_path):
    device = Made(tmp_path, EDITION_1).start()
    device.show(MEASURED | {"DRCS1.ModOnConn.stVal": True, "DRCS1.ECPConn.stVal": True})
    yield device
    device.stop()


def asked(device: Made, **options: str) -> Iec61850Options:
    given = {"scl": "", "mapping": MAPPING, "ied": "", **options}
    return Iec61850Options(host="127.0.0.1", port=device.server.port, **given)


@pytest.mark.parametrize("by_file", [True, False])
def test_a_probe_shows_values_beside_names_units_and_objects(device, capsys, by_file):
    scl = {"scl": str(device.icd), "ied": IED} if by_file else {}

    assert run_iec61850(asked(device, **scl)) == 0

    told = capsys.readouterr().out
    line = next(row for row in told.splitlines() if row.startswith("active_power_kw"))
    assert line.split() == ["active_power_kw", "-750.0", "kW", "good", "MMXU1.TotW"]
    assert "brMeas (buffered, configuration revision 1)" in told
    assert "command active_power_setpoint_kw: K7PCS1/DRCC1.OutWSet" in told


def test_a_floating_point_column_is_shown_in_its_unit_as_the_contract_scales_it():
    signal = replace(SIGNALS["voltage_ab_v"], dtype="f4", scale=0.1)
    binding = Binding(
        layout=Layout("made", (Column(signal),)),
        mapping=load(MAPPING),
        time=None,
        measurements="",
        signals=(),
        data_sets={},
        reports={},
        controls={},
        bases={},
    )
    raw = np.array([3990.0], np.float32)
    reading = Reading("device", "made", 0, 0, (raw,), np.array([Quality.GOOD], np.uint8))

    ((name, shown, *_),) = _rows(binding, reading)

    assert (name, shown) == ("voltage_ab_v", "399.0")


def test_a_probe_of_a_device_that_was_configured_otherwise_says_so(device, capsys):
    device.icd.write_text(device.icd.read_text("utf-8").replace('confRev="1"', 'confRev="4"'))

    assert run_iec61850(asked(device, scl=str(device.icd), ied=IED)) == 1

    told = capsys.readouterr()
    assert "configuration revision 1" in told.err
    assert "-750" in told.out


def test_a_device_that_the_mapping_does_not_fit_shows_what_it_has(device, capsys):
    with pytest.raises(LauncherError, match=r"STMP1\.Tmp"):
        run_iec61850(asked(device, mapping="pcs-iec61850-ed2.toml"))

    told = capsys.readouterr().out
    assert "PCS1/MMXU1.TotW [MX] in K7PCS1/LLN0.dsMeas" in told
    assert "PCS1/DRCC1.OutWSet can be commanded" in told


def test_a_probe_without_a_device_and_with_a_wrong_file_says_what_to_do(device, tmp_path):
    port = device.server.port
    with pytest.raises(WrongInput, match="give the path"):
        run_iec61850(asked(device, scl=str(tmp_path / "none.icd")))
    device.stop()

    with pytest.raises(LauncherError, match="right"):
        run_iec61850(Iec61850Options("127.0.0.1", port, "", "", ""))


def test_a_probe_by_a_template_asks_the_device_for_its_name_and_tells_states_in_words(
    device, capsys
):
    assert run_iec61850(asked(device, scl=str(device.icd))) == 0

    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert rows["pcs_state"][1:4] == ["2", "running", "good"]
    assert rows["breaker_closed"][1:3] == ["1", "closed"]


def test_a_probe_for_another_ied_tells_the_devices_own(device):
    with pytest.raises(LauncherError, match=f"--ied WRONG: is not there; the device has: {IED}"):
        run_iec61850(asked(device, scl=str(device.icd), ied="WRONG"))


@pytest.mark.parametrize(
    ("reply", "words"),
    [(None, "says nothing within 0.2 s"), (b"HTTP/1.1 400", "takes no connection of MMS")],
)
def test_a_port_that_speaks_something_else_is_told_so(reply, words):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                line.sendall(reply)

        if reply:
            threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(LauncherError, match=words):
            answers_mms("127.0.0.1", server.getsockname()[1], 0.2 if reply is None else 5)


@pytest.mark.parametrize("options", [["--iec61850", "--unit", "3"], ["--iec61850", "--sunspec"],
                                     ["--iec61850", "--save", "x"], ["--ied", "X"]])  # fmt: skip
def test_options_of_the_other_protocol_are_refused(options):
    found = CliRunner().invoke(app, ["profile", "probe", "127.0.0.1", *options])

    named = next(word for word in options if word.startswith("--") and word != "--iec61850")
    assert isinstance(found.exception, WrongInput)
    assert f"{named} goes with" in str(found.exception)


def test_the_command_line_knows_the_standard_converter(tmp_path):
    converter = Converter(tmp_path).start()
    converter.tick()
    try:
        found = CliRunner().invoke(
            app, ["profile", "probe", "127.0.0.1", "--port", str(converter.port), "--iec61850"]
        )
    finally:
        converter.stop()

    assert found.exit_code == 0
    assert "heatsink_temperature_c" in found.output


@pytest.mark.parametrize("mapping", ["pcs-iec61850-ed1.toml", "pcs-iec61850-ed2.toml"])
def test_check_takes_the_mappings_that_ship(mapping, capsys):
    assert run_check(mapping) == 0

    assert "of 20 signals" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('power_kw = { object = "MMXU1.TotW" }', "no signal"),
        ('active_power_kw = { object = "MMXU{n}.TotW" }', "values of it"),
        ('active_power_kw = { bits = ["A.B"], object = "A.B" }', "must be given"),
    ],
)
def test_check_says_what_is_wrong_in_a_mapping(tmp_path, capsys, line, word):
    path = tmp_path / "mapping.toml"
    path.write_text(f'title = "x"\nlayout = "pcs"\ndevice = "PCS1"\n[signals]\n{line}\n', "utf-8")

    assert run_check(str(path)) != 0

    assert word in capsys.readouterr().err


def test_check_tells_all_mistakes_of_a_mapping_together(tmp_path, capsys):
    path = tmp_path / "mapping.toml"
    path.write_text(
        'title = "x"\nlayout = "pcs"\ndevice = "PCS1"\n[signals]\n'
        'active_powr_kw = { object = "A.B" }\nfrequency_hz = { object = "A{n}.B" }\n',
        "utf-8",
    )

    assert run_check(str(path)) == 2

    told = capsys.readouterr().err
    assert "did you mean 'active_power_kw'?" in told
    assert "signals.frequency_hz" in told
    assert "2 problems" in told
