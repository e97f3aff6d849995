"""docs/protection.md, dispatch.md and operator.md: examples load, tables say what the files say."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import tomli_w

from cloud.api.alarms import RangeQuery
from cloud.api.commands import CommandsQuery
from cloud.api.control import ControlRequest, ResetRequest, SetpointRequest
from cloud.api.control import router as control
from cloud.api.session import SignInRequest
from contract.commands import SOURCES
from contract.limits import LimitReason
from contract.orders import REASONS
from station.config import ConfigError, EstimatorsConfig, StationConfig, load
from station.dispatch.arbiter import PRIORITY, Bounds, Proposal, Source, arbitrate
from station.dispatch.clock import ClockSettings
from station.dispatch.commands import CommandState
from station.dispatch.sources import AgcSettings, ConnectionSettings, SelfTestSettings
from station.fast_loop import FastLoop
from station.protection import (
    Deployment,
    Level,
    ResetRule,
    check_matrix,
    load_cell_maps,
    load_matrix,
    load_rules,
)
from station.protection.matrix import Deed, Row
from station.protection.rules import Rule
from station.protocols import FastHealth, fast_report
from tests.station.site import site_document

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "station" / "protection"
PROTECTION = (ROOT / "docs" / "protection.md").read_text("utf-8")
DISPATCH = (ROOT / "docs" / "dispatch.md").read_text("utf-8")
OPERATOR = (ROOT / "docs" / "operator.md").read_text("utf-8")
SCENARIOS = sorted((ROOT / "data" / "simulator" / "scenarios").glob("*.toml"))

GIVEN = {
    "connection.peak_kw",
    "connection.feed_in_kw",
    "split.sleep_after_s",
    "reactive.mode",
    "centre.port",
    "regulation.file",
    "regulation.capacity_kw",
}
"""Keys without a default, shown with a value that stands for one."""

OF_ANOTHER_PROTOCOL = {"centre": {"points", "tls"}}
"""Keys that cannot stand beside the defaults; docs/protocols.md shows them."""


def examples(text: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)


def row_of(text: str, name: str) -> list[str]:
    """The cells of the one table row that begins with this name in code."""
    found = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith(f"| `{name}` |")
    ]
    assert len(found) == 1, f"{name} stands in {len(found)} rows"
    return found[0]


def sections() -> dict[str, dict]:
    """Every section of the station's file that the two documents show, by name."""
    found: dict[str, dict] = {}
    for text in [*examples(DISPATCH), *examples(PROTECTION)]:
        found |= {k: v for k, v in tomllib.loads(text).items() if k in StationConfig.model_fields}
    return found


# Configuration


def test_every_section_shown_is_loaded_together_by_the_station(tmp_path):
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(site_document(tmp_path, **sections())).encode())

    config = load(file)

    assert config.protection.rules == tmp_path / "protection/rules.toml"
    assert config.fast_frequency is not None
    assert config.centre is not None


def test_the_section_about_estimators_shows_every_key_with_its_default(tmp_path):
    text = (ROOT / "docs" / "estimators.md").read_text("utf-8")
    (shown,) = (tomllib.loads(example)["estimators"] for example in examples(text))
    document = site_document(tmp_path, 2, estimators={**shown})
    document["estimators"]["makes"] = [{**shown["makes"][0], "racks": ["C2-R02"]}]
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    config = load(file)

    given = {"bundle", "makes", "health_curves"}
    defaults = EstimatorsConfig(**{name: getattr(config.estimators, name) for name in given})
    assert config.estimators == defaults
    assert set(shown) == set(EstimatorsConfig.model_fields)
    assert config.estimators.bundle == tmp_path / "models" / "lfp-280ah"
    assert config.estimators.makes[0].bundle == tmp_path / "models" / "other"


@pytest.mark.parametrize(
    ("racks", "words"),
    [
        (["C1-R01", "C1-R01"], "named twice"),
        (["METER"], "is no rack of this station"),
        (["C1-R01", "C1-R02"], "is the model of no rack"),
    ],
)
def test_racks_of_other_makes_must_be_racks_and_leave_one(tmp_path, racks, words):
    makes = [{"racks": racks, "bundle": "other"}]
    document = site_document(tmp_path, estimators={"bundle": "own", "makes": makes})
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    with pytest.raises(ConfigError, match=words):
        load(file)


