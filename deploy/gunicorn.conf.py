"""gunicorn: one kind of process for everything. Settings come from the environment like the desk's own."""

import resource
import sys

from rezvo_support.env import BadSetting

try:
    from rezvo_support import settings
except BadSetting as error:
    sys.exit(f"Bad setting: {error}")

# An open chat takes two descriptors, its own and the model's; the usual soft limit is 1,024.
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

wsgi_app = "rezvo_support.asgi:application"
worker_class = "rezvo_support.worker.Worker"
asgi_loop = "uvloop"  # a fifth less CPU time for a streamed answer than asyncio's own loop
worker_connections = settings.CHAT_OPEN_STREAMS + 1000
asgi_lifespan = "on"
workers = settings.WEB_CONCURRENCY
bind = settings.BIND
keepalive = 5
# A turn is over in CHAT_TURN_SECONDS and stored soon after: no stop cuts one off.
graceful_timeout = settings.CHAT_TURN_SECONDS + 35
# No heartbeat while a worker ends its last answers: it must not be taken for one that hangs.
timeout = graceful_timeout + 30
backlog = 2048
max_requests = 0
control_socket_disable = True

loglevel = settings.LOG_LEVEL.lower()
accesslog = "-" if settings.ACCESS_LOG else None
# Without the query: `?q=` holds what people wrote.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'
