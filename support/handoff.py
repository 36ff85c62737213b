"""When an answer, or a question, sends the visitor to a person. Plain text rules, no model.

A wish is looked for in the languages that the chat is offered in, each with a table of its own, in a text that is
folded first: lower case, no accents, no apostrophes, one space between words. No part of a pattern repeats without
a bound, so a long question takes as much longer as it is longer, whatever stands in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

_ACCENTS = ("\u0300", "\u036f")
_PUNCTUATION = ".,;:?!"
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´"))
_TO_SPACES = dict.fromkeys(map(ord, _PUNCTUATION), " ")
# Scripts that put no space between words: Thai to Burmese, Khmer, kana, Chinese characters.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class _Language:
    """How one language asks for a person, and how it speaks of one without asking."""

    wishes: re.Pattern[str]
    no_wishes: re.Pattern[str]
    """Taken out before wishes are looked for: declined ones, and questions whether a person is needed or here."""

    def asks(self, folded: str) -> bool:
        return self.wishes.search(self.no_wishes.sub(" ", folded)) is not None


def _any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern of many, each of whole words. They are written as the language is; `ö` is also met as `oe`."""
    joined = "|".join(patterns)
    for umlaut, written in {"ä": "(?:a|ae)", "ö": "(?:o|oe)", "ü": "(?:u|ue)", "ß": "ss"}.items():
        joined = joined.replace(umlaut, written)
    joined = "".join(c for c in unicodedata.normalize("NFD", joined) if not _ACCENTS[0] <= c <= _ACCENTS[1])
    return re.compile(rf"\b(?:{joined})(?!\w)")


def _some(words: str, most: int) -> str:
    """Up to `most` of the words of a list, each with the space after it."""
    return rf"(?:(?:{words}) ){{0,{most}}}"


_ENDS = r"(?=$|[.?!])"
"""The end of a sentence."""


def _starts(greetings: str) -> str:
    """The start of a sentence, after a greeting too."""
    return rf"(?:^|(?<=[.?!] ))(?:(?:{greetings}),? )?"


# --- English --------------------------------------------------------------------------------------

_EN_BEFORE = _some(
    r"a|an|the|some|any|another|one of|member of|your|you|real|actual|live|human|support|sales|customer", 5
)
_EN_WHO = _EN_BEFORE + (
    r"(?:human|person|people|agent|someone|somebody|anyone|anybody|representative|rep|colleagues?|advis[eo]r|operator|"
    r"manager|staff|team|support|customer (?:service|care)|you guys|being)"
)
_EN_BOT = r"(?:a|an|the|this|your|some) (?:chat ?bot|bot|robot|machine|computer|ai)"
_EN_OR_BOT = rf"(?:{_EN_BOT} or (?:to |with )?)?"
_EN_TALK = r"(?:talk|speak|chat)(?:ing)? (?:directly )?(?:to|with)"
_EN_PUT = r"(?:connect|put|transfer|pass|hand) (?:me|us|this|it) (?:(?:on|over|through) )?(?:to|with)"
_EN_WANT = r"(?:want|need|like|prefer|(?:get|give) me)"
_EN_START = _starts("hi|hello|hey|please")