def test_every_section_about_control_is_shown():
    elsewhere = {"station", "devices", "cloud", "staleness"}  # docs/engineer.md
    elsewhere |= {"estimators", "models"}  # docs/estimators.md, docs/models.md

    assert set(sections()) == set(StationConfig.model_fields) - elsewhere


@pytest.mark.parametrize("name", sorted(sections()))
def test_a_section_shows_every_key_with_its_default(tmp_path, name):
    shown = sections()[name]
    whole = StationConfig.model_validate(site_document(tmp_path, **sections()))
    model = type(getattr(whole, name))

    fields = {
        key: field
        for key, field in model.model_fields.items()
        if key not in OF_ANOTHER_PROTOCOL.get(name, ())
    }
    assert set(shown) == set(fields)
    for key, field in fields.items():
        if f"{name}.{key}" in GIVEN or name == "protection":
            assert field.is_required() or field.default is None, key
        else:
            value = getattr(model.model_validate(shown), key)
            assert value == field.default, f"{name}.{key}: the document says {value}"


# Protection's own files


def shipped_with(name: str, header: str, example: str) -> str:
    """The shipped file with the example in the place of the item of the same id, or added."""
    parts = re.split(
        rf"^(?=\[\[{header}\]\])", (SHIPPED / name).read_text("utf-8"), flags=re.MULTILINE
    )
    own = tomllib.loads(example)[header][0]["id"]
    return "\n".join([*(part for part in parts if f'id = "{own}"\n' not in part), example])


def test_the_examples_of_own_files_are_loaded_and_fit_one_another(tmp_path):
    rule, row, maps = (text for text in examples(PROTECTION) if text.startswith(("[[", "[charge")))
    for name, text in (
        ("rules.toml", shipped_with("rules.toml", "rules", rule)),
        ("matrix.toml", shipped_with("matrix.toml", "rows", row)),
        ("cell_maps.toml", maps),
    ):
        (tmp_path / name).write_text(text, "utf-8")

    rules, matrix = load_rules(tmp_path / "rules.toml"), load_matrix(tmp_path / "matrix.toml")
    check_matrix(matrix, rules)

    assert len(rules.rules) == len(load_rules().rules)
    assert rules.find("hydrogen").trip.limit == 500
    assert matrix.rows[-1].id == "spread_wide"
    assert load_cell_maps(tmp_path / "cell_maps.toml").charge.peak == pytest.approx(0.5)


def as_shown(rule: Rule, level: Level) -> str:
    """One cell of the table of rules."""
    figures = rule.level(level)
    if figures is None:
        return ""
    is_fact = figures.limit == 0.5 and not rule.unit and rule.id != "fire_state"
    told = [
        f"yes, {figures.delay_s:g} s" if is_fact else f"{figures.limit:g}, {figures.delay_s:g} s"
    ]
    if figures.factor is not None:
        told.append(f"× {figures.factor:g}")
    marks = {ResetRule.OPERATOR: ["R"], ResetRule.NAMED: ["N"]}
    return ", ".join([*told, *marks.get(figures.reset, [])])


@pytest.mark.parametrize("rule", load_rules().rules, ids=lambda rule: rule.id)
def test_the_table_of_rules_says_what_the_file_says(rule: Rule):
    levels = (Level.WARN, Level.DERATE, Level.STOP, Level.TRIP)
    table = PROTECTION.split("## Rules")[1].split("### Limits")[0]

    shown = row_of(table, rule.id)

    assert shown[1] == rule.name.zh
    assert shown[3:] == [as_shown(rule, level) for level in levels]


SAID = {
    Deed.STOP_CONVERTER: "stop ",
    Deed.OPEN_CONTACTORS: "open ",
    Deed.COOLING_OFF: "cooling off",
    Deed.COOLING_ON: "cooling on",
    Deed.VENTILATION_ON: "ventilation on",
    Deed.FIND_INSULATION_FAULT: "search",
}


