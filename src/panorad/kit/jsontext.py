"""JSON by orjson, and by the standard library where that is stricter than we can be: lone surrogates, numbers beyond 64 bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

loads = orjson.loads


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """The UTF-8 text of a value without white space; a lone surrogate becomes `?`. `default` gives what stands for other types."""
    try:
        return orjson.dumps(value, default, orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=default).encode("utf-8", "replace")
