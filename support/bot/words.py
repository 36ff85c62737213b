"""Which words of a text carry meaning, in the one form under which questions and help articles meet."""

from __future__ import annotations

import re
import threading
from functools import lru_cache

import snowballstemmer
from bm25s.stopwords import STOPWORDS_EN_PLUS

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_ENDING = re.compile(r"'(?:s|d|ll|ve|re|m)$")
_SMALL_NUMBER = re.compile(r"[0-9]{1,2}")

_CHATTER = """
    able afternoon already also always another anyone anything anyway ask asks available bit brilliant cant
    cheers come could day dear difference different dinner else evening ever every everyone everything find
    found gave get gets getting go goes going gone gonna good got gotten great happen happened happens hello
    help hey hi hope however im kindly know last let lets like long look looking lot lunch made make makes
    making many may maybe meal might morning much must need needs never new next nice nothing ok okay ones
    ought perhaps place please possible question questions really regards say see shall since somebody someone
    something sorry still stuff sure take takes taking tell than thank thanks thing things though tonight us
    use used uses using via want wanted wants way whatever whether within without wonder wondering work working
    works would yes yet
    two three four five six seven eight nine ten eleven twelve fifteen twenty
"""
# What people say around their question; small numbers too: for twelve guests or twenty, the page is the same.

_STOPWORDS = frozenset(STOPWORDS_EN_PLUS).union(_CHATTER.split())

_SAME = {
    other: word
    for word, others in {
        # What visitors call the things that the pages name otherwise.
        "allergy": "allergic allergen allergens allergies coeliac celiac gluten nut nuts",
        "booking": "book booked reservation reservations reserve reserved reserving",
        "button": "plugin widget",
        "change": "alter amend edit modify move postpone rearrange reschedule",
        "close": "closed closing shut shutting",
        "contact": "touch",
        "cost": "charge charges costs fee fees price prices pricing",
        "delete": "erase erased unsubscribe wipe",
        "diet": "dietary halal kosher vegan vegetarian",
        "embed": "paste",
        "export": "backup csv download excel spreadsheet",
        "forget": "forgets forgot forgotten reset",
        "group": "groups parties party",
        "guest": "client clients customer customers diner diners patron patrons visitor visitors",
        "hours": "opening times timetable",
        "invite": "add added adding invited",
        "invoice": "bill invoices receipt receipts",
        "large": "big biggest largest maximum",
        "log": "logged sign",
        "log in": "login logon signin",
        "password": "passcode",
        "pay": "money paid paying payment payments",
        "person": "human people",
        "phone": "call ring telephone",
        "plan": "subscription subscriptions",
        "refund": "back refunded refunds reimbursed reimbursement return returned",
        "special": "christmas easter holiday holidays",
        "staff": "colleague colleagues employee employees member team worker workers",
        "turn up": "attend",
        "valid": "expire expired expires",
        "voucher": "certificate vouchers",
        "waiting list": "waitlist waitlists",
        "website": "homepage site webpage",
        # Forms that no stemmer knows.
        "keep": "held hold kept",
        "leave": "leaving left",
        "sell": "sold",
        "send": "sent",
        "try": "trial tried",
    }.items()
    for other in others.split()
}

_POLITE = """
    afternoon ask bye cheers day dear evening get good goodbye got great hello help hey hi know like may morning
    need ok okay please question questions tell thank thanks thx want would could yes
"""
_PLEASANTRIES = frozenset(STOPWORDS_EN_PLUS).union(_POLITE.split())

_stemmer = snowballstemmer.stemmer("english")
_stemming = threading.Lock()  # the stemmer keeps the word it is at in itself


def words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    found = _WORD.findall(text.lower().replace("’", "'"))
    return [stem for word in found if word not in _STOPWORDS for stem in _stems(word)]


def asks_nothing(text: str) -> bool:
    """Whether there is no more in a text than a greeting or thanks. "It doesn't work" is more."""
    found = _WORD.findall(text.lower().replace("’", "'"))
    return any(word.isalpha() for word in found) and all(word in _PLEASANTRIES for word in found)


@lru_cache(maxsize=20_000)
def _stems(word: str) -> tuple[str, ...]:
    word = _ENDING.sub("", word)
    meant = [part for part in _SAME.get(word, word).split() if part not in _STOPWORDS]
    with _stemming:
        return tuple(str(_stemmer.stemWord(part)) for part in meant if not _SMALL_NUMBER.fullmatch(part))


def says_thanks(text: str) -> bool:
    """Whether a pleasantry is the end of a talk rather than its beginning."""
    return re.search(r"\b(?:thank|thanks|thx|cheers|bye|goodbye)\b", text, re.IGNORECASE) is not None
