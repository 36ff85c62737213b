"""The desk: Django's admin with conversations as threads. Importing it registers everything."""

from django.conf import settings
from django.contrib import admin

from support.admin import articles, conversations, hours, prices, staff  # noqa: F401  (they register themselves)

admin.site.site_header = admin.site.site_title = f"{settings.COMPANY_NAME} Support"
admin.site.index_title = "Support desk"
admin.site.empty_value_display = "–"
