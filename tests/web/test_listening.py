"""The socket of a server."""

from __future__ import annotations

import socket

from greenroom.adapters.web.server import address_of, listen


def test_what_is_written_on_a_connection_is_not_held_back() -> None:
    with listen("127.0.0.1", 0) as listening:
        with socket.create_connection(listening.getsockname()[:2]):
            connection, _ = listening.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert address_of(listening).startswith("http://127.0.0.1:")
