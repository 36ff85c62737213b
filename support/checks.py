"""System checks of the desk's settings: what is wrong and how to mend it, each with an id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_system_prompt(**kwargs: Any) -> list[CheckMessage]:
    path = Path(settings.SYSTEM_PROMPT_FILE)
    if path.is_file():
        return []
    return [
        Error(
            f"SYSTEM_PROMPT_FILE: there is no file {path}",
            hint="Leave it unset to use the prompt that comes with the desk.",
            id="support.E001",
        )
    ]
