"""The rules of the sheet: contrast, tokens instead of colours, vendored files unchanged."""

import hashlib
import json
import re

import pytest

from tests.cloud.web.texts import WEB

STATIC = WEB / "static"
TOKENS = (STATIC / "css" / "tokens.css").read_text()
SURFACES = ("bg", "s1", "s2", "inset")


def tokens(theme: str) -> dict[str, str]:
    block = TOKENS[TOKENS.index(f'[data-theme="{theme}"]') :]
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block[: block.index("}")]))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_is_readable_on_every_surface(theme):
    colour = tokens(theme)
    pairs = [(t, s) for t in ("text-1", "text-2", "text-3", "select") for s in SURFACES]
    pairs += [(t, s) for t in ("text-1", "text-2") for s in ("select-bg", "edit-bg")]
    pairs += [("go-ink", "go"), *((f"p{n}-ink", f"p{n}") for n in (1, 2, 3, 4))]

    weak = [(a, b) for a, b in pairs if contrast(colour[a], colour[b]) < 4.5]

    assert weak == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_lines_marks_and_controls_are_seen_on_panels(theme):
    colour = tokens(theme)
    names = ("line-2", "edit-line", "focus", "c-act", "c-sched", "c-soc", "c-limit", "c-alt")
    names += ("mark", *(f"p{n}-line" for n in (1, 2, 3, 4)))

    weak = [name for name in names if contrast(colour[name], colour["s1"]) < 3]

    assert weak == []


def test_both_themes_have_the_same_tokens():
    assert set(tokens("dark")) == set(tokens("light"))


def test_colours_are_named_by_their_role_outside_the_tokens():
    found = [
        f"{sheet.name}: {line.strip()}"
        for sheet in sorted((STATIC / "css").glob("*.css"))
        if sheet.name != "tokens.css"
        for line in sheet.read_text().splitlines()
        if re.search(r"#[0-9a-fA-F]{3,8}\b(?!hatch)", line) and "@media print" not in line
    ]

    assert found == []


def test_every_token_that_is_used_exists():
    defined = set(re.findall(r"--([\w-]+):", TOKENS))
    sheets = "".join(sheet.read_text() for sheet in (STATIC / "css").glob("*.css"))
    modules = "".join(module.read_text() for module in (STATIC / "js").glob("*.js"))

    used = set(re.findall(r"var\(--([\w-]+)\)", sheets)) | set(re.findall(r'"--([\w-]+)"', modules))

    assert used - defined == set()


def test_pages_have_no_inline_style_script_or_handler():
    found = [
        f"{template.name}: {match}"
        for template in sorted((WEB / "templates").rglob("*.html"))
        for match in re.findall(
            r"\sstyle=|<style|\son\w+=|<script(?![^>]*(?:src=|application/json))[^>]*>|javascript:",
            template.read_text(),
        )
    ]

    assert found == []


def test_vendored_files_are_those_of_the_manifest():
    vendor = STATIC / "vendor"
    manifest = json.loads((vendor / "manifest.json").read_text())

    real = {
        str(file.relative_to(vendor)): hashlib.sha256(file.read_bytes()).hexdigest()
        for folder in vendor.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
    }

    assert real == {entry["file"]: entry["sha256"] for entry in manifest}
    assert all(entry["licence"] and entry["version"] for entry in manifest)
    for package in ("uplot", "htmx", "inter"):
        assert any(name.startswith(f"{package}/") and "L" in name for name in real)
