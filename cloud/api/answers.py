"""Errors as the API tells them: a code for programs, a message and a remedy for people."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cloud.access.sign_in import TooManyAttempts
from cloud.alarms import ActRefused, Refusal, Why
from cloud.errors import CloudError, Refused, Unavailable
from cloud.market.errors import BadProfile, MarketError
from contract.words import Words

_INVALID, _UNAVAILABLE = 422, 503
_RETRY_AFTER_S = "2"
_SHOWN = 60
"""Of what was given so many characters are shown back."""
_REMEDIES = {
    401: "sign in and repeat the request",
    403: "ask an administrator for the role, or sign in as somebody who has it",
    404: "check the name; GET /api/v1/stations lists the stations",
    405: "see /api/openapi.json for the methods of this address",
    409: "choose another id, or look at what has changed and repeat the request",
    413: "send less at once",
    422: "correct the request as the message says and repeat it",
    429: "wait as long as the header Retry-After says",
    503: "repeat the request in a few seconds",
}


class WordsAnswer(BaseModel):
    """A text in both languages."""

    en: str
    zh: str


class RefusedAlarm(BaseModel):
    """Why an act was not done to an alarm."""

    code: Why = Field(description="stable word for programs")
    message: str = Field(description="the rule, and what to do")


class ErrorAnswer(BaseModel):
    """What every refused request is answered with."""

    code: str = Field(description="stable word for programs", examples=["not_found"])
    message: str = Field(description="what is wrong and where")
    remedy: str = Field(description="what to do")
    words: WordsAnswer | None = Field(
        None, description="the message in both languages, where it is one that pages show"
    )
    refused: dict[int, RefusedAlarm] | None = Field(
        None, description="by alarm, where an act could be done to none of them"
    )


ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in {
        401: "Nobody is signed in.",
        403: "The user may not do this, or the request is forged.",
        404: "There is no such station, device or signal.",
        422: "The request cannot be carried out as written.",
        503: "The database does not answer now.",
    }.items()
}


PageMaker = Callable[[Request, int, Words], Response]
_FOR_PROGRAMS = ("/api/", "/health/", "/static/", "/fragments/")


def _said(message: str) -> str:
    """Pydantic puts its own words before those of a check of ours."""
    return message.removeprefix("Value error, ")


def _wrong_field(error: Mapping[str, Any]) -> Words:
    """What a reader of pages is told of a field of the address that pydantic refuses."""
    field, given = str(error["loc"][-1]), repr(str(error.get("input")))[:_SHOWN]
    if str(error["type"]).startswith("date"):
        return Words(
            f"{field}: {given} is no day; write year-month-day, as 2026-11-27",
            f"{field}：{given} 不是日期；请写为年-月-日，例如 2026-11-27",
        )
    said = _said(error["msg"])
    return Words(f"{field}: {given}: {said}", f"{field}：{given} 不可用（{said}）")


def refused_alarms(refused: Mapping[int, Refusal]) -> dict[int, RefusedAlarm]:
    """Refusals as the API tells them."""
    return {alarm: RefusedAlarm(code=why.code, message=why.text) for alarm, why in refused.items()}


def answer(
    status: int,
    code: str,
    message: str,
    refused: Mapping[int, Refusal] | None = None,
    remedy: str = "",
    *,
    words: Words | None = None,
) -> JSONResponse:
    """An error answer; the remedy follows from the status where the error names none."""
    remedy = remedy or _REMEDIES.get(status, "see the message")
    alarms = refused_alarms(refused) if refused else None
    both = None if words is None else WordsAnswer(en=words.en, zh=words.zh)
    body = ErrorAnswer(code=code, message=message, remedy=remedy, words=both, refused=alarms)
    return JSONResponse(body.model_dump(mode="json", exclude_none=True), status)


def install(app: FastAPI, page: PageMaker) -> None:
    """Make `app` tell errors this way; errors of pages are told by `page` to the reader."""

    def told(
        request: Request,
        status: int,
        code: str,
        message: str,
        *,
        words: Words | None = None,
        alarms: Mapping[int, Refusal] | None = None,
        remedy: str = "",
    ) -> Response:
        if request.url.path.startswith(_FOR_PROGRAMS):
            return answer(status, code, message, alarms, remedy, words=words)
        return page(request, status, words or Words(message, message))

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 - registered for this class
        alarms = error.refused if isinstance(error, ActRefused) else None
        response = told(
            *(request, error.status, error.code, error.reason),
            words=error.words,
            alarms=alarms,
            remedy=error.remedy,
        )
        if isinstance(error, TooManyAttempts):
            response.headers["Retry-After"] = str(error.wait_s)
        return response

    async def unavailable(request: Request, error: Exception) -> Response:
        response = told(request, _UNAVAILABLE, "unavailable", str(error))
        response.headers["Retry-After"] = _RETRY_AFTER_S
        return response

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"{where}: {_said(first['msg'])}"
        return told(request, _INVALID, "invalid_request", message, words=_wrong_field(first))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        return told(request, error.status_code, "http_error", str(error.detail))

    async def market(request: Request, error: Exception) -> Response:
        unknown = isinstance(error, BadProfile)
        status, code = (404, "not_found") if unknown else (_INVALID, "market_refused")
        words = error.words if isinstance(error, CloudError) else None
        return told(request, status, code, str(error), words=words)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(MarketError, market)
    app.add_exception_handler(Unavailable, unavailable)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
