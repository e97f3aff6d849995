"""Every text that templates, page modules and views ask for with `t("...")`."""

import io
from pathlib import Path

from babel.messages.extract import extract_python
from jinja2.ext import babel_extract

import cloud.web
from cloud.web.language import module_texts

WEB = Path(cloud.web.__file__).parent


def template_texts() -> set[str]:
    """Texts of the templates."""
    found = set()
    for template in sorted((WEB / "templates").rglob("*.html")):
        source = io.BytesIO(template.read_bytes())
        options = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
        for _, _, text, _ in babel_extract(source, ("t",), (), options):
            found.add(text if isinstance(text, str) else text[0])
    return found


def view_texts() -> set[str]:
    """Texts of the Python views."""
    found = set()
    for module in sorted(WEB.glob("*.py")):
        source = io.BytesIO(module.read_bytes())
        for _, _, text, _ in extract_python(source, {"t": None}, (), {}):
            found.add(text if isinstance(text, str) else text[0])
    return found


def all_texts() -> set[str]:
    """All of them."""
    return template_texts() | view_texts() | set(module_texts())
