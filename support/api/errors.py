"""Every error of the API in the framework's JSON, also where the framework itself would not have caught it."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from support.faults import DATABASE_FAULTS
from support.models.conversation import KeyReused, NotAnswered

log = logging.getLogger("support.api")


class Unavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The support desk can't be reached just now. Please try again in a moment."
    default_code = "unavailable"
    wait = 5


class Busy(Unavailable):
    default_detail = "Too many people are asking at this moment. Please try again in a few seconds."
    default_code = "busy"


class TooManyRequests(exceptions.Throttled):
    default_code = "rate_limited"


def handle(error: Exception, context: dict[str, Any] | None = None) -> Response | None:
    """DRF's handler, and: a database that is away is a 503 with Retry-After; what a verb refuses is a 400."""
    if isinstance(error, DATABASE_FAULTS):
        log.error("database fault: %s", type(error).__name__)
        error = Unavailable()
    elif isinstance(error, KeyReused):
        error = exceptions.ValidationError(
            {
                "Idempotency-Key": [
                    "This key has been used for another request; each request needs a key of its own."
                ]
            }
        )
    elif isinstance(error, NotAnswered):
        error = exceptions.ValidationError(
            {"rating": ["This answer is still being written; it can be rated once it is complete."]}
        )
    response = exception_handler(error, context or {})
    if response is None:
        return None
    wait = getattr(error, "wait", None)
    if wait is not None:
        response["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.Throttled | Unavailable):
        # The same words as the `error` event of the chat's stream.
        response.data |= {
            "code": error.default_code,
            "message": str(error.detail),
            "retry_after": int(wait or 0),
        }
    return response


def as_json(error: Exception) -> JsonResponse | None:
    """The same answer for a view that is not DRF's; None if the error is not one for the client."""
    response = handle(error)
    if response is None:
        return None
    answer = JsonResponse(response.data, status=response.status_code)
    for name, value in response.items():
        if name.lower() in ("retry-after", "www-authenticate", "allow"):
            answer[name] = value
    return answer


def _page(request: HttpRequest, code: int, detail: str, title: str) -> HttpResponse:
    if f"{request.path}/".startswith("/api/"):
        return JsonResponse({"detail": detail}, status=code)
    return render(request, "error.html", {"title": title, "code": code}, status=code)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400, "Bad request.", "That request could not be understood")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, "Permission denied.", "You may not see this page")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404, "Not found.", "There is no such page")


def server_error(request: HttpRequest) -> HttpResponse:
    """The last resort. A database that is away is not reported as a fault of ours: 503, and when to come back."""
    if isinstance(sys.exc_info()[1], DATABASE_FAULTS):
        answer = _page(request, 503, str(Unavailable.default_detail), "The desk is away for a moment")
        answer["Retry-After"] = str(Unavailable.wait)
        return answer
    return _page(request, 500, "Something went wrong on our side.", "Something went wrong on our side")
