"""Every setting is read by a typed reader, and a bad one is told in one line before anything starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from rezvo_support import env
from rezvo_support.env import BadSetting, Rate
from tests.server import ROOT, environment

NAME = "A_SETTING"


@pytest.fixture
def value(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the one setting that these tests read."""
    monkeypatch.delenv(NAME, raising=False)
    return lambda text: monkeypatch.setenv(NAME, text)


def read(reader: str) -> Any:
    match reader:
        case "integer":
            return env.integer(NAME, 7, at_least=1, at_most=10)
        case "boolean":
            return env.boolean(NAME, True)
        case "choice":
            return env.choice(NAME, "a", ("a", "b"))
        case "rate":
            return env.rate(NAME, "30/min")
        case "items":
            return env.items(NAME, ("x",))
        case "origins":
            return env.items(NAME, check=env.is_origin)
        case "email":
            return env.email(NAME, "a@b.org")
        case "url":
            return env.url(NAME, ("sqlite", "postgres", "mongodb"), "sqlite:///x")
        case "time_zone":
            return env.time_zone(NAME, "Europe/London")
        case "secret":
            return env.secret(NAME)
    return env.text(NAME, "default")


GOOD = [
    ("text", "", "default"),
    ("text", "  ", "default"),
    ("text", " a b ", "a b"),
    ("integer", "", 7),
    ("integer", "1", 1),
    ("integer", " 10 ", 10),
    ("boolean", "", True),
    ("boolean", "1", True),
    ("boolean", "Yes", True),
    ("boolean", "0", False),
    ("boolean", "OFF", False),
    ("boolean", "false", False),
    ("choice", "", "a"),
    ("choice", "b", "b"),
    ("rate", "", Rate(30, 60)),
    ("rate", "5/s", Rate(5, 1)),
    ("rate", "7/sec", Rate(7, 1)),
    ("rate", "120/m", Rate(120, 60)),
    ("rate", "1000/hour", Rate(1000, 3600)),
    ("rate", "9/DAY", Rate(9, 86400)),
    ("rate", "off", None),
    ("rate", "Off", None),
    ("items", "", ["x"]),
    ("items", " a, b ,,c ", ["a", "b", "c"]),
    ("origins", "https://a.example,http://localhost:3000,http://[::1]:8000", None),
    ("email", "", "a@b.org"),
    ("email", "Help@Example.org", "Help@Example.org"),
    ("url", "", "sqlite:///x"),
    ("url", "postgres://u:p@h:5432/db", "postgres://u:p@h:5432/db"),
    ("url", "mongodb://h1:27017,h2:27017/?replicaSet=r", "mongodb://h1:27017,h2:27017/?replicaSet=r"),
    ("time_zone", "", "Europe/London"),
    ("time_zone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("time_zone", "UTC", "UTC"),
    ("secret", "s", "s"),
]

BAD = [
    *(("integer", text) for text in ("0", "11", "-1", "1.5", "ten", "1e1", "0x1", "٣", "9" * 5000)),
    *(("boolean", text) for text in ("2", "maybe", "ja", "tru")),
    *(("choice", text) for text in ("c", "A", "a,b")),
    *(("rate", text) for text in ("30", "30/", "/min", "0/min", "-1/s", "30/week", "1.5/s", "none", "9999999/s")),
    *(("origins", text) for text in ("*", "a.example", "https://a/", "https://a/b", "ftp://a", "https://a b")),
    *(("email", text) for text in ("nobody", "a@b", "@b.org", "a b@c.org", "a@b@c.org")),
    *(("url", text) for text in ("db", "mysql://h/db", "postgres://", "postgres:///x", "postgres://h:port/db")),
    *(
        ("time_zone", text)
        for text in ("Europe", "Europe/Londres", "../etc/passwd", "/etc/passwd", "zone.tab", "é")
    ),
    *(("url", text) for text in ("postgres://h:99999/db", "http://[::1/db")),
]


@pytest.mark.parametrize(("reader", "text", "expected"), GOOD)
def test_a_good_value_is_read(value: Any, reader: str, text: str, expected: Any) -> None:
    value(text)
    assert read(reader) == (text.split(",") if reader == "origins" else expected)


@pytest.mark.parametrize(("reader", "text"), BAD)
def test_a_bad_value_raises_one_line_that_begins_with_the_name(value: Any, reader: str, text: str) -> None:
    value(text)
    with pytest.raises(BadSetting) as raised:
        read(reader)
    assert str(raised.value).startswith(f"{NAME}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/db", "postgres://u:hunter2@h:port/db", "hunter2"])
