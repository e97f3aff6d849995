import json
import re

import pytest
from babel.messages.pofile import read_po

from cloud.web.language import CHINESE, choose, module_texts, read_catalogue, words
from contract.signals import SIGNALS
from tests.cloud.web.texts import WEB, all_texts

CATALOGUE = WEB / "translations" / "zh_Hans.po"


def test_every_text_of_templates_modules_and_views_has_a_chinese_one():
    assert sorted(all_texts() - set(read_catalogue(CATALOGUE))) == []


def test_the_catalogue_holds_no_text_that_nobody_uses():
    assert sorted(set(read_catalogue(CATALOGUE)) - all_texts()) == []


def test_translations_keep_the_named_facts_of_their_text():
    names = re.compile(r"\{(\w+)\}")

    wrong = [
        text
        for text, chinese in read_catalogue(CATALOGUE).items()
        if set(names.findall(text)) != set(names.findall(chinese))
    ]

    assert wrong == []


def test_chinese_is_written_with_full_width_marks_and_a_space_before_latin():
    han = r"[\u4e00-\u9fff]"
    wrong = [
        chinese
        for chinese in read_catalogue(CATALOGUE).values()
        if re.search(rf"{han}[,;:!?]|{han}[A-Za-z0-9]|[A-Za-z0-9%]{han}", chinese)
    ]

    assert wrong == []


def test_no_translation_is_marked_doubtful():
    with CATALOGUE.open("rb") as source:
        assert [message.id for message in read_po(source) if message.fuzzy] == []


def test_page_modules_name_their_texts_as_literals():
    loose = [
        f"{module.name}: {found}"
        for module in sorted((WEB / "static" / "js").glob("*.js"))
        for found in re.findall(r"(?<![\w.])t\((?!\s*\"|text,)[^)]*\)", module.read_text())
    ]

    assert loose == []
    assert len(module_texts()) > 40


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        (None, None, "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        (None, "en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        (None, "de-DE,de;q=0.9", "en"),
        (None, "de;q=0.9, zh-Hans;q=0.5", CHINESE),
        (None, "en;q=0.1,zh;q=0.9", CHINESE),
        (None, "zh;q=nonsense,en", "en"),
        (None, ";;;,,,", "en"),
        ("zh-Hans", "en", CHINESE),
        ("en", "zh-CN", "en"),
        ("xx", "zh-CN", CHINESE),
    ],
)
def test_the_cookie_decides_else_the_browsers_wish(cookie, header, language):
    assert choose(cookie, header) == language


def test_modules_get_only_the_texts_that_they_use():
    assert words("en").for_modules() == {}
    assert set(words(CHINESE).for_modules()) == module_texts()
    assert json.dumps(words(CHINESE).for_modules())


def test_a_number_and_its_unit_stay_together():
    assert words("en")("{n} of priority 1 or 2", n=3) == "3 of priority 1 or 2"
    assert words("en")("stop, 0 MW") == "stop, 0\N{NO-BREAK SPACE}MW"


def test_every_state_a_page_may_show_has_words_in_both_languages():
    assert [
        (name, state)
        for name, signal in SIGNALS.items()
        for state in signal.states
        if not (state[1] and state[2])
    ] == []
