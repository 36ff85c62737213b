from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView

from support.api import errors, schema, views
from support.home import home

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.page_not_found
handler500 = errors.server_error

urlpatterns = [
    path("", home, name="home"),
    path("admin/", admin.site.urls),
    path("api/schema", schema.Document.as_view(), name="schema"),
    path("api/support/", include("support.api.urls")),
    re_path("^api(/|$)", views.not_found),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]
