"""`make run` in a fresh copy of the tree: one command from a clone to a desk that answers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server import ROOT, STREAM, events_of, free_port, text_of, wait_until

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make: apt-get install make")

NOT_IN_A_CLONE = (".git", ".venv", "var", ".env", "__pycache__", ".*_cache", ".hypothesis", "node_modules")
TABLES = (
    "support_articles",
    "support_conversations",
    "support_messages",
    "support_model_prices",
    "support_users",
    "support_weekly_hours",
    "django_migrations",
    "auth_permission",
)


@dataclass
class Started:
    """One `make run`, which answers."""

    process: subprocess.Popen[bytes]
    log: Path
    http: httpx2.Client

    @property
    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def interrupt(self) -> None:
        """Ctrl-C: a terminal sends it to everything that the command started."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)


@dataclass
class Copy:
    """A copy of the tree, with a home of its own in which nothing lies."""

    folder: Path
    home: Path
    port: int

    def environment(self, **values: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "PORT": str(self.port), **values}

    def run(self) -> Started:
        log = self.home.parent / f"log{free_port()}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["make", f"PYTHON={sys.executable}", "run"],
                cwd=self.folder,
                env=self.environment(),
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        url = f"http://127.0.0.1:{self.port}"
        started = Started(process, log, httpx2.Client(base_url=url, timeout=30, follow_redirects=True))

        def answers() -> bool:
            assert process.poll() is None, started.printed
            try:
                return started.http.get("/healthz").status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(answers, timeout_s=120)
        return started

    def rows(self) -> dict[str, list[Any]]:
        """Every row of what the first start makes, with its times."""
        with sqlite3.connect(self.folder / "var" / "support.sqlite3") as database:
            return {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    base = tmp_path_factory.mktemp("clone")
    folder, home = base / "desk", base / "home"
    home.mkdir()
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_IN_A_CLONE))
    # The packages of the environment that runs this test, so that nothing is downloaded.
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv" / "run").touch()
    return Copy(folder, home, free_port())


@pytest.fixture(scope="module")
def desk(copy: Copy) -> Iterator[Started]:
    """The first start."""
    started = copy.run()
    yield started
    started.http.close()
    if started.process.poll() is None:
        started.interrupt()


def password(copy: Copy) -> str:
    return (copy.folder / "var" / "admin_password").read_text().strip()


# The tests below go on from one another: the first start, what it serves, its end, the second start.


def test_it_says_where_the_desk_is_who_may_log_in_and_who_answers(copy: Copy, desk: Started) -> None:
    assert f"http://127.0.0.1:{copy.port}/\n" in desk.printed
    assert f"http://127.0.0.1:{copy.port}/admin/\n" in desk.printed
    assert "offline answerer" in desk.printed
    told = re.search(r"Staff user: admin, password: (\S+) \(kept in (.+?);", desk.printed)
    assert told, desk.printed
    assert told[1] == password(copy)
    assert Path(told[2]) == copy.folder / "var" / "admin_password"
    assert len(told[1]) >= 12
    assert not re.search(r"warning|error|traceback", desk.printed, re.IGNORECASE), desk.printed


@pytest.mark.parametrize("name", ["admin_password", "secret_key"])
def test_its_secrets_are_readable_by_their_owner_alone(copy: Copy, desk: Started, name: str) -> None:
    assert stat.S_IMODE((copy.folder / "var" / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["/", "/admin/", "/docs", "/api/schema", "/readyz"])
def test_its_pages_answer(desk: Started, path: str) -> None:
    assert desk.http.get(path).status_code == 200


def test_the_printed_password_logs_in(copy: Copy, desk: Started) -> None:
    with httpx2.Client(base_url=desk.http.base_url, follow_redirects=True, timeout=30) as browser:
        browser.get("/admin/login/")
        form = {"username": "admin", "csrfmiddlewaretoken": browser.cookies["csrftoken"], "next": "/admin/"}
        wrong = browser.post("/admin/login/", data={**form, "password": "wrong"})
        assert wrong.url.path == "/admin/login/"
        right = browser.post("/admin/login/", data={**form, "password": password(copy)})
        assert (right.status_code, right.url.path) == (200, "/admin/")


def test_the_chat_answers_from_the_demo_articles(desk: Started) -> None:
    question = {"message": "How do gift vouchers work?"}
    with desk.http.stream("POST", "/api/support/chat", json=question, headers=STREAM) as answer:
        events = list(events_of(answer.iter_lines()))
    assert "valid for 12 months" in text_of(events)
    assert events[-1].name == "done"


def test_it_has_demo_hours_that_are_those_of_its_articles(desk: Started) -> None:
    assert "demo articles and demo opening hours" in desk.printed
    assert desk.http.get("/api/support/hours").json()["text"] == "Monday to Friday 9:00-17:00"
    articles = (ROOT / "support" / "demo" / "articles" / "contact-support.md").read_text(encoding="utf-8")
    assert "Monday to Friday, 9:00 to 17:00" in articles


def test_ctrl_c_ends_it_and_all_its_processes(desk: Started) -> None:
    desk.interrupt()
    assert "Traceback" not in desk.printed
    with pytest.raises(httpx2.ConnectError):
        desk.http.get("/healthz")
    with pytest.raises(ProcessLookupError):
        os.killpg(desk.process.pid, 0)


def test_a_second_start_prints_no_password_and_changes_nothing(copy: Copy, desk: Started) -> None:
    if desk.process.poll() is None:
        desk.interrupt()
    before, kept = copy.rows(), password(copy)
    assert before["support_articles"]
    assert before["support_users"]
    assert len(before["support_weekly_hours"]) == 5
    again = copy.run()
    try:
        assert again.http.get("/admin/").status_code == 200
        assert "password" not in again.printed
        assert "Loaded" not in again.printed
        assert f"http://127.0.0.1:{copy.port}/\n" in again.printed
    finally:
        again.interrupt()
        again.http.close()
    assert copy.rows() == before
    assert password(copy) == kept


def test_with_a_key_it_says_that_claude_answers(copy: Copy, desk: Started) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "setup"],
        cwd=copy.folder,
        env=copy.environment(ANTHROPIC_API_KEY="sk-secret", BIND="127.0.0.1:9000"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Answers:   Claude (claude-haiku-4-5)\n" in done.stdout, done.stderr
    assert "http://127.0.0.1:9000/admin/\n" in done.stdout
    assert "sk-secret" not in done.stdout + done.stderr


def test_a_password_file_that_was_open_to_others_is_closed(copy: Copy, tmp_path: Path) -> None:
    kept = tmp_path / "admin_password"
    kept.touch(mode=0o644)
    kept.chmod(0o644)
    done = subprocess.run(
        [sys.executable, "manage.py", "setup"],
        cwd=copy.folder,
        env=copy.environment(VAR_DIR=str(tmp_path), SECRET_KEY="k" * 60),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Staff user: admin" in done.stdout, done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_hours_that_are_there_already_are_left_as_they_are(copy: Copy, tmp_path: Path) -> None:
    def setup() -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", "setup"],
            cwd=copy.folder,
            env=copy.environment(VAR_DIR=str(tmp_path), SECRET_KEY="k" * 60),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    setup()
    with sqlite3.connect(tmp_path / "support.sqlite3") as database:
        database.execute("DELETE FROM support_articles")
        database.execute("DELETE FROM support_weekly_hours WHERE weekday > 0")
    assert "demo articles.\n" in setup()
    with sqlite3.connect(tmp_path / "support.sqlite3") as database:
        assert list(database.execute("SELECT weekday FROM support_weekly_hours")) == [(0,)]
