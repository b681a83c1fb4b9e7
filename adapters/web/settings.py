"""The settings of the web application."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Final

import msgspec

from ...actors.errors import ConfigError
from ...actors.session.secret import Secret

_AT_LEAST_1: Final = (
    "max_body_bytes",
    "max_message_bytes",
    "request_burst",
    "failure_burst",
    "max_connections",
    "max_subscribers",
)
_POSITIVE: Final = (
    "requests_per_s",
    "failures_per_s",
    "heartbeat_s",
    "stalled_s",
    "wait_max_s",
    "ticket_ttl_s",
)
_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


class WebSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the network may ask for. Checked when it is built.

    Raises:
        ConfigError: a value out of range; it names the field.
    """

    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """Names in the `Host` header, without port; `*` is any. Another one is refused, so that no
    name of a stranger's can be made to mean this server (DNS rebinding)."""

    allowed_origins: tuple[str, ...] = ()
    """Origins of other pages that may call, such as `https://app.example.org`; those of this very
    host always may."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses, or networks, of proxies in front of `greenroom serve`: of what comes from there,
    the address that counts for `failures_per_s` is the last one in `X-Forwarded-For` that is none
    of theirs. Anybody else's `X-Forwarded-For` is not looked at."""

    max_body_bytes: int = 4 << 20
    """Of one request's body."""

    max_message_bytes: int = 1 << 20
    """Of one WebSocket message."""

    requests_per_s: float = 100.0
    """Requests, and commands on a WebSocket, of one principal per second, ..."""

    request_burst: int = 200
    """... and at once."""

    failures_per_s: float = 5.0
    """Requests of one address without valid credentials that are answered as such, ..."""

    failure_burst: int = 50
    """... and at once. Beyond, they are told to wait; what is valid is not held up by them."""

    max_connections: int = 64
    """Open streams of one principal."""

    max_subscribers: int = 10_000
    """Open streams of one session."""

    heartbeat_s: float = 15.0
    """A stream on which nothing is sent for so long says that it is alive."""

    stalled_s: float = 60.0
    """A stream whose reader has taken nothing of what is there for it, for so long, is cut."""

    batch_ms: int = 10
    """How long events may wait for others, to be sent to a reader in one piece."""

    wait_max_s: float = 60.0
    """How long a request may wait for a turn's end (`?wait_s=`)."""

    ticket_ttl_s: float = 30.0
    """How long a stream ticket is good."""

    ticket_secret: Secret | None = None
    """What stream tickets are signed with, where several processes are to take them; of at least 32
    characters. None: a random one of this process."""

    public_metrics: bool = False
    """Whether `/metrics` answers whoever asks; else, it answers operators."""

    def __post_init__(self) -> None:
        for field in _AT_LEAST_1:
            self._require(field, getattr(self, field) >= 1, "at least 1")
        for field in _POSITIVE:
            self._require(field, 0 < getattr(self, field) < float("inf"), "positive and finite")
        self._require("batch_ms", 0 <= self.batch_ms <= 1000, "0 to 1,000")
        for origin in self.allowed_origins:
            self._require("allowed_origins", _is_origin(origin), "as in https://app.example.org")
        for proxy in self.trusted_proxies:
            self._require("trusted_proxies", _is_network(proxy), "as in 10.0.0.1 or 10.0.0.0/8")
        secret = self.ticket_secret
        fits = secret is None or len(secret.reveal()) >= 32
        self._require("ticket_secret", fits, "at least 32 characters")

    def _require(self, field: str, holds: bool, limit: str) -> None:
        if not holds:
            raise ConfigError(field, getattr(self, field), limit)


def _is_origin(text: str) -> bool:
    """Whether a browser could name a page's origin so."""
    return _ORIGIN.fullmatch(text) is not None


def _is_network(text: str) -> bool:
    """Whether it is an IP address, or a network of them."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
