"""Where the command line finds a pipeline by its name."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ...actors.errors import ConfigError, text_of
from ...actors.ports import Pipeline


def find_pipeline(name: str) -> Pipeline:
    """The pipeline of that name: an entry point, or `module:attribute`.

    Anyone may add one: an entry point in the group `greenroom.pipelines`. A class is called, for
    the pipeline it makes. Modules are looked for in the current directory, too. Raises ConfigError.
    """
    module, colon, attribute = name.partition(":")
    if colon:
        return _made(name, _imported(name, module, attribute))
    found = {point.name: point for point in entry_points(group="greenroom.pipelines")}
    if name not in found:
        raise ConfigError("pipeline", name, f"module:attribute, or one of {sorted(found)}")
    return _made(name, found[name].load())


def _imported(name: str, module: str, attribute: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module may raise anything while it is imported
        raise ConfigError("pipeline", name, f"importable ({text_of(error)})") from error
    return found


def _made(name: str, found: Any) -> Pipeline:
    made = found() if isinstance(found, type) else found
    if not callable(made):
        raise ConfigError("pipeline", name, "a function, or a class whose objects can be called")
    pipeline: Pipeline = made
    return pipeline
