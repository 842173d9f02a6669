"""How objects show themselves in a notebook: a table of names and values."""

import html
from collections.abc import Mapping
from typing import Any


def table(title: str, rows: Mapping[str, Any]) -> str:
    """Return an HTML table with a caption; everything is escaped."""
    cells = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{html.escape(title)}</caption>{cells}</table>"
