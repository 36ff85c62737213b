from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The demo page: what a product's page looks like with the chat on it."""
    return render(
        request, "home.html", {"support_email": settings.SUPPORT_EMAIL, "company_name": settings.COMPANY_NAME}
    )
