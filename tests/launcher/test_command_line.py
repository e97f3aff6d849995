import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from launcher.bench import told_met
from launcher.paths import ROOT

STATIONMASTER = str(ROOT / "stationmaster")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STATIONMASTER, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def test_help_names_every_command():
    done = run("--help")

    assert done.returncode == 0
    for command in ("demo", "simulate", "station", "cloud", "doctor", "bench", "train", "test"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", ["import-prices", "forecast-eval", "backtest", "retrain"])
def test_help_is_not_cut_on_a_narrow_terminal(command: str):
    shown = run("market", command, "--help", COLUMNS="80").stdout

    assert "--" in shown
    assert "…" not in shown
    assert "--look" not in shown


def test_help_imports_neither_arrays_nor_servers():
    done = subprocess.run(
        [str(ROOT / ".venv/bin/python"), "-P", "-X", "importtime", "-m", "launcher", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "launcher.main" in imported
    assert not imported & {"numpy", "fastapi", "pydantic", "cryptography", "psycopg"}


def test_a_word_that_is_no_command_fails_before_anything_is_made(tmp_path: Path):
    script = tmp_path / "stationmaster"
    script.write_bytes(Path(STATIONMASTER).read_bytes())
    script.chmod(0o755)

    done = subprocess.run([script, "fly"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "no command 'fly'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["stationmaster"]


def test_the_script_knows_every_command():
    for command in re.findall(r"│ ([\w-]+) ", run("--help").stdout):
        assert run(command, "--help").returncode == 0, command


def script_that_installs_nothing(folder: Path) -> Path:
    """Return the script with a Python that only says what it is asked for."""
    script = folder / "stationmaster"
    script.write_bytes(Path(STATIONMASTER).read_bytes())
    script.chmod(0o755)
    (folder / "pyproject.toml").touch()
    (folder / "constraints.txt").touch()
    (folder / "bench").mkdir()
    for name in ("acquisition", "market"):
        (folder / "bench" / f"{name}.py").touch()
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    return script


BACKTEST = ("market", "backtest", "--prices", "ppo.parquet")


@pytest.mark.parametrize(
    ("before", "words", "parts"),
    [
        (("doctor",), ("market", "forecast-eval", "--members", "quick"), ["cloud", "market"]),
        (("doctor",), (*BACKTEST, "--strategies", "threshold,lp-7-day"), ["cloud", "market"]),
        (("doctor",), (*BACKTEST, "--strategies=markov-sdp"), ["cloud", "market"]),
        (("doctor",), (*BACKTEST, "--strategies", "mpc,ppo+da"), ["cloud", "market", "policy"]),
        (("doctor",), (*BACKTEST, "--strategies=imitation"), ["cloud", "market", "policy"]),
        (("doctor",), BACKTEST, ["cloud", "market", "policy"]),
        (("doctor",), (*BACKTEST, "--policy-as-is"), ["cloud", "market"]),
        (("doctor",), ("market", "retrain", "cloud.toml"), ["policy"]),
        (("doctor",), ("simulate-exchange", "exchange.toml"), ["lab"]),
        (("demo",), ("simulate-exchange", "exchange.toml"), []),
        (("doctor",), ("bench", "list"), []),
        (("doctor",), ("bench", "acquistion"), []),
        (("doctor",), ("bench", "acquisition"), ["station", "cloud", "market", "dev"]),
        (
            ("doctor",),
            ("bench", "--json", "x", "market"),
            ["station", "cloud", "market", "policy", "dev"],
        ),
        (("demo",), (*BACKTEST, "--strategies", "mpc"), []),
    ],
)
def test_a_command_installs_only_the_parts_that_it_needs(tmp_path: Path, before, words, parts):
    script = script_that_installs_nothing(tmp_path)
    log = tmp_path / ".venv" / "install.log"
    subprocess.run([script, *before], capture_output=True, check=True)
    log.unlink()

    subprocess.run([script, *words], capture_output=True, check=True)

    asked = log.read_text() if log.exists() else ""
    assert re.findall(r"\[(.*)\]$", asked.strip()) == ([",".join(parts)] if parts else [])
    assert bool(asked) == bool(parts)


def test_a_file_to_train_from_is_looked_at_before_pytorch_is_installed(tmp_path: Path):
    script = script_that_installs_nothing(tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *--look) echo "README.md: no" >&2; exit 2 ;; esac\n')

    done = subprocess.run(
        [script, "market", "retrain", "README.md"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.endswith("README.md: no\n")
    assert "policy" not in done.stderr
    assert not (tmp_path / ".venv" / ".installed-policy").exists()


def test_the_size_of_pytorch_is_told_before_it_is_installed(tmp_path: Path):
    script = script_that_installs_nothing(tmp_path)

    done = subprocess.run(
        [script, "market", "retrain", "cloud.toml"], capture_output=True, text=True, check=True
    )

    assert "PyTorch is among them: some 200 MB" in done.stderr


def test_help_installs_nothing_where_something_is_installed(tmp_path: Path):
    script = script_that_installs_nothing(tmp_path)
    (tmp_path / ".venv" / ".installed-base").write_text("of an earlier version")

    done = subprocess.run([script, "demo", "--help"], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["-P -m launcher demo --help"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "--no-browser", "--minutes", "-1"), "--minutes"),
        (("demo", "--quickly"), "no such option: --quickly"),
        (("history", "plan"), "missing argument"),
        (("history", "plan", "none.toml"), "none.toml: file = 'none.toml': cannot be read"),
        (("history", "archive", "none.toml", "--month", "May"), "--month May"),
        (("history", "restore", "here", "there", "--at", "noon"), "--at noon"),
        (("history", "verify", "none"), "at none"),
        (("models", "show", "none.zip"), "none.zip: "),
        (("models", "show", "pyproject.toml"), "pyproject.toml: this is no model package"),
        (("models", "pack", "docs", "--out", "none"), "docs: there is no bundle.toml"),
        (("simulate", "pyproject.toml"), "pyproject.toml: "),
        (("station", "pyproject.toml"), "pyproject.toml: "),
        (("cloud", "pyproject.toml"), "pyproject.toml: "),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_way_by_every_command(words, said):
    done = run(*words)

    told = done.stderr.splitlines()
    assert done.returncode == 2
    assert all(line.startswith("stationmaster: ") for line in told)
    assert any(said in line for line in told)


@pytest.mark.parametrize("command", ["simulate", "simulate-exchange", "station", "cloud"])
def test_a_missing_configuration_file_is_named_with_a_remedy(command: str):
    done = run(command, "no-such-file.toml")

    assert done.returncode == 2
    assert done.stderr.startswith("stationmaster: ")
    assert "no-such-file.toml" in done.stderr
    assert "Remedy" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_scenario_is_answered_with_the_known_ones():
    done = run("demo", "--scenario", "sunny-sunday", "--no-browser", "--minutes", "1")

    assert done.returncode == 2
    assert "'sunny-sunday'" in done.stderr
    assert "normal-day" in done.stderr
    assert "cable-pull" in done.stderr


def test_a_report_into_a_missing_folder_is_refused_before_anything_starts(tmp_path: Path):
    done = run("demo", "--report", str(tmp_path / "none" / "r.json"), "--no-browser")

    assert done.returncode == 2
    assert "does not exist" in done.stderr


def test_an_unknown_benchmark_is_answered_with_the_known_ones():
    done = run("bench", "nonsense")

    assert done.returncode == 2
    assert "frame" in done.stderr


def test_a_bundle_becomes_a_package_and_is_looked_into(tmp_path: Path):
    bundle, package = tmp_path / "bundle", tmp_path / "model.zip"
    bundle.mkdir()
    (bundle / "cell.toml").write_text("capacity_ah = 280.0\n")
    (bundle / "card.md").write_text("# A card\n")

    named = ("--name", "lfp-280ah", "--version", "2", "--make", "LFP 280 Ah")
    sealed = run("models", "seal", str(bundle), *named)
    packed = run("models", "pack", str(bundle), "--out", str(package))
    shown = run("models", "show", str(package))

    assert (sealed.returncode, packed.returncode, shown.returncode) == (0, 0, 0)
    digest = re.search(r"SHA-256 ([0-9a-f]{64})", packed.stdout)
    assert digest
    assert digest[0] in shown.stdout
    assert "# A card" in shown.stdout


def test_a_benchmark_writes_the_one_form(tmp_path: Path):
    output = tmp_path / "frame.json"

    done = run("bench", "frame", "--json", str(output))

    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert set(result) == {"machine", "command", "rows"}
    assert result["rows"]
    for row in result["rows"]:
        assert set(row) == {"name", "value", "unit", "better", "target", "peers"}
        assert row["better"] in {"less", "more"}


def test_a_benchmark_of_one_length_takes_no_other():
    done = run("bench", "frame", "--seconds", "5")

    assert done.returncode == 2
    assert "--seconds: frame has one length" in done.stderr


def test_a_part_that_a_benchmark_does_not_have_is_answered_with_those_it_has():
    whole = run("bench", "frame", "--only", "plant")
    misspelt = run("bench", "acquisition", "--only", "plnt")

    assert (whole.returncode, misspelt.returncode) == (2, 2)
    assert "frame has no part 'plant'; it is run whole" in whole.stderr
    assert "has no part 'plnt'; it has modbus, iec61850, plant" in misspelt.stderr


@pytest.mark.parametrize(
    ("value", "better", "target", "met"),
    [(1, "less", 2, "yes"), (3, "less", 2, "NO"), (3, "more", 2, "yes"), (1, "less", None, "")],
)
def test_a_row_says_whether_it_meets_its_target(value, better, target, met):
    row = {"name": "x", "value": value, "unit": "s", "better": better, "target": target}

    assert told_met(row) == met


def test_the_doctor_looks_at_everything_a_newcomer_needs():
    done = run("doctor")

    for word in ("Python", "Chromium", "Database account", "Disk"):
        assert word in done.stdout


@pytest.mark.parametrize("document", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_command_in_the_documents_exists(document: str):
    text = (ROOT / "docs" / document).read_text() + (ROOT / "README.md").read_text()
    known = set(re.findall(r"│ ([\w-]+) ", run("--help").stdout))

    commands = set(re.findall(r"\./stationmaster (\w[\w-]*)", text))

    assert commands
    assert commands <= known