@pytest.mark.parametrize("row", load_matrix().rows, ids=lambda row: row.id)
def test_the_matrix_in_words_says_what_the_file_says(row: Row):
    table = PROTECTION.split("## Cause and effect")[1].split("## The closed loop")[0]

    _, causes, reach, done, beside = row_of(table, row.id)

    assert causes == ", ".join(f"`{cause}`" for cause in row.causes)
    assert reach == row.reach
    assert {deed for deed, words in SAID.items() if words in done} == {e.do for e in row.effects}
    assert ("held" in done) == row.block_restart
    assert ("also in local control" in done) == row.in_local
    assert beside.endswith(" %") == (row.neighbours is not None)
    assert row.neighbours is None or f"{row.neighbours:.0%}".replace("%", " %") in beside


def test_the_figures_of_early_warning_and_closed_loop_are_those_of_the_files():
    flat = " ".join(PROTECTION.split())
    early, matrix, trips = load_rules().early_warning, load_matrix(), load_rules()
    loop, search = matrix.closed_loop, matrix.insulation_search

    for words in (
        f"A sign counts from {early.begin_z:g} scales on and is full at {early.full_z:g}",
        f"that is {early.full_z * early.temperature_floor_k:g} K where a cell is quiet",
        f"at least {early.voltage_floor_v * 1000:g} mV",
        f"at least {early.gas_floor_ppm:g} ppm",
        f"in the first {early.settle_s / 60:g} minutes",
        f"below {early.plateau_v[0]:g} V or above {early.plateau_v[1]:g} V",
        f"to fall below {loop.current_low_a:g} A",
        f"It is sent on every {loop.repeat_s:g} s",
        f"(at most {search.bring_down_s:g} s)",
        f"is given {search.settle_s:g} s",
        f"more than {matrix.first_out.window_s:g} s off is not believed",
        f"derate to {trips.find('runaway_early').derate.factor:.0%}".replace("%", " %"),
        f"{trips.find('panel_silent').stop.delay_s:g} s after its data have become stale",
    ):
        assert words in flat, words
    assert loop.attempts == 2  # "sent a second time"


def test_levels_deployments_and_refusals_of_a_reset_are_named():
    for level in list(Level)[1:]:
        assert f"| {level.words.en} | {level.words.zh} |" in PROTECTION
    for deployment in Deployment:
        assert f"| `{deployment}`" in PROTECTION
    for code in ("cause_stands", "invalid_payload", "local_control", "deployment"):
        assert code in REASONS
        assert f"| `{code}` |" in PROTECTION


def test_the_reset_shown_is_one_that_the_cloud_takes():
    (body,) = re.findall(r"```json\n(.*?)```", PROTECTION, flags=re.DOTALL)

    assert ResetRequest.model_validate(json.loads(body)).target == "C1-R04"


# Dispatch


def test_the_sources_stand_in_the_order_of_their_priority():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| ([^|]+) \|", DISPATCH, flags=re.MULTILINE)

    assert rows == [
        (str(n), source.name.lower(), source.words.zh) for n, source in enumerate(PRIORITY, 1)
    ]
    assert {name for _, name, _ in rows} == set(SOURCES)


def test_the_decision_shown_is_the_one_that_the_arbiter_makes():
    (shown,) = re.findall(r"```text\n(.*?)```", DISPATCH, flags=re.DOTALL)
    hot = LimitReason.CELL_TEMPERATURE

    decision = arbitrate(
        Bounds(-3000, 2200, hot, hot, "C2-R04", "C2-R04"),
        [
            Proposal.definite(Source.SCHEDULE, "7f3a", 1500.0),
            Proposal.definite(Source.AGC, "dispatch_centre", 2000.0),
            Proposal(Source.PRIMARY_FREQUENCY, "METER", shift_kw=500.0),
            Proposal(
                *(Source.FEED_IN_LIMIT, "METER"), high_kw=2600, reason=LimitReason.FEED_IN_LIMIT
            ),
        ],
    )

    told = [decision.words().en, *(step.words().en for step in decision.steps)]
    assert shown.splitlines() == told


def test_the_figures_that_are_built_in_are_those_of_the_code():
    flat = " ".join(DISPATCH.split())
    clock, test = ClockSettings(), SelfTestSettings(1.0)
    *steps, last = (f"{pct:g}" for pct in test.steps_pct)

    for words in (
        f"held for {AgcSettings().hold_s:g} s more",
        f"trusted for {ConnectionSettings().trust_s:g} s",
        f"Steps of {', '.join(steps)} and {last} % of rated power",
        f"within {test.settle_s:g} s, within {test.tolerance_pct:g} % of rated power",
        f"and stay for {test.stay_s:g} s",
        f"jumps by {clock.step_ms / 1000:g} s or more",
        f"run evenly for {clock.stable_s:g} s",
    ):
        assert words in flat, words