_ENGLISH = _Language(
    wishes=_any_of(
        # "talk to a human", but not "talk to my guests"
        rf"{_EN_TALK} {_EN_WHO}",
        # "put me through to an agent", but not "put a person on the list", "transfer my booking to someone"
        rf"{_EN_PUT} {_EN_WHO}",
        # "is there anyone I can speak to"
        r"(?:human|person|agent|someone|somebody|anyone|anybody) (?:(?:that|who) )?(?:i|we) (?:can|could) "
        r"(?:talk|speak|chat)",
        r"is there (?:an?|any) (?:human|agent|representative|operator)",
        # "can somebody call me back"
        r"(?:can|could|would) (?:you|someone|somebody|a (?:human|person|colleague)) (?:please )?"
        r"(?:call|ring|phone) (?:me|us)",
        r"(?:real|actual|live) (?:human|person|agent|operator)s?",
        # "I need a human"; a person only at the end or to do something: "I want a person removed from my team"
        rf"{_EN_WANT} (?:a|an|some) (?:human|agent|representative|advis[eo]r|operator)",
        rf"{_EN_WANT} (?:a person|someone|somebody)(?:{_ENDS}|,? (?:please|now|instead|not)"
        r"| to (?:help|talk|speak|answer|look))",
        # "table for one person, please" is no such wish
        r"(?:human|agent|representative|operator),? please",
        rf"{_EN_START}(?:an? )?(?:human|person|agent|representative|operator|live chat|customer service)"
        rf"(?:,? please)?{_ENDS}",
        # "I don't want to talk to a bot"
        r"(?:dont|doesnt|cant|wont|wouldnt|not|hate|tired of|stop|instead of) [^.?!]{0,20}"
        rf"\b(?:talk|speak|chat)(?:ing)? (?:to|with) {_EN_BOT}",
        rf"{_EN_BOT},? but {_EN_WHO}",
    ),
    no_wishes=_any_of(
        rf"(?:dont|do not|neednt|need not|rather not|no need to|without|instead of) "
        rf"(?:(?:want|need|have|like|wish) to )?{_EN_TALK} {_EN_WHO}",
        rf"(?:dont|do not|no need to|never) {_EN_PUT} {_EN_WHO}",
        rf"(?:(?:dont|do not) (?:want|need|like)|no need for) {_EN_WHO}",
        # "Do I have to talk to somebody to cancel?"
        rf"do (?:i|we|they|guests|diners|people) (?:really |still )?(?:have|need) to {_EN_TALK} {_EN_WHO}",
        # "Am I talking to a bot or to a real person?", "Are you a human?"
        rf"(?:am i|are we) (?:really |actually |still |now )?{_EN_TALK} {_EN_OR_BOT}{_EN_WHO}",
        rf"(?:are you|is this|is it) (?:really |actually )?{_EN_OR_BOT}{_EN_WHO}",
    ),
)

# --- German ---------------------------------------------------------------------------------------

_DE_REAL = r"(?:echte|wirkliche|reale|lebende|lebendige|menschliche)[nmrs]?"
_DE_BEFORE = _some(
    r"einem|einer|einen|eine|ein|nem|ner|nen|dem|der|den|die|ihrem|ihrer|ihren|eurem|eurer|euren|"
    r"jemandem|jemanden|jemand|vom|von|aus|"
    rf"{_DE_REAL}|(?:richtige|andere|zuständige)[nmrs]?",
    4,
)
_DE_NOUN = (
    r"(?:(?:support|kunden|service) ?)?"
    r"(?:mensch(?:en)?|person|mitarbeiter(?:in|n)?|kolleg(?:en|e|in)|agent(?:en|in)?|berater(?:in|n)?|"
    r"(?:ansprech|gesprächs)partner(?:in|n)?|betreuer(?:in|n)?|sachbearbeiter(?:in|n)?|vorgesetzten|manager(?:in)?|"
    r"chef(?:in)?|operator)"
)
_DE_WHO = _DE_BEFORE + (
    rf"(?:{_DE_NOUN}|(?:irgend)?jemand(?:em|en)?|irgendwem|(?:kunden ?)?support(?: ?team)?|team|"
    r"kunden(?:dienst|service|betreuung))"
)
_DE_ANY = _some(
    r"bitte|direkt|jetzt|gleich|sofort|mal|kurz|lieber|gerne?|persönlich|telefonisch|am telefon|per chat|im chat|"
    r"live|darüber|dazu|hier|auch|endlich|doch|noch|wirklich|zu",
    4,
)
_DE_TALK = r"(?:sprechen|reden|chatten|telefonieren|schreiben|kommunizieren)"
_DE_BOT = _some(r"einem|einer|ein|eine|nem|ner|dem|der|diesem|dieser|ihrem|eurem|dummen?|blöden?", 3) + (
    r"(?:chat ?bot|bot|roboter|maschine|computer|automaten|ki|künstlichen intelligenz)"
)
_DE_OR_BOT = rf"(?:{_DE_BOT} oder (?:mit )?)?"
_DE_CAN_YOU = r"(?:können|könnten|würden) sie|(?:kannst|könntest|würdest) du|könn?t ihr|könntet ihr"
_DE_START = _starts("hallo|hi|hey|guten tag|moin|bitte")

