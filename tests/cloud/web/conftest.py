"""The running console, and a real Chromium that reports everything that went wrong in a page."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from psycopg.conninfo import make_conninfo

from tests.cloud.web.console import Console, running_console

expect.set_options(timeout=30_000)  # a loaded machine needs it, and none waits longer than it must

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
LANGUAGES = {"en": "en-GB", "zh-Hans": "zh-CN"}
SIZES = {"desk": (1440, 900), "tablet": (834, 1112), "phone": (390, 844)}


@pytest.fixture(scope="session")
def console(server_dsn: str, template: str) -> Iterator[Console]:
    """One console for all tests in a browser."""
    name = f"console_{secrets.token_hex(6)}"
    home = Path(tempfile.mkdtemp(prefix="sm-console-"))
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY wal_log')
        with running_console(make_conninfo(server_dsn, dbname=name), home) as running:
            yield running
        conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield launched
        launched.close()


@dataclass
class Visitor:
    """A signed-in page and what its browser complained about."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a path and wait until live values have arrived, where the page has any."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("[data-time]")
        return self.page


def asked(page: Page) -> dict[str, list[str]]:
    """What the address asks for; Playwright's own copy of it may be a little older."""
    return parse_qs(page.evaluate("location.search").removeprefix("?"))


@pytest.fixture(scope="session")
def session(console: Console) -> str:
    """The cookie of a session of the administrator."""
    credentials = {"user": console.user, "password": console.password}
    answer = httpx.post(f"{console.url}/api/v1/session", json=credentials, timeout=30)
    return answer.cookies["sm_session"]


@pytest.fixture
def visit(
    console: Console, session: str, browser: Browser
) -> Callable[..., "contextmanager[Visitor]"]:
    """Open a signed-in page; at the end, the browser must have had nothing to complain about."""

    @contextmanager
    def opened(language: str = "en", theme: str = "dark", size: str = "desk") -> Iterator[Visitor]:
        width, height = SIZES[size]
        context = browser.new_context(
            locale=LANGUAGES[language], viewport={"width": width, "height": height}
        )
        cookies = {"sm_theme": theme, "sm_session": session}
        context.add_cookies(
            [{"name": name, "value": value, "url": console.url} for name, value in cookies.items()]
        )
        visitor = Visitor(context.new_page(), console.url)
        listen(visitor)
        yield visitor
        if not visitor.page.is_closed():  # an answer on its way must not meet a closed page
            visitor.page.unroute_all(behavior="wait")
        context.close()
        assert visitor.complaints == []

    return opened


def listen(visitor: Visitor) -> None:
    """Collect console errors and warnings, exceptions, failed requests and policy violations."""
    page, complaints = visitor.page, visitor.complaints

    def console_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{page.url} {message.type}: {message.text}")

    page.on("console", console_message)
    page.on("pageerror", lambda error: complaints.append(f"{page.url} exception: {error}"))
    page.on(
        "response",
        lambda answer: (
            complaints.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
        ),
    )
    page.expose_function("tellViolation", lambda text: complaints.append(f"policy: {text}"))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) =>"
        " window.tellViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));"
    )
