#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rezvo_support.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line

    from rezvo_support.env import BadSetting

    try:
        getattr(settings, "DEBUG")  # noqa: B009  (reads the settings: a bad one ends here, in one line)
    except BadSetting as error:
        sys.exit(f"Bad setting: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
