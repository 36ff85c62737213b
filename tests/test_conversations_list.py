"""GET /api/support/conversations: the list for staff, its pages and its filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from support.models import Conversation, Message, User

pytestmark = pytest.mark.django_db

URL = "/api/support/conversations"
NOON = datetime(2026, 2, 18, 12, tzinfo=UTC)


def make(count: int, *, same_time: bool = False, **columns: Any) -> list[Conversation]:
    """So many conversations, each a minute older than the one before, or all of the same moment."""
    return Conversation.objects.bulk_create(
        Conversation(created_at=NOON - timedelta(minutes=0 if same_time else n), **columns) for n in range(count)
    )


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def walk(client: Any, url: str | None, link: str = "next", between: Any = None) -> list[str]:
    """The ids of all pages, in the order in which they come."""
    seen: list[str] = []
    while url:
        answer = client.get(url)
        page = ids(answer)
        seen += page if link == "next" else reversed(page)
        url = answer.json()[link]
        if between:
            between()
    return seen


def test_it_lists_the_newest_first_with_what_is_for_staff(staff_api: Any) -> None:
    rows = make(3, notes="a note")
    answer = staff_api.get(URL)
    assert ids(answer) == [row.pk for row in rows]
    assert list(answer.json()) == ["next", "previous", "results"]
    assert (answer.json()["next"], answer.json()["previous"]) == (None, None)
    first = answer.json()["results"][0]
    assert (first["notes"], first["created_at"]) == ("a note", "2026-02-18T12:00:00Z")
    assert "messages" not in first
    assert "token" not in first


def test_an_empty_desk_is_an_empty_list(staff_api: Any) -> None:
    assert staff_api.get(URL).json() == {"next": None, "previous": None, "results": []}


def test_only_staff_may_list(api: Any) -> None:
    opened = api.post(URL).json()
    carl = Token.objects.create(user=User.objects.create_user("carl"))
    assert api.get(URL).status_code == 401
    assert api.get(URL, HTTP_AUTHORIZATION=f"Bearer {opened['token']}").status_code == 401
    assert api.get(URL, HTTP_AUTHORIZATION="Token wrong").status_code == 401
    assert api.get(URL, HTTP_AUTHORIZATION=f"Token {carl.key}").status_code == 403


def test_a_session_will_do(api: Any, anna: Any) -> None:
    api.force_login(anna)
    assert api.get(URL).status_code == 200


@pytest.mark.parametrize("same_time", [False, True], ids=["each of its own time", "all of the same millisecond"])
def test_walking_next_sees_every_row_once_while_rows_are_added(staff_api: Any, same_time: bool) -> None:
    rows = make(23, same_time=same_time)
    seen = walk(staff_api, f"{URL}?limit=5", between=lambda: Conversation.objects.create())
    assert len(seen) == 23
    assert set(seen) == {row.pk for row in rows}


@pytest.mark.parametrize("same_time", [False, True], ids=["each of its own time", "all of the same millisecond"])
def test_previous_leads_back_over_the_same_rows(staff_api: Any, same_time: bool) -> None:
    make(12, same_time=same_time)
    pages, url = [], f"{URL}?limit=5"
    while url:
        pages.append(url)
        url = staff_api.get(url).json()["next"]
    there = [ids(staff_api.get(page)) for page in pages]
    assert [len(page) for page in there] == [5, 5, 2]
    second = staff_api.get(staff_api.get(pages[2]).json()["previous"])
    assert ids(second) == there[1]
    first = staff_api.get(second.json()["previous"])
    assert ids(first) == there[0]
    assert first.json()["previous"] is None, "nothing is newer"
    assert ids(staff_api.get(first.json()["next"])) == there[1]


def test_previous_of_an_old_page_shows_what_was_added_since(staff_api: Any) -> None:
    make(3)
    older = staff_api.get(staff_api.get(f"{URL}?limit=2").json()["next"])
    new = Conversation.objects.create()
    assert walk(staff_api, older.json()["previous"], "previous")[-1] == new.pk


def test_links_keep_the_filters(staff_api: Any) -> None:
    make(3, source="web")
    wanted = {row.pk for row in make(5, source="app_diner")}
    assert set(walk(staff_api, f"{URL}?limit=2&source=app_diner")) == wanted


@pytest.mark.parametrize(("limit", "count"), [(None, 50), ("1", 1), ("200", 200)])
def test_a_page_has_50_rows_unless_another_number_is_asked_for(
    staff_api: Any, limit: str | None, count: int
) -> None:
    make(201)
    assert len(ids(staff_api.get(URL, {"limit": limit} if limit else {}))) == count


@pytest.mark.parametrize("limit", ["0", "201", "-1", "abc", "", "1.5", "٣", "9" * 5000])
def test_a_bad_limit_is_a_400(staff_api: Any, limit: str) -> None:
    answer = staff_api.get(URL, {"limit": limit})
    assert (answer.status_code, list(answer.json())) == (400, ["limit"])


@pytest.mark.parametrize(
    "cursor", ["", "x", "n1", f"n1-{'F' * 24}", f"x1-{'f' * 24}", f"n-1-{'f' * 24}", f"n{'9' * 17}-{'f' * 24}"]
)
def test_a_bad_cursor_is_a_400(staff_api: Any, cursor: str) -> None:
    answer = staff_api.get(URL, {"cursor": cursor})
    assert (answer.status_code, list(answer.json())) == (400, ["cursor"])


@pytest.mark.parametrize("cursor", ["n0-", "p0-", "n9999999999999999-", "p9999999999999999-"])
def test_a_cursor_outside_all_rows_is_a_page(staff_api: Any, cursor: str) -> None:
    make(2)
    assert len(ids(staff_api.get(URL, {"cursor": cursor + "f" * 24}))) in (0, 2)


@pytest.mark.parametrize("count", [3, 60])
def test_a_page_costs_two_queries_however_long(staff_api: Any, django_assert_num_queries: Any, count: int) -> None:
    make(count)
    with django_assert_num_queries(2):  # who asks, and the rows
        assert len(ids(staff_api.get(URL, {"limit": 200}))) == count


@pytest.mark.parametrize(
    ("name", "value", "columns"),
    [
        ("status", "in_progress", {"status": "in_progress"}),
        ("source", "dashboard", {"source": "dashboard"}),
        ("escalated", "true", {"escalated": True}),
        ("q", "needle", {"notes": "a NEEDLE in here"}),
    ],
)
def test_a_filter_shows_only_what_fits(staff_api: Any, name: str, value: str, columns: dict[str, Any]) -> None:
    make(2)
    fits = make(1, **columns)[0]
    assert ids(staff_api.get(URL, {name: value})) == [fits.pk]
    assert len(ids(staff_api.get(URL, {name: ""}))) == 3, "what an empty field of a form sends is no filter"


def test_escalated_false_leaves_out_what_went_to_a_person(staff_api: Any) -> None:
    fits, _ = make(1)[0], make(1, escalated=True)
    assert ids(staff_api.get(URL, {"escalated": "false"})) == [fits.pk]


def test_assigned_to_takes_an_id_me_or_none(staff_api: Any, anna: Any, ben: Any) -> None:
    annas, bens, nobodys = (make(1, assigned_to=staff)[0] for staff in (anna, ben, None))
    assert ids(staff_api.get(URL, {"assigned_to": "me"})) == [annas.pk]
    assert ids(staff_api.get(URL, {"assigned_to": ben.pk})) == [bens.pk]
    assert ids(staff_api.get(URL, {"assigned_to": "none"})) == [nobodys.pk]
    assert ids(staff_api.get(URL, {"assigned_to": "f" * 24})) == []


@pytest.mark.parametrize("text", ["REFUND", "reply", "50% (really)", "a_b", "back\\slash", ".*"])
def test_q_finds_text_in_either_half_of_a_pair_once(staff_api: Any, text: str) -> None:
    hit, miss = make(2)
    for said in ("my refund of 50% (really) a_b back\\slash .*", "my refund of 50% (really) a_b back\\slash .*"):
        Message.objects.create(conversation=hit, user_message=said, assistant_message="a Reply")
    Message.objects.create(conversation=miss, user_message="500 (real) axb backslash", assistant_message="no")
    assert ids(staff_api.get(URL, {"q": text})) == [hit.pk]


def test_created_after_includes_and_created_before_excludes_its_moment(staff_api: Any) -> None:
    late, noon, early = (Conversation.objects.create(created_at=NOON + timedelta(hours=n)) for n in (1, 0, -1))
    assert ids(staff_api.get(URL, {"created_after": "2026-02-18T12:00:00Z"})) == [late.pk, noon.pk]
    assert ids(staff_api.get(URL, {"created_before": "2026-02-18T12:00:00Z"})) == [early.pk]
    assert ids(staff_api.get(URL, {"created_after": "2026-02-18", "created_before": "2026-02-19"})) != []
    assert ids(staff_api.get(URL, {"created_after": "2026-02-19"})) == []


@pytest.mark.parametrize(
    "moment",
    ["2026-02-18T13:30:00+01:30", "2026-02-18T12:00", "2026-02-18 12:00:00", "2026-02-18t12:00:00.000z"],
)
def test_a_moment_may_have_a_zone_and_without_one_is_utc(staff_api: Any, moment: str) -> None:
    make(1)
    assert len(ids(staff_api.get(URL, {"created_after": moment}))) == 1
    assert len(ids(staff_api.get(f"{URL}?created_after={moment.replace(' ', '%20')}"))) == 1, "a + not encoded"
    assert len(ids(staff_api.get(URL, {"created_before": moment}))) == 0


@pytest.mark.parametrize("moment", ["0001-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_moment_are_moments(staff_api: Any, moment: str) -> None:
    make(1)
    for name in ("created_after", "created_before"):
        assert staff_api.get(URL, {name: moment}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("source", "fax"),
        ("escalated", "yes"),
        ("assigned_to", "anna"),
        ("assigned_to", "F" * 24),
        ("q", "x" * 201),
        ("q", "a\x00b"),
        *(("created_after", moment) for moment in ("yesterday", "2026-13-01", "2026-W08-3", "1771416000")),
        ("created_after", "0001-01-01T00:00:00+01:00"),
        ("created_before", "9999-12-31T23:59:59-01:00"),
        ("created_before", "0000-01-01"),
    ],
)
def test_a_bad_value_is_a_400_that_names_the_filter(staff_api: Any, name: str, value: str) -> None:
    answer = staff_api.get(URL, {name: value})
    assert (answer.status_code, list(answer.json())) == (400, [name])
