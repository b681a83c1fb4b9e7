"""Where a runtime finds its journal by a URL."""

from __future__ import annotations

from ..actors.errors import ConfigError
from ..actors.ports import Journal


def find_journal(url: str) -> Journal:
    """The journal behind a URL such as `sqlite:///greenroom.db`, by its scheme's entry point.

    Anyone may add a scheme: an entry point in the group `greenroom.journals` that takes the URL.
    Raises ConfigError.
    """
    from importlib.metadata import entry_points  # 10 ms, of a process that has such a journal only

    scheme, colon, _ = url.partition(":")
    found = {point.name: point for point in entry_points(group="greenroom.journals")}
    if not colon or scheme not in found:
        raise ConfigError("journal", url, f"a URL with one of the schemes {sorted(found)}")
    journal: Journal = found[scheme].load()(url)
    return journal
