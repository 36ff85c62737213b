"""Articles from a folder of Markdown files: all of it or nothing, and as often as one likes."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from support.import_articles import BadArticle, EmptyFolder, Imported, import_folder
from support.models import Article, ArticleVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "hours.md", "Opening hours", "From nine to five.")
    write(tmp_path / "parking.md", "Where can I park?", "Behind the house.")
    return tmp_path


def write(path: Path, title: str, body: str, **more: str) -> None:
    lines = "".join(f"{name}: {value}\n" for name, value in more.items())
    path.write_text(f"---\ntitle: {title}\n{lines}---\n\n{body}\n", encoding="utf-8")


def published() -> set[str]:
    return set(Article.objects.published().values_list("slug", flat=True))


def texts(slug: str) -> list[str]:
    """The bodies of all versions of an article, oldest first."""
    rows = ArticleVersion.objects.filter(article__slug=slug).order_by("number")
    return list(rows.values_list("body", flat=True))


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
        (b"---\ntitle: T\npublished: later\n---\n\nText", "zz.md: published: is yes or no, not 'later'"),
        (b"---\ntitle: T\n---\n\n" + b"x" * 20_001, "zz.md: body: longer than 20,000 characters"),
    ],
)
def test_a_bad_file_names_itself_and_nothing_is_written(folder: Path, content: bytes, says: str) -> None:
    (folder / "zz.md").write_bytes(content)
    with pytest.raises(BadArticle) as raised:
        import_folder(folder)
    assert str(raised.value).startswith(says)
    assert "\n" not in str(raised.value)
    assert stored() == {}


# --- The desk and the file ------------------------------------------------------------------------


def test_each_changed_file_is_a_version_more(folder: Path) -> None:
    import_folder(folder)
    write(folder / "hours.md", "Opening hours", "From ten.")
    import_folder(folder)
    assert texts("hours") == ["From nine to five.", "From ten."]
    assert texts("parking") == ["Behind the house."]
    assert Article.objects.get(slug="hours").version == 2


def test_an_edit_in_the_desk_stays_while_the_file_stays_as_it_is(folder: Path) -> None:
    import_folder(folder)
    Article.objects.get(slug="hours").revise(body="From eleven.")
    assert import_folder(folder) == Imported(unchanged=2)
    assert stored()["hours"] == ("Opening hours", "From eleven.")


def test_where_both_have_changed_the_file_wins_and_the_desks_text_remains_as_a_version(folder: Path) -> None:
    import_folder(folder)
    Article.objects.get(slug="hours").revise(body="From eleven.")
    write(folder / "hours.md", "Opening hours", "From ten.")
    done = import_folder(folder)
    assert done == Imported(changed=1, unchanged=1)
    assert [step.note for step in done.steps] == ["the desk's text remains as version 2", ""]
    assert texts("hours") == ["From nine to five.", "From eleven.", "From ten."]
    assert import_folder(folder) == Imported(unchanged=2)


def test_a_file_that_says_what_the_desk_says_changes_nothing_and_is_the_file_from_now_on(folder: Path) -> None:
    import_folder(folder)
    article = Article.objects.get(slug="hours")
    article.revise(body="From ten.")
    write(folder / "hours.md", "Opening hours", "From ten.")
    assert import_folder(folder) == Imported(unchanged=2)
    assert texts("hours") == ["From nine to five.", "From ten."]
    Article.objects.get(slug="hours").revise(body="From eleven.")
    assert import_folder(folder) == Imported(unchanged=2)
    assert stored()["hours"][1] == "From eleven."


def test_a_file_with_the_slug_of_an_article_of_the_desk_takes_it_over(folder: Path) -> None:
    Article.objects.create(slug="hours", title="Hours", body="Ask us.")
    done = import_folder(folder)
    assert done == Imported(added=1, changed=1)
    assert done.steps[0].note == "the desk's text remains as version 1, from the desk until now"
    assert texts("hours") == ["Ask us.", "From nine to five."]


# --- Published, or not ----------------------------------------------------------------------------


def test_a_draft_is_not_published_until_its_file_says_so(folder: Path) -> None:
    for no in ("no", "No", "false"):
        write(folder / "hours.md", "Opening hours", "From nine to five.", Published=no)
        import_folder(folder)
        assert published() == {"parking"}
    write(folder / "hours.md", "Opening hours", "From nine to five.", published="yes")
    assert import_folder(folder) == Imported(changed=1, unchanged=1)
    assert published() == {"hours", "parking"}
    write(folder / "hours.md", "Opening hours", "From nine to five.", published="no")
    assert import_folder(folder) == Imported(changed=1, unchanged=1)
    assert published() == {"parking"}
    assert texts("hours") == ["From nine to five."]


@pytest.mark.parametrize("in_the_file", [True, False])
def test_what_staff_say_of_publishing_stays_while_the_file_says_the_same(folder: Path, in_the_file: bool) -> None:
    write(folder / "hours.md", "Opening hours", "From nine.", published="yes" if in_the_file else "no")
    import_folder(folder)
    Article.objects.filter(slug="hours").update(is_published=not in_the_file)
    write(folder / "hours.md", "Our hours", "From ten.", published="yes" if in_the_file else "no")
    import_folder(folder)
    article = Article.objects.get(slug="hours")
    assert (article.body, article.is_published) == ("From ten.", not in_the_file)


def test_an_article_whose_file_is_gone_is_unpublished_and_kept_and_comes_back_with_it(folder: Path) -> None:
    import_folder(folder)
    text = (folder / "hours.md").read_text(encoding="utf-8")
    (folder / "hours.md").unlink()
    assert import_folder(folder) == Imported(unchanged=1, unpublished=1)
    assert published() == {"parking"}
    assert import_folder(folder) == Imported(unchanged=1)
    (folder / "hours.md").write_text(text, encoding="utf-8")
    assert import_folder(folder) == Imported(changed=1, unchanged=1)
    assert published() == {"hours", "parking"}
    assert texts("hours") == ["From nine to five."]


def test_what_staff_publish_again_without_a_file_stays_published(folder: Path) -> None:
    import_folder(folder)
    (folder / "hours.md").unlink()
    import_folder(folder)
    Article.objects.filter(slug="hours").update(is_published=True)
    assert import_folder(folder) == Imported(unchanged=1)
    assert "hours" in published()


def test_a_draft_that_staff_published_goes_with_its_file(folder: Path) -> None:
    write(folder / "hours.md", "Opening hours", "From nine.", published="no")
    import_folder(folder)
    Article.objects.filter(slug="hours").update(is_published=True)
    (folder / "hours.md").unlink()
    assert import_folder(folder).unpublished == 1
    assert published() == {"parking"}


def test_what_staff_withdrew_does_not_come_back_with_its_file(folder: Path) -> None:
    import_folder(folder)
    Article.objects.filter(slug="hours").update(is_published=False)
    text = (folder / "hours.md").read_text(encoding="utf-8")
    (folder / "hours.md").unlink()
    assert import_folder(folder) == Imported(unchanged=1)
    (folder / "hours.md").write_text(text, encoding="utf-8")
    assert import_folder(folder) == Imported(unchanged=2)
    assert published() == {"parking"}


def test_articles_of_the_desk_and_of_other_folders_are_left_alone(folder: Path, tmp_path: Path) -> None:
    Article.objects.create(slug="written", title="Written here", body="…")
    other = tmp_path / "other"
    other.mkdir()
    write(other / "fees.md", "Fees", "None.")
    import_folder(folder)
    done = import_folder(other)
    assert (done, done.others) == (Imported(added=1), [folder.name] * 2)
    assert import_folder(folder) == Imported(unchanged=2)
    assert published() == {"written", "fees", "hours", "parking"}


def test_a_folder_is_known_by_its_name_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    import_folder(folder, source="help")
    elsewhere = tmp_path / "release-2" / "help"
    elsewhere.mkdir(parents=True)
    write(elsewhere / "hours.md", "Opening hours", "From nine to five.")
    assert import_folder(elsewhere) == Imported(unchanged=1, unpublished=1)
    assert published() == {"hours"}


@pytest.mark.parametrize("content", [None, "not an article"])
def test_an_empty_folder_unpublishes_nothing_unless_that_is_meant(folder: Path, content: str | None) -> None:
    import_folder(folder)
    for file in folder.iterdir():
        file.unlink()
    if content:
        (folder / "notes.txt").write_text(content)
    with pytest.raises(EmptyFolder):
        import_folder(folder)
    assert published() == {"hours", "parking"}
    assert import_folder(folder, allow_empty=True) == Imported(unpublished=2)
    assert published() == set()


# --- The command ----------------------------------------------------------------------------------


def test_the_command_says_what_it_did_and_ends_with_its_counts(folder: Path) -> None:
    assert run(folder).splitlines() == [
        "added hours",
        "added parking",
        "2 added, 0 changed, 0 unchanged, 0 unpublished",
    ]
    write(folder / "hours.md", "Our hours", "From ten.")
    (folder / "parking.md").unlink()
    assert run(folder).splitlines() == [
        "changed hours",
        "unpublished parking (its file is gone)",
        "0 added, 1 changed, 0 unchanged, 1 unpublished",
    ]
    assert run(folder, "--source", "more").splitlines()[-1] == "0 added, 0 changed, 1 unchanged, 0 unpublished"
    assert run(folder, verbosity=0) == "0 added, 0 changed, 1 unchanged, 0 unpublished\n"


def test_the_command_names_what_it_left_alone(folder: Path) -> None:
    import_folder(folder, source="demo")
    (folder / "parking.md").unlink()
    assert "left alone: 1 published from elsewhere (demo)\n" in run(folder)


def test_a_dry_run_says_the_same_and_writes_nothing(folder: Path) -> None:
    import_folder(folder)
    Article.objects.get(slug="hours").revise(body="From eleven.")
    write(folder / "hours.md", "Our hours", "From ten.")
    write(folder / "fees.md", "Fees", "None.")
    (folder / "parking.md").unlink()
    before = [list(model.objects.order_by("pk").values()) for model in (Article, ArticleVersion)]
    assert run(folder, "--dry-run").splitlines() == [
        "would add fees",
        "would change hours (the desk's text remains as version 2)",
        "would unpublish parking (its file is gone)",
        "1 to add, 1 to change, 0 unchanged, 1 to unpublish",
    ]
    assert [list(model.objects.order_by("pk").values()) for model in (Article, ArticleVersion)] == before


def test_the_command_refuses_an_empty_folder_unless_told_otherwise(folder: Path) -> None:
    import_folder(folder)
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(CommandError, match=r"^Nothing was imported\. .* --allow-empty"):
        run(folder)
    assert run(folder, "--allow-empty").endswith("2 unpublished\n")


def test_the_command_says_when_an_article_was_edited_at_the_same_moment(folder: Path) -> None:
    import_folder(folder)
    write(folder / "hours.md", "Opening hours", "From ten.")
    article = Article.objects.get(slug="hours")
    ArticleVersion.objects.create(article=article, number=2, title="Hours", body="Just being saved.")
    with pytest.raises(
        CommandError, match=r"^An article was edited at the same moment: run it again\. “Hours” is at"
    ):
        run(folder)


def test_the_command_wants_a_name_that_can_be_kept(folder: Path) -> None:
    for name in (" ", "x" * 256):
        with pytest.raises(CommandError, match="a name of 1 to 255 characters"):
            run(folder, "--source", name)


def test_the_command_says_which_file_is_bad(folder: Path) -> None:
    (folder / "zz.md").write_text("No front matter")
    with pytest.raises(CommandError, match=r"^Nothing was imported\. zz\.md: begins"):
        run(folder)


def test_the_command_wants_a_folder(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"hours\.md is not a folder\.$"):
        run(folder / "hours.md")


def run(folder: Path, *options: str, verbosity: int = 1) -> str:
    out = StringIO()
    call_command("import_articles", folder, *options, stdout=out, verbosity=verbosity)
    return out.getvalue()
