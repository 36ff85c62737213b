"""The README is true: its settings are the settings, its walk through the API works, its packages are pinned."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

from support.import_articles import import_folder
from support.models import Conversation, User
from tests.server import ROOT, Server

README = (ROOT / "README.md").read_text(encoding="utf-8")


def _settings_in_code() -> dict[str, str]:
    """Name of each setting that `settings.py` reads, and its default where that is a plain value."""
    found = {}
    for node in ast.walk(ast.parse((ROOT / "rezvo_support" / "settings.py").read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "env"
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and node.func.attr != "BadSetting"
        ):
            default = node.args[1] if len(node.args) > 1 else None
            found[str(node.args[0].value)] = str(default.value) if isinstance(default, ast.Constant) else ""
    return found


def _settings_in_readme() -> dict[str, str]:
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)`(?: †)? \| (.+?) \| .+ \|$", table, re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def test_the_table_has_every_setting_and_no_other() -> None:
    assert set(_settings_in_readme()) == set(_settings_in_code())


def test_the_defaults_in_the_table_are_those_of_the_code() -> None:
    told = _settings_in_readme()
    for name, default in _settings_in_code().items():
        if default and not default.isupper():
            assert told[name] == {"False": "no", "True": "yes"}.get(default, default), name


def test_every_package_is_in_the_table_of_dependencies() -> None:
    pinned = re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    table = README.partition("## Dependencies")[2]
    named = {name for row in re.findall(r"^\| ([a-z0-9, -]+) \|", table, re.MULTILINE) for name in row.split(", ")}
    assert set(pinned) == named - {"package"}


def test_the_pictures_are_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.+?)\)", README):
        assert (ROOT / picture).stat().st_size > 10_000


def test_the_commands_named_exist() -> None:
    for command in re.findall(r"`manage\.py ([a-z_]+)", README):
        own = ROOT / "support" / "management" / "commands" / f"{command}.py"
        assert own.exists() or command == "drf_create_token"


def test_the_walk_through_the_api_works(offline: Server, anna: User, tmp_path: Path) -> None:
    from rest_framework.authtoken.models import Token

    import_folder(ROOT / "support" / "demo" / "articles")
    (walk,) = re.findall(r"^```sh walk\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    script = walk.replace("http://127.0.0.1:8000", offline.url)
    token = Token.objects.create(user=anna).key
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "STAFF": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "event: done" in done.stdout
    assert '"detail"' not in done.stdout, "an error"
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.notes) == ("closed", "Explained by phone.")
    assert (conversation.message_count, conversation.escalated) == (2, True)
    assert '"total_conversations":1' in done.stdout
