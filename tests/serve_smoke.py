"""`make run`, as a person has it: both pages, one turn, and Ctrl-C.

    python tests/serve_smoke.py

In the root of the project; exits with 1, and says why, if anything is not as it must be.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from typing import Any

START_S = 300.0
"""The first time, `.venv` is made."""

STOP_S = 15.0


def started(server: subprocess.Popen[str]) -> str:
    """The address that it prints."""
    assert server.stdout is not None
    for line in server.stdout:
        print(line, end="", flush=True)
        if found := re.search(r"http://[^/\s]+", line):
            return found[0]
    sys.exit(f"make run has ended with {server.wait()}, and told no address")


def fetch(url: str, body: Any = None) -> str:
    """What is answered. Raises urllib.error.HTTPError unless all is well."""
    headers = {"Authorization": "Bearer ann", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def tried(address: str) -> str:
    """Fetch the pages and talk; what the pipeline has said."""
    assert "<title>" in fetch(f"{address}/")
    assert "<title>" in fetch(f"{address}/dashboard")
    assert fetch(f"{address}/readyz") == "ready\n"
    made = json.loads(fetch(f"{address}/v1/sessions", {}))
    messages = f"{address}/v1/sessions/{made['id']}/messages?wait_s=20"
    result = json.loads(fetch(messages, {"text": "hello"}))
    assert result["text"], result
    said: str = result["text"]
    return said


def main() -> None:
    server = subprocess.Popen(
        ["make", "--no-print-directory", "run", "PORT=0"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # Whatever happens, nothing of it stays.
    guard = threading.Timer(START_S, os.killpg, (server.pid, signal.SIGKILL))
    guard.start()
    try:
        print(tried(started(server)))
        os.killpg(server.pid, signal.SIGINT)
        server.wait(STOP_S)
    finally:
        guard.cancel()
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
