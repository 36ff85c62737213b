"""Rate limits per client address: exact, over all processes, in any span of time.

At most N requests get through in *any* window of the rate's length (a sliding log, not a counter that starts
anew each minute and lets twice the rate through around the turn). Redis keeps the log if there is one, else a
row of the database; both by one atomic step, and the row serves where Redis is away.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import random
import time
from datetime import timedelta
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from rezvo_support.env import Rate
from support.clock import now
from support.models import RateWindow

log = logging.getLogger("support.limits")

_ATTEMPTS = 100
_REDIS_AWAY_SECONDS = 10


class _Redis:
    """Until when (on the monotonic clock) Redis is not asked, because it did not answer."""

    away_until = 0.0


# KEYS: the log. ARGV: how many, window in ms. Answers 0, or the ms until the next place. The server's clock
# counts, so that machines whose clocks differ share one window.
_HIT = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local window = ARGV[2] * 1000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local used = redis.call('ZCARD', KEYS[1])
if used < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, now .. ':' .. used)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.ceil((oldest[2] + window - now) / 1000)
"""


def wait_seconds(request: HttpRequest, scope: str, rate: Rate | None) -> int:
    """Counts this request against its client's rate: 0 if it may go on, else the seconds until one may."""
    if rate is None:
        return 0
    key = f"{scope}:{client_key(request)}"
    if settings.REDIS_URL and time.monotonic() >= _Redis.away_until:
        try:
            return math.ceil(_hit_redis(key, rate) / 1000)
        except redis.RedisError as error:
            # One that accepts and never answers would keep every request for a second.
            _Redis.away_until = time.monotonic() + _REDIS_AWAY_SECONDS
            log.warning("Redis is away (%s): the database keeps the limits", type(error).__name__)
    return math.ceil(_hit_row(key, rate) / 1000)


def client_key(request: HttpRequest) -> str:
    """A keyed hash of the client's address: what is kept instead of it."""
    return salted_hmac("support.address", client_address(request), algorithm="sha256").hexdigest()[:32]


def client_address(request: HttpRequest) -> str:
    """The address a limit counts for: an IPv4 address, or the /64 that one IPv6 customer has to himself.

    Behind n trusted proxies it is the nth entry of X-Forwarded-For from the right, which the outermost of
    them wrote; what a client puts there itself stands further left and is never looked at.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        written = [
            entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if entry.strip()
        ]
        if len(written) >= settings.TRUSTED_PROXIES:
            address = written[-settings.TRUSTED_PROXIES]
    return _network(address)


@lru_cache(maxsize=10_000)
def _network(address: str) -> str:
    host = address.strip()
    if host.startswith("["):  # [2001:db8::1]:443
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:  # 192.0.2.1:443
        host = host.partition(":")[0]
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False).network_address)


@lru_cache(maxsize=1)
def _redis_script() -> Any:
    server = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    return server.register_script(_HIT)


def _hit_redis(key: str, rate: Rate) -> int:
    return int(_redis_script()(keys=[f"support:rate:{key}"], args=[rate.requests, rate.seconds * 1000]))


def _hit_row(key: str, rate: Rate) -> int:
    """One read, and one write that succeeds only on the row as it was read. A refusal writes nothing.

    Needs no transaction, so it is exact on MongoDB too.
    """
    for attempt in range(_ATTEMPTS):
        row = next(iter(RateWindow.objects.filter(pk=key).values("hits_ms", "version")), None)
        now_ms = time.time_ns() // 1_000_000
        if row is None:
            if _first_hit(key, now_ms):
                return 0
            continue
        # A clock that was set back must not lock anybody out: times ahead of now do not count.
        hits = [hit for hit in row["hits_ms"] if now_ms - rate.seconds * 1000 < hit <= now_ms]
        if len(hits) >= rate.requests:
            return max(1, int(hits[-rate.requests]) + rate.seconds * 1000 - now_ms)
        written = RateWindow.objects.filter(pk=key, version=row["version"]).update(
            hits_ms=[*hits, now_ms], version=row["version"] + 1, updated_at=now()
        )
        if written:
            return 0
        time.sleep(random.uniform(0, 0.002 * (attempt + 1)))
    return 1000  # a hundred others of the same address were faster: they are the ones to be served


def _first_hit(key: str, now_ms: int) -> bool:
    try:
        with transaction.atomic():
            RateWindow.objects.create(pk=key, hits_ms=[now_ms], updated_at=now())
    except IntegrityError:
        return False
    return True


def forget_old() -> int:
    """Removes the rows that no window can reach any more (they are kept for a day). Returns how many."""
    gone, _ = RateWindow.objects.filter(updated_at__lt=now() - timedelta(days=1)).delete()
    return gone