_GERMAN = _Language(
    wishes=_any_of(
        # "mit einem Menschen sprechen", but not "mit meinen Gästen sprechen"
        rf"mit {_DE_WHO} {_DE_ANY}{_DE_TALK}",
        rf"(?:sprechen|reden|chatten|telefonieren) {_DE_ANY}mit {_DE_WHO}",
        # "Kann ich bitte einen Mitarbeiter sprechen?"
        rf"(?:jemanden|(?:einen|eine|nen|den|die|ihren|ihre|euren|eure) {_DE_BEFORE}{_DE_NOUN}) {_DE_ANY}sprechen",
        # "jemand, mit dem ich reden kann"
        rf"(?:jemand(?:en)?|{_DE_NOUN}),? mit (?:dem|der) (?:ich|wir|man) {_DE_ANY}{_DE_TALK} "
        r"(?:kann|könnte|können|darf)",
        # "Verbinden Sie mich mit …", "Leiten Sie mich an … weiter", but not "Wie verbinde ich mein Konto mit …"
        r"(?:verbinden?|stellen?|leiten?|vermitteln?|übergeben?|übergib|verbindet|verbind|stell)(?: sie)? "
        rf"(?:mich|uns) {_DE_ANY}(?:mit|zu|an) {_DE_WHO}",
        rf"(?:{_DE_CAN_YOU}) (?:mich|uns) {_DE_ANY}(?:mit|zu|an) {_DE_WHO}",
        rf"mit {_DE_WHO} {_DE_ANY}verbunden werden",
        rf"kontakt (?:zu|mit) {_DE_WHO}|mit (?:ihnen|euch) {_DE_ANY}telefonieren",
        rf"(?:ist|gibt es) (?:da|hier) {_DE_ANY}(?:ein|einen) (?:{_DE_REAL} )?(?:mensch(?:en)?|mitarbeiter)",
        rf"(?:stellen sie|stell) (?:mich|uns) {_DE_ANY}durch",
        # "Geben Sie das bitte an einen Kollegen weiter", but not "eine Reservierung an einen Kollegen"
        rf"(?:leiten?|geben?|gib|reichen?|übergeben?|übergib|{_DE_CAN_YOU})(?: sie)? "
        rf"(?:das|dies|es|mein anliegen|meine (?:an)?frage) {_DE_ANY}an {_DE_WHO}",
        # "Kann mich jemand zurückrufen?", "Rufen Sie mich an", "Ich bitte um Rückruf"
        rf"(?:{_DE_CAN_YOU}) (?:mich|uns) {_DE_ANY}(?:an|zurück)rufen",
        rf"(?:kann|könnte) (?:mich|uns) {_DE_ANY}(?:jemand|eine? {_DE_NOUN}) {_DE_ANY}(?:an|zurück)rufen",
        rf"ruf(?:t|en sie)? (?:mich|uns) {_DE_ANY}(?:an|zurück)",
        r"(?:bitte um|möchte|will|wünsche|brauche|erbitte|hätte gerne?) (?:einen )?rückruf|rückruf,? bitte",
        # "ein echter Mensch"; but "der richtige Mitarbeiter" may be the one whose shift it is
        rf"{_DE_REAL} (?:{_DE_NOUN}|support|kontakt)|richtige[nmrs]? (?:mensch(?:en)?|person)",
        # "Ich will einen Menschen", but not "Ich möchte einen Mitarbeiter einladen"
        r"(?:will|möchte|brauche?|benötige|wünsche|hätte gerne?|bekomme|(?:geben|holen) sie|gib|hol) "
        rf"(?:ich |mir |uns )?{_DE_ANY}(?:einen|eine|nen|ne|ihren|euren) {_DE_BEFORE}{_DE_NOUN}"
        rf"(?:{_ENDS}|,? (?:bitte{_ENDS}|jetzt|sofort|statt|(?:der|die) (?:mir|uns))| (?:am|ans) telefon)",
        # "Mitarbeiter, bitte"
        rf"{_DE_START}(?:einen |eine |nen |ne )?(?:{_DE_REAL} )?(?:{_DE_NOUN}|kunden(?:dienst|service)|live ?chat)"
        rf"(?: sprechen)?(?:,? bitte)?{_ENDS}",
        # "Ich will nicht mit einem Bot reden"
        r"(?:nicht|keine?[mnrs]?|hasse|satt|leid|statt|anstatt|genug) [^.?!]{0,25}"
        rf"\bmit {_DE_BOT} {_DE_ANY}{_DE_TALK}",
        rf"{_DE_BOT},? sondern (?:mit )?{_DE_WHO}",
    ),
    no_wishes=_any_of(
        # But "Warum kann ich nicht mit einem Menschen sprechen?" is a wish.
        r"(?:möchten?|will|wollen|muss|müssen|brauchen?|würde|mag) (?:ich |wir |man )?"
        rf"{_some('jetzt|gerade|eigentlich|aber|heute|wirklich|gar|auch|lieber|hier', 2)}nicht "
        rf"{_some('unbedingt|gerne?|extra|erst|lieber|jetzt|direkt', 2)}mit {_DE_WHO}",
        # "kündigen, ohne mit jemandem zu sprechen"
        rf"(?:ohne|statt|anstatt) {_some('vorher|erst|dabei|dafür|direkt|extra', 2)}"
        rf"(?:mit {_DE_WHO}|jemanden|einen menschen)",
        # "Muss ich dafür mit jemandem sprechen?", but not "Dann muss ich mit jemandem sprechen"
        rf"{_DE_START}(?:muss|müssen) (?:ich|wir|man|gäste) "
        rf"{_some('dafür|dazu|denn|erst|wirklich|unbedingt|immer|extra|vorher|zum kündigen', 3)}mit {_DE_WHO}",
        # "Spreche ich mit einem Bot oder mit einem echten Menschen?", "Bist du ein Mensch?"
        rf"(?:(?:spreche|rede|schreibe|chatte|telefoniere|bin) ich) "
        rf"{_some('hier|gerade|jetzt|wirklich|eigentlich|denn|nun', 3)}mit {_DE_OR_BOT}{_DE_WHO}",
        rf"(?:sind sie|bist du|seid ihr|ist das) {_some('hier|wirklich|eigentlich|denn|auch', 2)}"
        rf"{_DE_OR_BOT}{_DE_WHO}",
    ),
)

