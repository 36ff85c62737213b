"""gunicorn: one kind of process for everything. Settings come from the environment like the desk's own."""

import sys

from rezvo_support.env import BadSetting

try:
    from rezvo_support import settings
except BadSetting as error:
    sys.exit(f"Bad setting: {error}")

wsgi_app = "rezvo_support.asgi:application"
worker_class = "asgi"
asgi_lifespan = "on"
workers = settings.WEB_CONCURRENCY
bind = settings.BIND
keepalive = 5
# A turn is over in CHAT_TURN_SECONDS and stored soon after: no stop cuts one off.
graceful_timeout = settings.CHAT_TURN_SECONDS + 35
timeout = 60
backlog = 2048
max_requests = 0
control_socket_disable = True

loglevel = settings.LOG_LEVEL.lower()
accesslog = "-" if settings.ACCESS_LOG else None
# Without the query: `?q=` holds what people wrote.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'
