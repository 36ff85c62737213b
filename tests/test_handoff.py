"""Who asks for a person gets one; who only speaks of persons gets an answer."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from support import handoff
from support.handoff import asks_for_person, listed_word, sends_to_support
from tests.questions import ANSWERED, UNANSWERED

ENGLISH_WISHES = """
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
Hello, human please
I don't want an article. I want a person.
Why don't I get to talk to a human?
I don't need a bot, connect me to an agent
Am I talking to a bot? I want to speak to somebody
get me someone who knows, get me someone
Is there a human in this chat?
Not a bot but a person
"""

ENGLISH_QUESTIONS = """
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
I don't need a human, the article is enough
Please don't transfer me to an agent
Do I have to talk to someone to cancel?
Can I book online instead of talking to a person?
Are you a real person?
Are you a bot or a real person?
Am I talking to a person or to a machine?
I want to talk to a bot
"""

GERMAN_WISHES = """
Kann ich mit einem Menschen sprechen?
kann ich mit jemandem reden
Ich möchte mit einem Mitarbeiter sprechen
Ich moechte bitte mit einem echten Menschen sprechen
Könnte ich kurz mit einer Kollegin telefonieren?
Ich will mit jemandem vom Support sprechen
Ich würde lieber mit einem Ihrer Mitarbeiter reden
Lassen Sie mich mit Ihrem Chef sprechen
Kann man hier auch mit einer echten Person chatten?
Gibt es jemanden, mit dem ich sprechen kann?
Kann ich bitte einen Mitarbeiter sprechen?
Ich will sofort jemanden sprechen!
Verbinden Sie mich mit einem Mitarbeiter
Verbinde mich bitte mit einem Menschen
Können Sie mich mit einem Kollegen verbinden?
Kannst du mich an einen Menschen weiterleiten?
Kann ich mit einem Berater verbunden werden?
Stellen Sie mich bitte durch
Leiten Sie mich an den Kundendienst weiter
Geben Sie das bitte an einen Kollegen weiter
Können Sie das an einen Mitarbeiter weitergeben?
Ich brauche einen Menschen
Ich brauche einen Ansprechpartner, bitte
Ich hätte gern einen Menschen am Telefon
Ich will einen Mitarbeiter, der mir hilft
Geben Sie mir einen Menschen!
Ich will einen echten Menschen und keine Maschine
Hier braucht es einen menschlichen Ansprechpartner
Mensch
Mitarbeiter, bitte
Hallo, einen Menschen bitte
Das hilft mir nicht. Mitarbeiter!
Kundenservice
Live-Chat
Können Sie mich zurückrufen?
Koennen Sie mich bitte anrufen?
Kann mich jemand anrufen?
Rufen Sie mich bitte zurück
Ich bitte um Rückruf
Ich möchte einen Rückruf
Ich möchte nicht mit einem Bot sprechen
Ich hasse es, mit einem Computer zu schreiben
Nicht mit einer Maschine, sondern mit einem Menschen will ich reden
Warum kann ich nicht mit einem Menschen sprechen?
Kann ich denn hier nicht mit jemandem reden?
Dann muss ich eben mit jemandem sprechen
Bist du ein Bot? Ich will mit einem Menschen sprechen
Ihre letzte Antwort war falsch, ich will mit jemandem sprechen
Ich würde gerne mit einem Support-Mitarbeiter sprechen
Ich hätte gerne Kontakt zu einem Kundenberater
ich brauch nen Menschen
Mitarbeiter sprechen
Geben Sie mir Ihren Chef
Kann ich mit Ihnen telefonieren?
Ist hier ein Mensch?
"""

GERMAN_QUESTIONS = """
Tisch für eine Person
Einen Tisch für eine Person, bitte
Was kostet es pro Person?
Kann ich mit einer Person weniger kommen?
Wir kommen mit zehn Personen
Wie kann ich mit meinen Gästen sprechen?
Wie chatte ich mit unserem Team?
Kann ich mit dem Koch sprechen, bevor wir kommen?
Sprechen Sie Deutsch?
Ich möchte einen Mitarbeiter einladen
Ich will einen Mitarbeiter entfernen, der gegangen ist
Ich brauche einen Zugang für einen Mitarbeiter
Wie füge ich eine Person hinzu?
Ich möchte eine Person mehr anmelden
Wie verbinde ich mein Konto mit Google?
Wie verbinde ich den Kalender mit dem Team?
Wie gebe ich eine Reservierung an einen Kollegen weiter?
Kann ich meine Reservierung auf eine andere Person übertragen?
Wie viele Menschen passen an einen Tisch?
Welche Rechte hat ein Manager?
Kann ein Gast mich anrufen?
Ein Gast bittet um Rückruf, wo sehe ich das?
Ich möchte nicht mit einem Menschen sprechen, nur den Preis wissen
Ich will jetzt nicht mit jemandem reden
Ich brauche keinen Mitarbeiter, danke
Ich will mit niemandem sprechen
Ich muss mit keinem Menschen reden, oder?
Wie kündige ich, ohne mit jemandem zu sprechen?
Muss ich dafür mit jemandem sprechen?
Bist du ein Mensch?
Sind Sie ein Bot oder ein echter Mensch?
Spreche ich hier mit einem Bot oder mit einem echten Menschen?
Wie erreiche ich den Support?
Wie ist die Telefonnummer vom Kundendienst?
Wo trage ich den richtigen Mitarbeiter für die Schicht ein?
Muss ein Mensch die Gruppenbuchung bestätigen?
"""

SPANISH_WISHES = """
quiero hablar con una persona
Quiero hablar con un agente, por favor
¿Puedo hablar con alguien?
¿Puedo hablar directamente con una persona real?
Me gustaría hablar con un ser humano
Necesito hablar ahora mismo con alguien de soporte
Déjame hablar con tu supervisor
Quisiera chatear con uno de sus agentes
¿Hay alguien con quien pueda hablar?
Quiero comunicarme con un asesor
¿Cómo contacto con una persona?
Quiero ponerme en contacto con un agente
pásame con un agente
Páseme con una persona por favor
pasame ya con un humano
¿Me puede pasar con un operador?
¿Me pasas con alguien?
Póngame con atención al cliente
Comuníqueme con un representante
Conéctame con un humano
¿Me pueden transferir a un agente?
¿Puedes pasar esto a un compañero?
Necesito un agente
Prefiero un humano
Quiero una persona, por favor
Necesito a alguien que me ayude
Quiero que me atienda una persona
¿Me puede atender alguien?
Quiero una persona de verdad
humano
Agente!
Persona, por favor
Hola, un humano por favor
No me sirve. Agente
atención al cliente
chat en vivo
¿Me pueden llamar?
¿Podrían llamarme mañana?
¿Puede alguien llamarme?
Quiero que me llamen
Llámame
No quiero hablar con un robot
Estoy harto de hablar con una máquina
¿Por qué no puedo hablar con una persona?
¿No puedo hablar con alguien?
No, quiero hablar con una persona
Tengo que hablar con alguien
¿Eres un bot? Quiero hablar con una persona
Que me llame alguien
Prefiero que me responda un humano
¿Hay algún humano ahí?
No con un robot, sino con una persona
"""

SPANISH_QUESTIONS = """
mesa para una persona
Mesa para una persona, por favor
¿Cuánto cuesta por persona?
Quiero una mesa para una persona
Quiero una persona más en la reserva
Seremos diez personas
¿Cómo hablo con mis clientes?
Quiero hablar con mis invitados
¿Puedo hablar con el cocinero antes de ir?
¿Se puede hablar con el restaurante por teléfono?
¿Puedo pasar mi reserva a otra persona?
¿Cómo transfiero la reserva a otra persona?
Quiero añadir un empleado
Necesito eliminar a un empleado
¿Cómo doy acceso a una persona nueva?
¿Cómo conecto mi cuenta con el equipo?
¿Puede un encargado cambiar el horario?
¿Cómo contacto con soporte?
¿Cuál es el teléfono de soporte?
¿Puedo evitar que me llamen?
¿Los clientes pueden llamarme desde la app?
No quiero hablar con nadie
No quiero hablar con una persona, solo saber el precio
No necesito un agente, gracias
No hace falta que me pases con nadie
Prefiero no hablar con una persona
¿Cómo cancelo sin hablar con nadie?
¿Puedo cancelar sin tener que hablar con una persona?
¿Hace falta hablar con alguien para cancelar?
¿Eres humano?
¿Eres un robot o una persona real?
¿Estoy hablando con una persona de verdad?
¿Los agentes de viajes pueden reservar por mí?
¿Otra persona puede pagar la fianza?
El servicio fue malo
"""

WISHES = ENGLISH_WISHES + GERMAN_WISHES + SPANISH_WISHES
QUESTIONS = ENGLISH_QUESTIONS + GERMAN_QUESTIONS + SPANISH_QUESTIONS


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


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


@pytest.mark.parametrize("phrase", lines(WISHES))
def test_neither_accents_nor_quotes_nor_a_missing_question_mark_matter(phrase: str) -> None:
    plain = phrase.translate(str.maketrans("áéíóúñ", "aeioun")).strip("?!.")
    assert asks_for_person(f"“{plain}”")
    assert asks_for_person(phrase.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))


def test_what_help_articles_answer_is_no_wish() -> None:
    asked = [*UNANSWERED, *(question for questions in ANSWERED.values() for question in questions)]
    assert [question for question in asked if asks_for_person(question)] == []


def test_no_pattern_looks_further_than_a_few_words() -> None:
    """From one place in a question; so the work grows with the question's length alone, whatever stands in it."""
    for language in handoff._LANGUAGES:
        for pattern in (language.wishes, language.no_wishes):
            _, longest = re._parser.parse(pattern.pattern).getwidth()  # type: ignore[attr-defined]
            assert longest < 300