# --- Spanish --------------------------------------------------------------------------------------

_ES_NOUN = (
    r"(?:human[oa]|agente|asesora?|operadora?|representante|ejecutiv[oa]|supervisora?|compañer[oa]|encargad[oa]|"
    r"emplead[oa])"
)
_ES_BEFORE = _some(
    r"un|una|uno|el|la|los|las|algún|alguna|otro|otra|su|sus|vuestro|vuestra|vuestros|tu|tus|de|del|ser|"
    r"persona|agente|alguien|miembro|equipo|departamento|servicio|verdader[oa]",
    5,
)
_ES_WHO = _ES_BEFORE + (
    rf"(?:{_ES_NOUN}|persona|humanos|agentes|asesores|alguien|responsable|gerente|jef[ea]|técnico|colega|compañeros|"
    r"soporte|atención(?: al cliente)?|equipo|ustedes|vosotros)"
)
_ES_REAL = r"(?:real|human[oa]|de verdad|de carne y hueso|en vivo)"
_ES_ANY = _some(
    r"ahora|ya|mismo|directamente|por favor|porfa|porfavor|mejor|aquí|en persona|por teléfono|en español|"
    r"en inglés",
    3,
)
_ES_TALK = rf"(?:hablar|charlar|chatear|conversar|platicar|comunicarme|comunicarnos) {_ES_ANY}con"
_ES_BOT = _some(r"un|una|el|la|este|esta|su|tu|vuestro|maldito|estúpido", 3) + (
    r"(?:chat ?bot|bot|robot|máquina|ordenador|computadora?|ia|inteligencia artificial|contestador)"
)
_ES_OR_BOT = rf"(?:{_ES_BOT} o (?:con )?)?"
_ES_CAN_YOU = r"(?:pueden?|puedes|podrían?|podrías|podéis|podríais)"
_ES_WANT = (
    r"(?:quiero|quisiera|queremos|necesito|necesitamos|prefiero|preferiría|deseo|solicito|me gustaría|dame|deme|"
    r"búscame|búsqueme)"
)
_ES_START = _starts("hola|buenas|buenos días|por favor|oye")

