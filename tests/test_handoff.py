"""Who asks for a person gets one; who only speaks of persons gets an answer."""

from __future__ import annotations

import time
from typing import Any

import pytest

from support.handoff import asks_for_person, sends_to_support

WISHES = """
Can I talk to a human?
can i talk to a person
I want to speak to someone
Can I speak to a real person, please?
I'd like to speak with one of your colleagues
Let me talk to an agent
Could I chat with a representative?
May I speak with a manager?
I need to speak directly to your support team
Please connect me with a member of staff
put me through to a person
Transfer me to an agent now
Can you pass this on to a colleague?
Hand me over to somebody
agent
Human!
Operator
A person, please.
human please
I need a human
get me a person
I want a person to look at this
I'd prefer a human being
Is there anyone I can speak to?
Is there a person we could talk to about this?
Can somebody call me back? Can someone please call me?
Are there live agents? I want a live agent
I don't want to talk to a bot
Stop, I hate talking to a robot
live chat
Talk to a person
Why can't I talk to anyone here? I can't talk to anyone here
Your last answer was wrong. Speak to a human!
I can’t fix this, let me speak to someone
"""

QUESTIONS = """
table for one person
Table for one person, please
How do I add a staff member?
How much is the deposit per person?
Is it £10 a person?
Can I put a person on the waiting list?
Can I pass my booking on to someone else?
Can I transfer a booking to another person?
How do I connect my staff accounts?
How do I connect Google to our team's calendar?
How do I talk to my guests?
How do guests chat with my staff?
Which person gets the text from the waiting list?
Can someone else pay my deposit?
I want a person removed from my team
I need a staff account
We need a table for ten people
Can an agent book for me?
The person I booked for can't come
How do I contact support?
What is your support email?
Am I talking to a bot?
Can the manager change opening hours?
How do I put a note for a person with an allergy?
Can my colleague log in?
Does somebody have to confirm a group booking?
I don't need to speak to anyone, just tell me the price
How do I cancel without speaking to a person?
The agency wants 20 covers
My staff can't log in
How do I transfer our data to a new owner?
What does a human resources manager see?
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("phrase", lines(WISHES))
def test_a_wish_for_a_person_is_understood(phrase: str) -> None:
    assert asks_for_person(phrase)


@pytest.mark.parametrize("phrase", lines(WISHES))
def test_neither_case_nor_line_breaks_hide_a_wish(phrase: str) -> None:
    assert asks_for_person(phrase.upper())
    assert asks_for_person(phrase.replace(" ", "\n"))


@pytest.mark.parametrize("phrase", lines(QUESTIONS))
def test_a_question_about_people_is_no_wish_for_one(phrase: str) -> None:
    assert not asks_for_person(phrase)


@pytest.mark.parametrize(
    "text",
    [
        "talk to " + "the " * 2000,
        "talk to" + " " * 8000,
        "not " * 2000,
        "!" * 8000,
        "not talk " * 900,
        "I want a person" * 500,
    ],
)
def test_no_text_takes_long_to_read(text: str) -> None:
    started = time.process_time()
    asks_for_person(text[:8000])
    assert time.process_time() - started < 1


def test_a_wish_is_found_at_the_end_of_a_long_text() -> None:
    assert asks_for_person("blah " * 1500 + "can I talk to a human")


@pytest.mark.parametrize(
    "answer",
    [
        "Please email support@rezvo.co.uk.",
        "EMAIL SUPPORT@REZVO.CO.UK",
        "Write to Support@Rezvo.co.uk; our e-mail or email is read daily.",
        "support@rezvo.co.uk is our Email address",
    ],
)
def test_an_answer_with_the_word_email_and_the_address_sends_to_support(answer: str) -> None:
    assert sends_to_support(answer)


@pytest.mark.parametrize(
    "answer",
    ["", "Email us.", "Write to support@rezvo.co.uk.", "email sales@rezvo.co.uk", "email support@rezvo.com"],
)
def test_one_of_the_two_alone_does_not(answer: str) -> None:
    assert not sends_to_support(answer)


def test_the_address_is_the_configured_one(settings: Any) -> None:
    settings.SUPPORT_EMAIL = "Help@Example.org"
    assert sends_to_support("email help@example.ORG")
    assert not sends_to_support("email support@rezvo.co.uk")
