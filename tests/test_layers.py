"""Who may import what. Arrows go downwards only, and each boundary has one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path
    for folder in ("support", "rezvo_support", "deploy")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in str(path)
)
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]


def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imports(node: ast.AST) -> Iterator[str]:
    """The full names that are imported when the code runs; what only type checkers see is left out."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for other in node.orelse:
            yield from imports(other)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "imports are written in full"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def imported(name: str) -> set[str]:
    return set(imports(tree(name)))


def reaches(name: str, *packages: str) -> set[str]:
    return {
        module
        for module in imported(name)
        if any(module == package or module.startswith(f"{package}.") for package in packages)
    }


def test_the_sources_are_found() -> None:
    assert {"support/bot/claude.py", "support/models/conversation.py", "rezvo_support/settings.py"} <= set(NAMES)


def test_what_type_checkers_see_is_told_from_what_runs() -> None:
    code = "if TYPE_CHECKING:\n    import a\nelse:\n    from b import x\ndef f():\n    import c.d"
    assert set(imports(ast.parse(code))) == {"b.x", "c.d"}


def test_only_claude_imports_the_sdk() -> None:
    assert [name for name in NAMES if reaches(name, "anthropic", "httpx2", "httpx")] == ["support/bot/claude.py"]


def test_only_a_desk_with_a_key_pays_for_the_sdk() -> None:
    """Importing it takes a second and 50 MB: no module imports `claude` at its own top level."""
    eager = [
        name
        for name in NAMES
        for node in tree(name).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "support.bot.claude" in set(imports(node))
    ]
    assert eager == []


@pytest.mark.parametrize("name", NAMES)
def test_only_the_settings_read_the_environment(name: str) -> None:
    if name in ("rezvo_support/env.py", "rezvo_support/settings.py"):
        return
    readers = [
        ast.unparse(node)
        for node in ast.walk(tree(name))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and "env" in ast.unparse(node))
    ]
    named_first = ast.unparse(tree(name)).count("os.environ.setdefault('DJANGO_SETTINGS_MODULE'")
    allowed = named_first if name in ("rezvo_support/asgi.py", "rezvo_support/wsgi.py") else 0
    assert len(readers) == allowed, readers


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("support/models/")])
def test_models_know_no_room_above_them(name: str) -> None:
    rooms = ("api", "bot", "ledger", "admin", "analytics", "management", "recovery", "process", "threads", "hours")
    assert not reaches(name, "rest_framework", "django.http", *(f"support.{room}" for room in rooms))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("support/ledger/")])
def test_the_ledger_knows_neither_the_bot_nor_the_api(name: str) -> None:
    assert not reaches(name, "support.api", "support.bot", "support.admin", "rest_framework")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("support/bot/")])
def test_the_bot_knows_neither_the_api_nor_the_desk(name: str) -> None:
    assert not reaches(name, "support.api", "support.admin", "rest_framework", "django.http")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("support/")])
def test_nothing_in_the_desk_imports_the_project_around_it(name: str) -> None:
    assert not reaches(name, "rezvo_support") - {"rezvo_support.env", "rezvo_support.env.Rate"}
