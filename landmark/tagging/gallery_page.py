"""The gallery as one HTML file: style, script and the map's outline inlined, named by hash in its Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = (
    *("gallery_text", "land", "gallery_base", "gallery_data", "gallery_listing", "gallery_keeper"),
    *("gallery_saver", "gallery_save_line", "gallery_combobox"),
    *("gallery_albums", "gallery_grid", "gallery_map", "gallery_stage", "gallery_photo", "gallery_review", "gallery_filters"),
    *("gallery_route", "gallery_parts", "gallery"),
)
"""In the order in which they are read; they share one scope."""

_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')


def gallery_page(review_token: str | None = None) -> str:
    """The text of `index.html`, which reads `data/head.js` beside it.

    Args:
        review_token: of the review server that serves the page; None: of a folder, which can't change anything.

    Raises:
        ValueError: a token with other characters than `secrets.token_urlsafe` makes.
    """
    if review_token is not None and not re.fullmatch(r"[\w-]{16,}", review_token, re.ASCII):
        raise ValueError("a token must be made by secrets.token_urlsafe: letters, digits, - and _")
    style = _read("gallery.css")
    code = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{code}\n}})();\n'
    review = "" if review_token is None else f"window.LANDMARK_REVIEW = {json.dumps({'token': review_token})};"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' file: {_hash(script)}" + (f" {_hash(review)}" if review else ""),
            f"style-src {_hash(style)}",
            "img-src 'self' file: data:",  # file: where a browser doesn't take a file for a part of 'self'
            f"connect-src {chr(39)}self{chr(39)}" if review else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",  # data can't become markup or code, even by a mistake in the script
            "trusted-types landmark-chunks",
        ]
    )
    parts = {
        "policy": html.escape(policy, quote=False),
        "style": style,
        "review": f"<script>{review}</script>" if review else "",
        "script": script,
    }
    return re.sub(r"%%(policy|style|review|script)%%", lambda found: parts[found[1]], _read("gallery.html"))


def content_security_policy(page: str) -> str:
    """The policy that stands in a page, for the header of a server."""
    found = _POLICY.search(page)
    if found is None:
        raise ValueError("the page has no Content-Security-Policy")
    return html.unescape(found[1])


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
