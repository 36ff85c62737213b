"""Everything but the chat, as a WSGI application (a thread a request)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rezvo_support.settings")

application = get_wsgi_application()