def test_every_figure_of_the_fast_loop_and_every_state_of_a_command_is_explained():
    for key in FastLoop(0.05, lambda: None).report():
        assert f"`fast_loop.{key}`" in DISPATCH
    for key in fast_report(FastHealth("METER", True, 1, 0, 1.0, 1.0, 1.0)):
        assert f"`fast_lanes.DEVICE.{key}`" in DISPATCH
    for state in CommandState:
        assert f"| {state} |" in DISPATCH


# Orders by program


def requests() -> dict[str, tuple[str, dict[str, str], dict[str, object]]]:
    """Every curl of the document by its path: (query, headers, body)."""
    (script,) = re.findall(r"```sh\n(.*?)```", DISPATCH, flags=re.DOTALL)
    found = {}
    for line in script.replace("\\\n", " ").splitlines():
        if not line.startswith("curl "):
            continue
        words = shlex.split(line.split(" > ")[0])
        (url,) = (word for word in words if word.startswith("$web"))
        path, _, query = url.removeprefix("$web/api/v1").partition("?")
        given = {word: words[i + 1] for i, word in enumerate(words) if word in ("-b", "-c", "-d")}
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        found[path] = (query, headers, {**given, "body": json.loads(given.get("-d", "null"))})
    return found


BODIES = {
    "setpoint": SetpointRequest,
    "release": ControlRequest,
    "reset": ResetRequest,
    "self-test": ControlRequest,
}


def test_every_control_order_is_shown_with_session_token_and_a_body_that_the_cloud_takes():
    shown = requests()

    assert {route.path.rsplit("/", 1)[1] for route in control.routes} == set(BODIES)
    for name, model in BODIES.items():
        _, headers, given = shown[f"/stations/demo/control/{name}"]
        body = given["body"]
        assert set(body) <= set(model.model_fields)
        model.model_validate(body)
        assert headers == {"X-CSRF-Token": "$token", "Content-Type": "application/json"}
        assert given["-b"] == "session.cookies"


def test_the_sign_in_shown_is_one_that_the_cloud_takes():
    _, _, given = requests()["/session"]

    assert SignInRequest.model_validate(given["body"]).user == "admin"
    assert given["-c"] == "session.cookies"


@pytest.mark.parametrize(
    ("path", "model"),
    [("/stations/demo/commands", CommandsQuery), ("/alarms/metrics", RangeQuery)],
)
def test_a_range_is_asked_for_by_the_names_that_the_cloud_knows_in_milliseconds(path, model):
    query, _, _ = requests()[path]
    names = {part.split("=")[0] for part in query.split("&")}

    assert names == {model.model_fields[field].alias for field in ("start_ms", "end_ms")}
    assert query.count("* 1000") == len(names)


# Operators


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_scenario_is_on_the_operators_list(file: Path):
    table = OPERATOR.split("## Scenarios")[1]

    assert len(row_of(table, file.stem)) == 2


def test_the_operators_list_names_no_scenario_that_is_not_there():
    table = OPERATOR.split("## Scenarios")[1].split("\nAn event has")[0]
    listed = re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)

    assert listed
    assert set(listed) <= {file.stem for file in SCENARIOS}


def test_the_readme_names_scenarios_that_are_there():
    named = re.findall(r"--scenario ([\w-]+)", (ROOT / "README.md").read_text("utf-8"))

    assert named
    assert set(named) <= {file.stem for file in SCENARIOS}


@pytest.mark.parametrize("name", ["protection.md", "dispatch.md", "operator.md"])
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str):
    text = (ROOT / "docs" / name).read_text("utf-8")

    for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^)]*)\)", text):
        file = ROOT / "docs" / (target or name)
        assert file.exists(), target
        headings = (
            re.findall(r"^#+ (.+)$", file.read_text("utf-8"), flags=re.MULTILINE) if anchor else []
        )
        slugs = {re.sub(r"[^\w -]", "", h.lower()).strip().replace(" ", "-") for h in headings}
        assert not anchor or anchor in slugs, f"{target}#{anchor}"
