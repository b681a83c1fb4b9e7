"""How `dialogues.jsonl.gz` was made: `python sample.py WHOLE.jsonl.gz dialogues.jsonl.gz`.

The services take turns, in alphabetical order. Each takes the dialogue with the smallest SHA-256
of its id among those that use the service and are not taken yet, until there are 200. The lines
are copied as they are, in the order of the whole file, and compressed with no name and time 0.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import sys
from pathlib import Path

SIZE = 200


def sample(lines: list[bytes]) -> list[bytes]:
    """200 of the lines, spread over the services."""
    dialogues = [json.loads(line) for line in lines]
    order = sorted(range(len(lines)), key=lambda i: _digest(dialogues[i]["dialogue_id"]))
    services = sorted({service for dialogue in dialogues for service in dialogue["services"]})
    taken: set[int] = set()
    for service in itertools.cycle(services):
        if len(taken) == min(SIZE, len(lines)):
            break
        users = (i for i in order if i not in taken and service in dialogues[i]["services"])
        taken.update(itertools.islice(users, 1))
    return [lines[i] for i in sorted(taken)]


def _digest(dialogue: str) -> bytes:
    return hashlib.sha256(dialogue.encode()).digest()


if __name__ == "__main__":
    whole, target = map(Path, sys.argv[1:])
    chosen = sample(gzip.decompress(whole.read_bytes()).splitlines(keepends=True))
    target.write_bytes(gzip.compress(b"".join(chosen), 9, mtime=0))
