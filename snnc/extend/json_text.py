"""JSON text with indents, as `json.dumps` writes it, which is slow where it indents.

The library's fast encoder writes no indents. Here it writes each list or mapping that holds no
others, with line breaks for separators, and this file what holds those.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from json.encoder import encode_basestring_ascii
from typing import Any, NoReturn

from attrs import frozen

_SCALARS = frozenset({str, int, float, bool, type(None)})


def _refuse(value: Any) -> NoReturn:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


@frozen
class Style:
    """How text looks: spaces of an indent, keys sorted or as they come.

    `plain` returns what JSON has for another kind of value. NaN and infinities are refused.
    """

    indent: int = 2
    sort_keys: bool = False
    plain: Callable[[Any], Any] = _refuse

    def text(self, value: Any) -> str:
        """Return a value as JSON, without a line end at the end.

        Raises:
            TypeError, ValueError: for what JSON has no form.

        >>> print(Style().text({"a": [1, 2], "b": {}}))
        {
          "a": [
            1,
            2
          ],
          "b": {}
        }
        """
        return self._text(value, "\n")

    def _text(self, value: Any, line: str) -> str:
        """Return a value whose own lines begin with `line`."""
        if not isinstance(value, (dict, list, tuple)):
            if value is None or isinstance(value, (str, int, float)):
                return _encoder(line, self.sort_keys).encode(value)
            return self._text(self.plain(value), line)
        inner = line + " " * self.indent
        kinds = set(map(type, value.values() if isinstance(value, dict) else value))
        if not kinds:
            return "{}" if isinstance(value, dict) else "[]"
        if kinds == {int} and isinstance(value, list):
            if value.count(value[0]) == len(value):
                numbers = f",{inner}".join([str(value[0])] * len(value))
            else:
                numbers = str(value)[1:-1].replace(", ", f",{inner}")
            return f"[{inner}{numbers}{line}]"
        if kinds <= _SCALARS:
            flat = _encoder(inner, self.sort_keys).encode(value)
            return f"{flat[0]}{inner}{flat[1:-1]}{line}{flat[-1]}"
        if isinstance(value, dict):
            parts = [f"{_key(k)}: {self._text(v, inner)}" for k, v in self._items(value)]
            return f"{{{inner}{f',{inner}'.join(parts)}{line}}}"
        return f"[{inner}{f',{inner}'.join([self._text(part, inner) for part in value])}{line}]"

    def _items(self, value: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
        return sorted(value.items()) if self.sort_keys else [*value.items()]


def _key(key: Any) -> str:
    """Return a key as JSON has it: numbers become texts."""
    return encode_basestring_ascii(key) if isinstance(key, str) else json.dumps({key: 0})[1:-4]


@cache
def _encoder(line: str, sort_keys: bool) -> json.JSONEncoder:
    """Return what writes a list or mapping of plain values, each on a line of its own."""
    return json.JSONEncoder(separators=(f",{line}", ": "), sort_keys=sort_keys, allow_nan=False)