_SPANISH = _Language(
    wishes=_any_of(
        # "hablar con una persona", but not "hablar con mis clientes"
        rf"{_ES_TALK} {_ES_WHO}",
        # "¿Cómo contacto con soporte?" is no wish: an article answers it.
        r"(?:contactar|contacto|ponerme en contacto|ponme en contacto) (?:con|a) "
        rf"(?:alguien|(?:un|una|algún|alguna|otra) (?:ser )?(?:persona|{_ES_NOUN}))",
        # "pásame con un agente", "¿me puede comunicar con …?", but not "pasar mi reserva a otra persona"
        r"(?:pasa|pase|pasen|pasad|pasar|transfiere|transfiera|transferir|deriva|derive|derivar)(?:me|nos) "
        rf"{_ES_ANY}(?:con|a) {_ES_WHO}",
        r"(?:pon|ponga|pongan|poner|conecta|conecte|conecten|conectar|comunica|comunique|comuniquen|comunicar)"
        rf"(?:me|nos) {_ES_ANY}con {_ES_WHO}",
        rf"(?:me|nos) (?:{_ES_CAN_YOU} )?(?:pasas?|pasan|pasar|transfieres?|transferir|derivas?|derivar) "
        rf"{_ES_ANY}(?:con|a) {_ES_WHO}",
        rf"(?:me|nos) (?:{_ES_CAN_YOU} )?(?:pon(?:es?|en|er)|conecta(?:s|n|r)?|comunica(?:s|n|r)?) "
        rf"{_ES_ANY}con {_ES_WHO}",
        r"(?:pasa|pase|pasar|envía|enviar|deriva|derivar)(?:lo|selo)? (?:(?:esto|mi (?:caso|consulta|pregunta)) )?"
        rf"a (?:un|una|algún|otro|otra|tu|su) {_ES_NOUN}",
        # "alguien con quien pueda hablar"
        rf"(?:alguien|persona|{_ES_NOUN}) con (?:quien|el que|la que) (?:pueda|puedo|podamos|podemos|podría) "
        r"(?:hablar|charlar|chatear)",
        r"hay algún (?:human[oa]|agente|operadora?|asesora?)",
        # "¿Me pueden llamar?", "¿Puede alguien llamarme?", "quiero que me llamen"
        rf"{_ES_START}(?:(?:me|nos) {_ES_CAN_YOU} llamar|{_ES_CAN_YOU} llamar(?:me|nos)|"
        r"llám(?:ame|eme|enme|adme))",
        r"(?:puede|podría) alguien llamar(?:me|nos)|alguien (?:puede|podría) llamar(?:me|nos)",
        r"alguien (?:me|nos) (?:puede|podría) llamar|(?:me|nos) (?:puede|podría) llamar alguien",
        rf"{_ES_WANT} que (?:alguien )?(?:me|nos) llamen?",
        # "que me atienda una persona"
        r"(?:que (?:me|nos) (?:atienda|llame|responda|conteste|contacte)|(?:me|nos) (?:puede|podría) atender|"
        rf"atenderme|atendid[oa]s? por) {_ES_WHO}",
        rf"(?:persona|{_ES_NOUN}) {_ES_REAL}|(?:personas|humanos|agentes) (?:reales|human[oa]s|de verdad|en vivo)",
        r"ser humano|(?:atención|ayuda) humana|soporte humano",
        # "necesito un agente"; a person or employee only at the end: "quiero una persona más en la reserva"
        rf"{_ES_WANT} (?:a )?(?:un|una|algún) (?:human[oa]|agente|asesora?|operadora?|representante)",
        rf"{_ES_WANT} (?:a )?(?:una persona|un emplead[oa]|un encargad[oa]|alguien)"
        rf"(?:{_ENDS}|,? (?:por favor|ya|ahora)| que (?:me|nos) (?:ayude|atienda|responda|conteste))",
        # "mesa para una persona, por favor" is no such wish
        rf"(?:human[oa]|agente|operadora?|asesora?|representante),? por favor{_ENDS}",
        rf"{_ES_START}(?:con )?(?:una? )?(?:persona|human[oa]|agente|operadora?|asesora?|representante|"
        rf"(?:atención|servicio) al cliente|chat en vivo)(?:,? por favor)?{_ENDS}",
        # "no quiero hablar con un robot"
        r"(?:no|odio|hart[oa]s?|cansad[oa]s?|basta|deja|en vez|en lugar|sin) [^.?!]{0,25}"
        rf"\b(?:hablar|hablando|charlar|chatear|chateando) con {_ES_BOT}",
        rf"{_ES_BOT},? sino (?:con )?{_ES_WHO}",
    ),
    no_wishes=_any_of(
        # But "¿Por qué no puedo hablar con una persona?" is a wish, and so is "No, quiero hablar con …".
        r"no (?:quiero|queremos|necesito|necesitamos|deseo|quisiera|prefiero|hace falta|es necesario|me apetece|"
        rf"tengo que|tenemos que|tengo por qué) (?:tener que )?{_ES_TALK} {_ES_WHO}",
        rf"prefiero no {_ES_TALK} {_ES_WHO}",
        rf"no (?:quiero|queremos|necesito|necesitamos|deseo|quisiera) (?:a )?{_ES_WHO}",
        # "cancelar sin hablar con nadie", "sin tener que hablar con una persona"
        rf"(?:sin|en vez de|en lugar de) (?:tener que |necesidad de )?{_ES_TALK} {_ES_WHO}",
        # "¿Hace falta hablar con alguien para cancelar?"
        rf"(?:es necesario|hace falta|hay que|es obligatorio) {_ES_TALK} {_ES_WHO}",
        # "¿Estoy hablando con un robot o con una persona real?", "¿Eres humano?"
        rf"(?:(?:estoy|estamos) (?:hablando|chateando|charlando)|hablo) {_ES_ANY}con "
        rf"{_ES_OR_BOT}{_ES_WHO}(?: {_ES_REAL})?",
        rf"(?:eres|es usted|sois|son ustedes|esto es) {_ES_OR_BOT}{_ES_WHO}(?: {_ES_REAL})?",
    ),
)

