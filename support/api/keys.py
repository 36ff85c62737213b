from __future__ import annotations

from hashlib import sha256
from typing import Any

from support.api.limits import client_key

_UNGUESSABLE = 32


def scoped_key(request: Any, scope: str, key: str | None) -> str | None:
    """What a client's `Idempotency-Key` is stored as: bound to what it was sent for. None without a key.

    The answer to an opening holds a token, so a short key counts only for the address that sent it: nobody
    gets another's conversation by sending `1`. A long one (a UUID) holds from anywhere: phones change their
    address in the middle of a retry.
    """
    if key is None:
        return None
    sender = client_key(request) if scope in ("open", "chat") and len(key) < _UNGUESSABLE else ""
    return sha256(f"{scope}\n{sender}\n{key}".encode()).hexdigest()
