"""Errors as the API tells them: a code for programs, a message and a remedy for people."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from cloud.access.sign_in import TooManyAttempts
from cloud.errors import Refused, Unavailable

_log = logging.getLogger(__name__)

_REMEDIES = {
    401: "sign in and repeat the request",
    403: "ask an administrator for the role, or sign in as somebody who has it",
    404: "check the name; GET /api/v1/stations lists the stations",
    405: "see /api/openapi.json for the methods of this address",
    409: "choose another id",
    413: "send less at once",
    422: "correct the request as the message says and repeat it",
    429: "wait as long as the header Retry-After says",
    503: "repeat the request in a few seconds",
}


class ErrorAnswer(BaseModel):
    """What every refused request is answered with."""

    code: str = Field(description="stable word for programs", examples=["not_found"])
    message: str = Field(description="what is wrong and where")
    remedy: str = Field(description="what to do")


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


def answer(status: int, code: str, message: str) -> JSONResponse:
    """An error answer; the remedy follows from the status."""
    body = ErrorAnswer(code=code, message=message, remedy=_REMEDIES.get(status, "see the message"))
    return JSONResponse(body.model_dump(), status)


def install(app: FastAPI) -> None:
    """Make `app` tell errors this way."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - registered for this class
    told = answer(error.status, error.code, error.reason)
    if isinstance(error, TooManyAttempts):
        told.headers["Retry-After"] = str(error.wait_s)
    return told


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    told = answer(503, "unavailable", str(error))
    told.headers["Retry-After"] = "2"
    return told


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return answer(422, "invalid_request", f"{where}: {first['msg']}")


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return answer(error.status_code, "http_error", str(error.detail))
