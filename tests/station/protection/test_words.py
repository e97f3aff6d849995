"""Chinese sentences of protection are set with Chinese punctuation."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from station import protection
from station.protection import load_matrix, load_rules
from tests.station.protection.world import World

FOLDER = Path(protection.__file__).parent
HALF_WIDTH = set(",;:()!?")


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield the strings of a file without what is put into them; docstrings are no sentences."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.JoinedStr():
                yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
            case ast.Constant(value=str() as text):
                yield text
            case _:
                yield from literals(node)


def chinese_of(file: Path) -> list[str]:
    return [text for text in literals(ast.parse(file.read_text("utf-8"))) if is_chinese(text)]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_no_chinese_sentence_of_the_code_has_half_width_punctuation(file):
    assert [text for text in chinese_of(file) if HALF_WIDTH & set(text)] == []


def test_no_chinese_name_of_a_rule_or_row_has_half_width_punctuation():
    named = [*load_rules().rules, *load_matrix().rows]

    assert [n.id for n in named if HALF_WIDTH & set(n.name.words.zh)] == []


def test_the_sentences_that_are_put_together_have_chinese_punctuation():
    world = World()
    world.run(3)
    world.deaf.add("C1-R03")
    for tag in ("C1-R01", "C1-R02", "C1-R03", "C1-R04"):
        world.rack(tag, cell_voltage_max_v=3.75)
    verdict = world.run(15)
    refused = world.reset()

    told = [f.words.zh for f in verdict.findings] + [m.detail.zh for m in world.moments]
    told.append(refused.words.zh)

    assert "；另有 2 项" in refused.words.zh
    assert [text for text in told if HALF_WIDTH & set(text)] == []
