"""What a reader sees when a page cannot be shown: what failed and the next step, in words."""

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.web.language import Words as Texts
from cloud.web.visit import environment, sign_in_address, theme_of, words_of
from contract.words import Words

_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _UNAVAILABLE = 401, 403, 404, 503


def problem_page(request: Request, status: int, message: Words) -> Response:
    """The page for an error; somebody who is not signed in is led to the sign-in page."""
    if status == _UNAUTHORISED:
        return RedirectResponse(sign_in_address(request), 303)
    t = words_of(request)
    title, remedy = _words(t, status)
    page = environment(t.language).get_template("problem.html")
    context = {"lang": t.language, "theme": theme_of(request), "t": t}
    return HTMLResponse(
        page.render(**context, title=title, message=message.text(t.language), remedy=remedy), status
    )


def _words(t: Texts, status: int) -> tuple[str, str]:
    known = {
        _FORBIDDEN: (t("Not permitted"), t("Ask an administrator for the role that permits it.")),
        _NOT_FOUND: (t("There is no such page"), t("Check the address, or go back to the fleet.")),
        _UNAVAILABLE: (
            t("The database does not answer"),
            t("It is started again by itself. Load the page again in a few seconds."),
        ),
    }
    fallback = (t("The page cannot be shown"), t("Go back and try again."))
    return known.get(status, fallback)
