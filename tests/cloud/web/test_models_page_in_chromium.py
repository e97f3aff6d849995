"""The page of models: a package is uploaded, approved by another, sent, and seen at the station."""

import re

import pytest
from playwright.sync_api import expect

from cloud.fleet import models
from tests.cloud.web.conftest import SIZES
from tests.cloud.web.test_pages_in_chromium import OVERFLOW
from tests.model_packages import package, sha256

BLOB = package(2)
SHA = sha256(BLOB)
ROW = f"tr[data-model='{SHA}']"
WORDS = {
    "en": {"title": "Models", "open": "not approved", "way": "on its way to the station"},
    "zh-Hans": {"title": "模型", "open": "未批准", "way": "正在传往电站"},
}


def test_a_package_goes_from_the_desk_to_the_station_by_two_people(console, visit):
    with visit() as visitor:
        page = visitor.open("/")
        page.click(".rail a:has-text('Models')")
        page.wait_for_url(re.compile("/models$"))
        expect(page.locator("#model-rows")).to_contain_text("No model has been uploaded yet")

        file = {"name": "m.zip", "mimeType": "application/zip", "buffer": BLOB}
        page.set_input_files("[name=package]", file)
        page.click("#upload button")
        expect(page.locator(ROW)).to_contain_text("not approved")
        expect(page.locator(f"{ROW} [data-order=approve]")).to_be_disabled()

        pool = console.worker.services.pool
        console.do(models.approve(pool, SHA, "bo", "read the card"))
        page.click(f"{ROW} [data-order=deploy]")
        dialog = page.locator("#deploy")
        dialog.locator("[name=reason]").fill("colder winter")
        dialog.locator("[value=ok]").click()
        expect(page.locator("#told")).to_contain_text("The order was sent")
        expect(page.locator(f"{ROW} [data-place]")).to_have_attribute("data-state", "accepted")

        page.click(f"{ROW} a")
        expect(page.locator(".card")).to_have_text("# LFP 280 Ah")
        expect(page.locator(".hash")).to_have_text(SHA)


@pytest.mark.parametrize("language", sorted(WORDS))
@pytest.mark.parametrize("size", sorted(SIZES))
def test_the_page_is_whole_in_both_languages_and_every_size(console, visit, language, size):
    pool, words = console.worker.services.pool, WORDS[language]
    fresh = package(7)
    console.do(models.upload(pool, fresh, "wang"))
    with visit(language, size=size) as visitor:
        page = visitor.open("/models")

        expect(page.locator("h1")).to_have_text(words["title"])
        expect(page.locator(f"tr[data-model='{sha256(fresh)}']")).to_contain_text(words["open"])
        assert page.evaluate(OVERFLOW) == []


def test_what_is_no_package_is_told_and_not_kept(visit):
    with visit() as visitor:
        page = visitor.open("/models")
        file = {"name": "m.zip", "mimeType": "application/zip", "buffer": b"noise"}
        page.set_input_files("[name=package]", file)
        page.click("#upload button")

        expect(page.locator("#told")).to_contain_text("no model package")
        visitor.complaints.clear()  # the browser itself tells of the answer 422
