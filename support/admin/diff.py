"""What has changed between two texts, as HTML: whole lines, and in a line that was edited the words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_LINES_AROUND = 2
_ALIKE_ABOVE = 0.3
"""Lines with less than this in common are a new text, not an edited one: word by word they would be confetti."""
_WORDS_MAX = 2_000
"""Words of one change that are compared with one another; the time this takes grows with their square."""

_WORD = re.compile(r"\S+[^\S\n]*|\s+")


def html(before: str, after: str) -> SafeString:
    """The changed lines with two unchanged ones around them; what went is in <del>, what came in <ins>."""
    old, new = before.splitlines(), after.splitlines()
    groups = SequenceMatcher(None, old, new).get_grouped_opcodes(_LINES_AROUND)
    blocks = [format_html_join("", "{}", ((line,) for line in _lines(group, old, new))) for group in groups]
    if not blocks:
        return format_html('<p class="desk-note">{}</p>', "The text is the same.")
    gap = format_html('<p class="desk-diff-gap">{}</p>', "…")
    return format_html(
        '<div class="desk-diff" dir="auto">{}</div>', format_html_join(gap, "{}", ((block,) for block in blocks))
    )


def _lines(group: list[tuple[str, int, int, int, int]], old: list[str], new: list[str]) -> Iterator[SafeString]:
    for tag, old_from, old_to, new_from, new_to in group:
        if tag == "equal":
            yield from (_line("same", text) for text in old[old_from:old_to])
        elif tag == "replace" and (edited := _edited(old[old_from:old_to], new[new_from:new_to])):
            yield _line("edited", edited)
        else:
            yield from (_line("removed", format_html("<del>{}</del>", text)) for text in old[old_from:old_to])
            yield from (_line("added", format_html("<ins>{}</ins>", text)) for text in new[new_from:new_to])


def _edited(old: list[str], new: list[str]) -> SafeString | None:
    """The words that differ; None where the two are better shown one after the other."""
    before, after = _WORD.findall("\n".join(old)), _WORD.findall("\n".join(new))
    if max(len(before), len(after)) > _WORDS_MAX:
        return None
    matcher = SequenceMatcher(None, before, after)
    if matcher.ratio() < _ALIKE_ABOVE:
        return None

    def parts() -> Iterator[SafeString | str]:
        for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
            if tag == "equal":
                yield "".join(before[old_from:old_to])
                continue
            if old_to > old_from:
                yield format_html("<del>{}</del>", "".join(before[old_from:old_to]))
            if new_to > new_from:
                yield format_html("<ins>{}</ins>", "".join(after[new_from:new_to]))

    return format_html_join("", "{}", ((part,) for part in parts()))


def _line(kind: str, text: str) -> SafeString:
    return format_html('<p class="desk-diff-{}">{}</p>', kind, text)