LONG = ["a", "\u0301\u0316", "é ", "退", "talk to the ", "mit einem ", "hablar con una ", "refund", " ", "!", "n'"]


def steps(function: Callable[..., object], *values: object) -> int:
    """How many calls it makes, of Python's functions and of C's."""
    count = 0

    def counting(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counting)
    try:
        function(*values)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", LONG)
def test_four_times_the_text_is_at_most_four_times_the_work(piece: str) -> None:
    short, long = (piece * 8_000)[:2_000], (piece * 8_000)[:8_000]
    for function, words in ((asks_for_person, ()), (listed_word, (["refund*", "rückzahlung", "a " * 50],))):
        function(short, *words)  # what it keeps of characters it has seen is not to count
        assert steps(function, long, *words) <= 4 * steps(function, short, *words)


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


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("I want my refund now", "refund"),
        ("REFUND!", "refund"),
        ("refund", "Refund"),
        ("(refund)", "refund"),
        ("Is this about a charge back?", "charge back"),
        ("a charge\n  back, please", "Charge  Back"),
        ("charge-back", "charge back"),
        ("the guest's lawyer", "guest"),
        ("Ich will meine RÜCKZAHLUNG", "rückzahlung"),
        ("meine ruckzahlung?", "Rückzahlung"),
        ("devolucion ya", "devolución"),
        ("Straße", "STRASSE"),
        ("ИСК в суд", "иск"),
        ("我要退款！", "退款"),
        ("返金してください", "返金"),
        ("ขอคืนเงินหน่อย", "คืนเงิน"),
        ("धनवापसी चाहिए", "धनवापसी"),
        ("ref\u00adund, ref\u200bund", "refund"),
        ("２４/７", "24 7"),
        ("I was refunded", "refund*"),
        ("refund", "refund*"),
        ("Kündigungsfrist?", "kündig*"),
        ("give me my money backwards", "money back*"),
    ],
)
def test_a_listed_word_is_found_as_a_whole_word_in_any_case(question: str, word: str) -> None:
    assert listed_word(question, ["never", word]) == word


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("I was refunded", "refund"),
        ("two refunds", "refund"),
        ("prerefund", "refund*"),
        ("prerefund", "refund"),
        ("charge me back", "charge back"),
        ("back charge", "charge back"),
        ("की", "कि"),
        ("", "refund"),
        ("anything", ""),
        ("anything", "*"),
        ("anything", " "),
        ("why?!", "?!"),
        ("a.*b", ".*"),
    ],
)
def test_what_is_not_the_word_itself_is_not_found(question: str, word: str) -> None:
    assert listed_word(question, [word]) == ""


def test_the_first_of_the_list_is_told_as_the_owner_wrote_it() -> None:
    assert listed_word("My lawyer wants a refund", ["Police", "Refund", "LAWYER"]) == "Refund"
    assert listed_word("My lawyer wants a refund", (word for word in ["lawyer*", "refund"])) == "lawyer*"
    assert listed_word("My lawyer wants a refund", []) == ""


def test_half_a_character_stands_for_no_word() -> None:
    assert listed_word("my \ud800 refund", ["\ud800", "refund"]) == "refund"