_LANGUAGES = (_ENGLISH, _GERMAN, _SPANISH)


# --- Questions asked of a text --------------------------------------------------------------------


def sends_to_support(answer: str) -> bool:
    """Whether an answer names the support address as the way to go on (rule 1 of the wire contract)."""
    folded = answer.lower()
    return "email" in folded and settings.SUPPORT_EMAIL.lower() in folded


def asks_for_person(question: str) -> bool:
    """Whether a visitor asks for a person in so many words: in English, German or Spanish."""
    folded = _folded(question.translate(_APOSTROPHES)).strip(f" {_PUNCTUATION}")
    return any(language.asks(folded) for language in _LANGUAGES)


def listed_word(question: str, words: Iterable[str]) -> str:
    """The first word or phrase of the owner's list that stands in the question, as the list has it; "" if none.

    It stands there as whole words, in any case and with or without its accents: `refund` is not in `refunds`.
    One that ends in `*` stands for all that begin so. Where a script puts no space between words, any place does.
    """
    asked = f"{_words(question)} "
    return next((word for word in words if (sought := _sought(word)) and sought in asked), "")


@lru_cache(maxsize=1_000)
def _sought(word: str) -> str:
    begun = word.rstrip().endswith("*")
    words = _words(word)
    return words if begun or not words else f"{words} "


def _words(text: str) -> str:
    """The text's words, folded, each after one space."""
    return "".join(f" {word}" for word in _folded(text).translate(_TO_SPACES).split())


def _folded(text: str) -> str:
    """The text in lower case without accents, with one space for all that is no word and no punctuation."""
    return " ".join("".join(map(_folded_character, text)).split())


# A character at a time: to bring a long row of accents into their order takes the square of its length.
@lru_cache(maxsize=5_000)
def _folded_character(character: str) -> str:
    folded = ""
    for part in unicodedata.normalize("NFKD", character).casefold():
        category = unicodedata.category(part)
        if _ACCENTS[0] <= part <= _ACCENTS[1] or category == "Cf":  # Cf: zero width joiners and the like
            continue
        folded += part if category[0] in "LMN" or part in _PUNCTUATION else " "
    return f" {folded} " if _UNSPACED.match(character) else folded
