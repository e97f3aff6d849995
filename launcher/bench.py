"""Runs one benchmark and prints its rows; all benchmarks speak one form.

`{"machine": ..., "command": ..., "rows": [{"name", "value", "unit", "better", "target",
"peers": {NAME: value}}]}`, measured values only.
"""

import importlib
import inspect
import json
import platform
from pathlib import Path
from typing import Any

from launcher.errors import UnknownBenchError, WrongInput
from launcher.paths import ROOT


def names() -> list[str]:
    """The benchmarks there are: one module each in bench/."""
    return sorted(
        path.stem for path in (ROOT / "bench").glob("*.py") if not path.stem.startswith("_")
    )


def machine() -> str:
    """The machine in words: processor, cores, memory, system, Python."""
    import psutil

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{model}, {psutil.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def run_bench(
    name: str, output: Path | None, seconds: float | None = None, only: str | None = None
) -> int:
    """Run `bench/NAME.py` and print its table; `list` only names them.

    Args:
        name: of the module.
        output: also write the rows there.
        seconds: how long its longest part is watched; its own choice when left out.
        only: the one part to run; all when left out.

    Raises:
        UnknownBenchError: there is no such module.
        WrongInput: it has no part that could be made shorter, or none of that name.
    """
    known = names()
    if name == "list":
        print("\n".join(known))
        return 0
    if name not in known:
        raise UnknownBenchError(name, known)
    module = importlib.import_module(f"bench.{name}")
    options: dict[str, Any] = {}
    if only is not None:
        parts = getattr(module, "PARTS", ())
        if only not in parts:
            there = f"it has {', '.join(parts)}" if parts else "it is run whole; leave it out"
            raise WrongInput(f"--only: {name} has no part {only!r}; {there}")
        options["only"] = only
    if seconds is not None:
        if "seconds" not in inspect.signature(module.run).parameters:
            raise WrongInput(f"--seconds: {name} has one length; leave it out")
        options["seconds"] = seconds
    rows: list[dict[str, Any]] = module.run(**options)
    told = "" if only is None else f" --only {only}"
    told += "" if seconds is None else f" --seconds {seconds:g}"
    result = {
        "machine": machine(),
        "command": f"./stationmaster bench {name}{told}",
        "rows": rows,
    }
    if output is not None:
        output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    _print(result)
    return 0


def _print(result: dict[str, Any]) -> None:
    from rich.table import Table

    from launcher.wide_table import print_table

    table = Table(box=None, pad_edge=False)
    for title in ("Name", "Value", "Unit", "Better", "Target", "Met", "Peers"):
        right = title in {"Value", "Target"}
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for row in result["rows"]:
        peers = ", ".join(f"{k} {_digits(v)}" for k, v in (row.get("peers") or {}).items())
        table.add_row(
            row["name"],
            _digits(row["value"]),
            row["unit"],
            row["better"],
            _digits(row.get("target")),
            told_met(row),
            peers,
        )
    print(f"{result['command']}\n{result['machine']}\n")
    print_table(table)


def told_met(row: dict[str, Any]) -> str:
    """Return whether a row meets its target, empty where it has none."""
    target, value = row.get("target"), row["value"]
    if target is None or value is None:
        return ""
    return "yes" if (value <= target if row["better"] == "less" else value >= target) else "NO"


def _digits(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
