"""Settings, all from the environment (or `.env` beside `manage.py`) through the typed readers of `env.py`.

Every name, its default and its meaning stands in the table of README.md; a test compares the two.
"""

from pathlib import Path
from typing import Any

import dj_database_url
from dotenv import load_dotenv

from rezvo_support import env

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(BASE_DIR / ".env")

VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))
"""What the desk itself writes: the SQLite file, the secret key, the first password."""

# --- Django ---------------------------------------------------------------------------------------

DEBUG = env.boolean("DEBUG", False)

SECRET_KEY = env.secret("SECRET_KEY", kept_in=VAR_DIR / "secret_key")  # made by `make run`
if not SECRET_KEY:
    raise env.BadSetting(
        "SECRET_KEY: not set; put 50 random characters there (`make run` makes some in var/secret_key)"
    )
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
HTTPS = env.boolean("HTTPS", False)

INSTALLED_APPS = [
    "support.apps.SupportConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

# Only what goes through the thread pool passes these; the chat has its own short list in `asgi.py`.
MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "rezvo_support.urls"
WSGI_APPLICATION = "rezvo_support.wsgi.application"
ASGI_APPLICATION = "rezvo_support.asgi.application"
APPEND_SLASH = True  # the admin's links; the API's paths end without one

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "support.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en-gb"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"  # MongoDB can truncate dates in no other zone; zones of people are for display

STATIC_URL = "static/"
STATIC_ROOT = env.text("STATIC_ROOT") or None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step between a clone and a running desk

# A request body may hold 1 MiB: the longest pair of the contract, every character escaped, takes half.
BODY_MAX_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_MAX_BYTES

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS", check=env.is_origin)
if HTTPS:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes come straight to the process
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

# --- Databases and cache --------------------------------------------------------------------------

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASE_URL = env.url(
    "DATABASE_URL",
    ("sqlite", "postgres", "postgresql", "mongodb", "mongodb+srv"),
    f"sqlite:///{VAR_DIR / 'support.sqlite3'}",
)


_AWAY_AFTER_SECONDS = 3
"""A database that does not answer by then is taken to be away: visitors are told so, not kept waiting."""


def _database(url: str) -> dict[str, Any]:
    """Django's settings for one database. The only place where the three differ."""
    if url.startswith("mongodb"):
        return {
            "ENGINE": "django_mongodb_backend",
            "HOST": url,
            "NAME": env.text("MONGODB_NAME", "support"),
            "OPTIONS": {"serverSelectionTimeoutMS": _AWAY_AFTER_SECONDS * 1000},
        }
    config: dict[str, Any] = dict(dj_database_url.parse(url))
    options = config.setdefault("OPTIONS", {})
    if url.startswith("sqlite"):
        config["CONN_MAX_AGE"] = 60
        options["transaction_mode"] = "IMMEDIATE"  # a deferred one can't wait for its turn to write
        options["timeout"] = 20
        options["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000"
        # A file, not memory: the tests' own gunicorn and processes open it too.
        config["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
    else:
        config["CONN_MAX_AGE"] = 0  # the pool keeps the connections
        options["pool"] = {"min_size": 1, "max_size": WEB_THREADS * 2 + 2, "timeout": _AWAY_AFTER_SECONDS}
        options["connect_timeout"] = _AWAY_AFTER_SECONDS
        config["CONN_HEALTH_CHECKS"] = True
    return config


WEB_THREADS = env.integer("WEB_THREADS", 6, at_least=1, at_most=64)
# SQLite lets one write at a time: more threads would wait for it, and for each other's turn in Python.
CHAT_DATABASE_THREADS = 1 if DATABASE_URL.startswith("sqlite") else WEB_THREADS
DATABASES = {"default": _database(DATABASE_URL)}

if DATABASE_URL.startswith("mongodb"):
    # MongoDB's keys are ObjectIds: the contrib apps get that key type and migrations of their own.
    DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
    _MONGO_APPS = ("admin", "auth", "contenttypes")
    INSTALLED_APPS = [
        f"rezvo_support.mongo.Mongo{name.rsplit('.')[-1].title()}Config"
        if name.startswith("django.contrib.") and name.rsplit(".")[-1] in _MONGO_APPS
        else name
        for name in INSTALLED_APPS
    ]
    MIGRATION_MODULES = {name: f"rezvo_support.mongo_migrations.{name}" for name in _MONGO_APPS}

REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- The desk -------------------------------------------------------------------------------------

SUPPORT_EMAIL = env.email("SUPPORT_EMAIL", "support@rezvo.co.uk")
COMPANY_NAME = env.text("COMPANY_NAME", "Rezvo")
SUPPORT_TIME_ZONE = env.time_zone("SUPPORT_TIME_ZONE", "Europe/London")

ANTHROPIC_API_KEY = env.secret("ANTHROPIC_API_KEY")
ANTHROPIC_BASE_URL = env.url("ANTHROPIC_BASE_URL", ("http", "https"))
CHAT_MODEL = env.text("CHAT_MODEL", "claude-haiku-4-5")
CHAT_MAX_TOKENS = env.integer("CHAT_MAX_TOKENS", 1024, at_least=16, at_most=64_000)
CHAT_TURN_SECONDS = env.integer("CHAT_TURN_SECONDS", 60, at_least=2, at_most=600)
CHAT_STALL_SECONDS = env.integer("CHAT_STALL_SECONDS", 20, at_least=1, at_most=600)
CHAT_HISTORY_PAIRS = env.integer("CHAT_HISTORY_PAIRS", 10, at_least=0, at_most=100)
CHAT_HISTORY_CHARACTERS = env.integer("CHAT_HISTORY_CHARACTERS", 12_000, at_least=0, at_most=200_000)
CHAT_ARTICLE_TOKENS = env.integer("CHAT_ARTICLE_TOKENS", 20_000, at_least=0, at_most=150_000)
CHAT_BAD_RATINGS = env.integer("CHAT_BAD_RATINGS", 2, at_least=0, at_most=100)
CHAT_OPEN_STREAMS = env.integer("CHAT_OPEN_STREAMS", 1000, at_least=1, at_most=100_000)
CHAT_PAIRS_BEFORE_PERSON = env.integer("CHAT_PAIRS_BEFORE_PERSON", 30, at_least=0, at_most=1000)
ESCALATE_WORDS = env.items("ESCALATE_WORDS")
SYSTEM_PROMPT_FILE = env.text("SYSTEM_PROMPT_FILE", str(BASE_DIR / "support" / "data" / "system_prompt.txt"))

BUDGET_DAY_USD_BILLIONTHS = env.usd_billionths("BUDGET_DAY_USD", "10")
BUDGET_MONTH_USD_BILLIONTHS = env.usd_billionths("BUDGET_MONTH_USD", "100")
BUDGET_ADDRESS_USD_BILLIONTHS = env.usd_billionths("BUDGET_ADDRESS_USD", "1")
BUDGET_USER_USD_BILLIONTHS = env.usd_billionths("BUDGET_USER_USD", "2")
BUDGET_CONVERSATION_USD_BILLIONTHS = env.usd_billionths("BUDGET_CONVERSATION_USD", "0.50")

RATE_OPEN = env.rate("RATE_OPEN", "30/min")
RATE_LOG = env.rate("RATE_LOG", "120/min")
RATE_CHAT = env.rate("RATE_CHAT", "20/min")
for _name, _rate in {"RATE_OPEN": RATE_OPEN, "RATE_LOG": RATE_LOG, "RATE_CHAT": RATE_CHAT}.items():
    if _rate and _rate.requests > 1000 and not REDIS_URL:
        # The row that keeps a window holds the time of each request in it.
        raise env.BadSetting(f"{_name}: more than 1000 requests in a window need REDIS_URL, or a shorter window")
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, at_least=0, at_most=10)

WEB_CONCURRENCY = env.integer(
    "WEB_CONCURRENCY", 1 if DATABASE_URL.startswith("sqlite") else 2, at_least=1, at_most=64
)

PORT = env.integer("PORT", 8000, at_least=1, at_most=65_535)
BIND = env.text("BIND", f"127.0.0.1:{PORT}")
ACCESS_LOG = env.boolean("ACCESS_LOG", False)

# --- Libraries ------------------------------------------------------------------------------------

CORS_ALLOWED_ORIGINS = env.items("CORS_ALLOWED_ORIGINS", check=env.is_origin)
CORS_ALLOW_CREDENTIALS = False  # a visitor is known by a token, never by a cookie
CORS_ALLOW_METHODS = ("GET", "OPTIONS", "PATCH", "POST")
CORS_ALLOW_HEADERS = ("accept", "authorization", "content-type", "idempotency-key")
CORS_EXPOSE_HEADERS = ("retry-after",)
CORS_URLS_REGEX = r"^/api/support/.*$"

REST_FRAMEWORK = {
    # The token comes first: it has a challenge to send, so that 'who are you' is a 401 and not a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["support.api.parsers.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "support.api.errors.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rezvo Support",
    "DESCRIPTION": "The API of the support desk: chats are tickets, every pair of question and answer is kept.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # No badge: it would be asked of a server of swagger.io.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SCHEMA_PATH_PREFIX": "/api/support",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["support.api.schema.include_chat"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "support.api.schema.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "support.models.Conversation.Status",
        "SourceEnum": "support.models.Conversation.Source",
    },
}

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "support": {"level": LOG_LEVEL},
        "django": {"level": "INFO"},
        "django.utils.autoreload": {"level": "INFO"},
        # Every scanner of the internet sends foreign host names; each would be a traceback.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # The SDKs' debug lines hold whole requests, and so what visitors wrote.
        "anthropic": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "pymongo": {"level": "WARNING"},
    },
}