def test_a_bad_url_keeps_its_password(value: Any, url: str) -> None:
    value(url)
    with pytest.raises(BadSetting) as raised:
        read("url")
    assert "hunter2" not in str(raised.value)
    assert "postgres://" in str(raised.value), "it says what would do"


def test_a_secret_comes_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, given = tmp_path / "kept", tmp_path / "given"
    assert env.secret(NAME, kept_in=kept) == ""
    kept.write_text("from the var folder\n")
    assert env.secret(NAME, kept_in=kept) == "from the var folder"
    given.write_text(" from a file\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(given))
    assert env.secret(NAME, kept_in=kept) == "from a file"
    monkeypatch.setenv(NAME, "itself")
    assert env.secret(NAME, kept_in=kept) == "itself"


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "missing"))
    with pytest.raises(BadSetting, match=rf"^{NAME}_FILE: can't read .*missing: FileNotFoundError$"):
        env.secret(NAME)
    monkeypatch.delenv(f"{NAME}_FILE")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match=rf"^{NAME}: can't read .*bytes: UnicodeDecodeError$"):
        env.secret(NAME, kept_in=tmp_path / "bytes")


# --- The programs themselves ----------------------------------------------------------------------

BROKEN = [
    ("DEBUG", "perhaps"),
    ("DATABASE_URL", "mysql://desk:hunter2@db.example/desk"),
    ("DATABASE_URL", "postgres://desk:hunter2@db.example:port/desk"),
    ("REDIS_URL", "http://:hunter2@cache.example"),
    ("RATE_CHAT", "20 per minute"),
    ("SUPPORT_EMAIL", "support"),
    ("TRUSTED_PROXIES", "-1"),
    ("CORS_ALLOWED_ORIGINS", "https://rezvo.co.uk/"),
    ("WEB_CONCURRENCY", "lots"),
    ("LOG_LEVEL", "LOUD"),
    ("ANTHROPIC_BASE_URL", "api.anthropic.com"),
    ("SUPPORT_TIME_ZONE", "Europe/Londres"),
]
CHECK = ["manage.py", "check"]
GUNICORN = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]


def program(words: list[str], **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment(**values), capture_output=True, text=True, timeout=60
    )


def printed(words: list[str], **values: str) -> str:
    """The one line on stderr with which a program refuses to start."""
    done = program(words, **values)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "text"), BROKEN)
def test_a_bad_setting_stops_every_command_with_one_line(name: str, text: str) -> None:
    line = printed(CHECK, **{name: text})
    assert line.startswith(f"Bad setting: {name}: ")
    assert "hunter2" not in line


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "text"), [BROKEN[1], BROKEN[4]])
def test_a_bad_setting_stops_the_server_with_one_line(name: str, text: str) -> None:
    line = printed(GUNICORN, **{name: text})
    assert line.startswith(f"Bad setting: {name}: ")
    assert "hunter2" not in line


@pytest.mark.django_db
@pytest.mark.parametrize("words", [CHECK, GUNICORN])
def test_without_a_secret_key_nothing_starts(words: list[str], tmp_path: Path) -> None:
    line = printed(words, SECRET_KEY="", SECRET_KEY_FILE="", VAR_DIR=str(tmp_path))
    assert line.startswith("Bad setting: SECRET_KEY: not set")
    assert "make run" in line


@pytest.mark.django_db
def test_the_secret_key_may_lie_in_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 60 + "\n")
    shown = program(["manage.py", "diffsettings"], SECRET_KEY="", SECRET_KEY_FILE=str(key), VAR_DIR=str(tmp_path))
    assert f"SECRET_KEY = '{'k' * 60}'\n" in shown.stdout


@pytest.mark.django_db
def test_debug_is_off_unless_it_is_switched_on() -> None:
    code = "import django.conf; print(django.conf.settings.DEBUG)"
    for text, debug in (("", "False"), ("1", "True")):
        done = program(["-c", code], DEBUG=text, DJANGO_SETTINGS_MODULE="rezvo_support.settings")
        assert done.stdout.strip() == debug, done.stderr


@pytest.mark.django_db
def test_behind_https_djangos_own_deployment_check_finds_nothing() -> None:
    deploy = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = program(deploy, HTTPS="1", SECRET_KEY=settings.SECRET_KEY, DJANGO_ALLOW_ASYNC_UNSAFE="")
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr
    plain = program(deploy, HTTPS="0", DJANGO_ALLOW_ASYNC_UNSAFE="")
    assert (plain.returncode, "security.W008" in plain.stderr) == (1, True), "plain HTTP is for trying it out"
