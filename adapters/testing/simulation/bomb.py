"""A message whose handling fails."""

from __future__ import annotations

from typing import Any

from pykka.messages import ProxyCall


class Boom(BaseException):
    """Worse than an Exception: nothing in between may catch it."""


class _Mail:
    """Mail that cannot even be looked at."""

    reply_to = None

    @property
    def message(self) -> Any:
        raise Boom


BOMB = ProxyCall(attr_path=("handle",), args=(_Mail(),), kwargs={})
"""Has an actor's handler raise `Boom`, as a bug in it would. pykka's proxies send such messages."""
