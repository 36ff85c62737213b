"""Articles from a folder of Markdown files: all of it or nothing, and as often as one likes."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from support.import_articles import BadArticle, Imported, import_folder
from support.models import Article

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "hours.md", "Opening hours", "From nine to five.")
    write(tmp_path / "parking.md", "Where can I park?", "Behind the house.")
    return tmp_path


def write(path: Path, title: str, body: str, slug: str = "") -> None:
    slug_line = f"slug: {slug}\n" if slug else ""
    path.write_text(f"---\ntitle: {title}\n{slug_line}---\n\n{body}\n", encoding="utf-8")


def stored() -> dict[str, tuple[str, str]]:
    return {article.slug: (article.title, article.body) for article in Article.objects.all()}


def test_each_file_becomes_a_published_article(folder: Path) -> None:
    assert import_folder(folder) == Imported(added=2)
    assert stored() == {
        "hours": ("Opening hours", "From nine to five."),
        "parking": ("Where can I park?", "Behind the house."),
    }
    assert Article.objects.published().count() == 2


def test_a_second_run_writes_nothing(folder: Path) -> None:
    import_folder(folder)
    before = list(Article.objects.order_by("slug").values())
    assert import_folder(folder) == Imported(unchanged=2)
    assert list(Article.objects.order_by("slug").values()) == before


def test_an_edited_file_changes_its_article_and_no_other(folder: Path) -> None:
    import_folder(folder)
    before = {article.slug: article for article in Article.objects.all()}
    write(folder / "hours.md", "Our hours", "From ten.")
    assert import_folder(folder) == Imported(changed=1, unchanged=1)
    after = {article.slug: article for article in Article.objects.all()}
    assert (after["hours"].title, after["hours"].body) == ("Our hours", "From ten.")
    assert after["hours"].pk == before["hours"].pk
    assert after["hours"].updated_at > before["hours"].updated_at
    assert after["parking"].updated_at == before["parking"].updated_at


def test_an_article_that_staff_withdrew_stays_withdrawn(folder: Path) -> None:
    import_folder(folder)
    Article.objects.filter(slug="hours").update(is_published=False)
    write(folder / "hours.md", "Our hours", "From ten.")
    import_folder(folder)
    assert not Article.objects.get(slug="hours").is_published


def test_the_slug_of_the_front_matter_wins_over_the_file_name(folder: Path) -> None:
    write(folder / "hours.md", "Hours", "From nine.", slug="when-open")
    import_folder(folder)
    assert set(stored()) == {"when-open", "parking"}


def test_colons_blank_lines_and_rules_of_the_text_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "Fees: what do you charge?", "One.\n\n---\n\nTwo: three.")
    import_folder(tmp_path)
    assert stored()["a"] == ("Fees: what do you charge?", "One.\n\n---\n\nTwo: three.")


def test_files_of_windows_editors_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf---\r\ntitle: Caf\xc3\xa9\r\n---\r\n\r\nOne.\r\nTwo.\r\n")
    import_folder(tmp_path)
    assert stored()["a"] == ("Café", "One.\nTwo.")


def test_other_files_are_left_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("not an article")
    assert import_folder(folder).added == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"No front matter", "zz.md: begins with no front matter"),
        (b"---\ntitle: Never closed\n", "zz.md: begins with no front matter"),
        (b"---\nslug: zz\n---\n\nText", "zz.md: title: "),
        (b"---\ntitle: T\n---\n\n", "zz.md: body: "),
        (b"---\ntitle: " + b"x" * 201 + b"\n---\n\nText", "zz.md: title: "),
        (b"---\ntitle: T\nslug: not a slug!\n---\n\nText", "zz.md: slug: "),
        (b"---\ntitle: T\nslug: hours\n---\n\nText", "zz.md: an earlier file has the slug 'hours' too"),
        (b"---\ntitle: \xff\n---\n\nText", "zz.md: can't be read"),
        (b"---\ntitle: T\n---\n\na\x00b", "zz.md: holds a NUL character"),
    ],
)
def test_a_bad_file_names_itself_and_nothing_is_written(folder: Path, content: bytes, says: str) -> None:
    (folder / "zz.md").write_bytes(content)
    with pytest.raises(BadArticle) as raised:
        import_folder(folder)
    assert str(raised.value).startswith(says)
    assert "\n" not in str(raised.value)
    assert stored() == {}


def test_the_command_ends_with_its_counts(folder: Path) -> None:
    assert run(folder) == "2 added, 0 changed, 0 unchanged\n"
    write(folder / "hours.md", "Our hours", "From ten.")
    assert run(folder) == "0 added, 1 changed, 1 unchanged\n"


def test_the_command_says_which_file_is_bad(folder: Path) -> None:
    (folder / "zz.md").write_text("No front matter")
    with pytest.raises(CommandError, match=r"^Nothing was imported\. zz\.md: begins"):
        run(folder)


def test_the_command_wants_a_folder(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"hours\.md is not a folder\.$"):
        run(folder / "hours.md")


def run(folder: Path) -> str:
    out = StringIO()
    call_command("import_articles", folder, stdout=out)
    return out.getvalue()
