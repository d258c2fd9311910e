"""What a flow run shows on its page in Prefect: tables, links, pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact, create_table_artifact

LARGEST = 512 << 10
"""Pictures beyond this size are linked, not shown [bytes]: they would lie in Prefect's database."""


def key(*parts: str) -> str:
    """A name that Prefect allows: small letters, digits and dashes.

    >>> key("retrain", "Photos_2026.v1")
    'retrain-photos-2026-v1'
    """
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def table(name: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Show a table; nothing where it is empty."""
    if rows:
        plain = [
            {column: value if isinstance(value, int | bool) else _text(value) for column, value in row.items()} for row in rows
        ]
        create_table_artifact(table=plain, key=name, description=description)


def page(name: str, markdown: str, description: str) -> None:
    """Show a page of Markdown."""
    create_markdown_artifact(markdown, key=name, description=description)


def link(name: str, target: str | Path, text: str) -> None:
    """Show a link to a file or page."""
    address = target if isinstance(target, str) and "://" in target else Path(target).absolute().as_uri()
    create_link_artifact(address, link_text=text, key=name, description=text)


def picture(name: str, file: Path, description: str) -> None:
    """Show a PNG or SVG file; inside the page, as a browser may not open files of another machine."""
    kind = {".png": "image/png", ".svg": "image/svg+xml"}.get(file.suffix)
    if kind is None or not file.exists():
        return
    if file.stat().st_size > LARGEST:
        link(name, file, description)
        return
    encoded = base64.b64encode(file.read_bytes()).decode("ascii")
    create_image_artifact(f"data:{kind};base64,{encoded}", key=name, description=description)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
