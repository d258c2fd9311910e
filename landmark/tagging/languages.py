"""Names of landmarks, cities and countries in the user's language."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.csv_table import csv_columns, read_csv, where

log = logging.getLogger(__name__)

AUTO = "auto"
VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Of the environment, the first that is set counts (POSIX.1-2017, 8.2)."""
TEXTS = ("name", "city", "country")
_TAG = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*", re.IGNORECASE)
_ALSO = {
    "america": "US",
    "bosnia and herzegovina": "BA",
    "burma": "MM",
    "cape verde": "CV",
    "czech republic": "CZ",
    "great britain": "GB",
    "holland": "NL",
    "hong kong": "HK",
    "ivory coast": "CI",
    "korea": "KR",
    "macao": "MO",
    "macau": "MO",
    "macedonia": "MK",
    "palestine": "PS",
    "people's republic of china": "CN",
    "republic of ireland": "IE",
    "republic of korea": "KR",
    "russian federation": "RU",
    "swaziland": "SZ",
    "the netherlands": "NL",
    "turkey": "TR",
    "uk": "GB",
    "united states of america": "US",
    "usa": "US",
    "vatican": "VA",
}
"""Other English names than those of the CLDR, in lower case."""
_NO_COUNTRY = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}
"""Codes of the CLDR for unions, oceans and tests."""


def translated(landmarks: pd.DataFrame, language: str | None, overrides: Path | None) -> pd.DataFrame:
    """The landmarks with their names, cities and countries as a user wants them.

    A landmark is called as the file of the user's own names says, else as `names` has it in the language or a more general
    one (pt-BR, then pt: RFC 4647, "lookup"), else as `name` has it. Countries in English are translated by the Unicode
    CLDR; cities by the file alone.

    Args:
        landmarks: as in `landmarks.parquet`: landmark, name, city, country, names (JSON object: language -> name), ...
        language: BCP 47 tag such as "fr" or "pt-BR"; "auto": of the environment; None: names as they are.
        overrides: CSV `landmark,name[,city,country]`; empty cells change nothing.

    Returns:
        The same rows and columns, with name, city and country replaced.

    Raises:
        UsageError: not a language tag, or a file that cannot be read, names a landmark twice or has a row without one.
    """
    result = landmarks.copy()
    for column in TEXTS:
        result[column] = result[column].fillna("").astype(str) if column in result else ""
    wanted = environment_language(os.environ) if language == AUTO else language
    if wanted is not None:
        tags, before = fallbacks(wanted), result
        result = result.copy()
        if "names" in result:
            pairs = zip(result["name"], result["names"], strict=True)
            result["name"] = [_name(names, tags) or name for name, names in pairs]
        country = country_names(tags)
        result["country"] = [country(text) for text in result["country"]]
        if all((result[column] == before[column]).all() for column in ("name", "country")):
            log.warning("language %s: the model knows no names in it; they stay as they are", shown(wanted))
    if overrides is not None:
        own = read_names(overrides)
        unknown = sorted(set(own) - set(result["landmark"].astype(str)))
        if unknown:
            log.warning(
                "%s: %d landmarks that the model does not know are passed over (%s ...)",
                *(shown(overrides), len(unknown), shown(unknown[0])),
            )
        for column in TEXTS:
            pairs = zip(result["landmark"].astype(str), result[column], strict=True)
            result[column] = [own.get(landmark, {}).get(column) or text for landmark, text in pairs]
    return result


def environment_language(environment: Mapping[str, str]) -> str | None:
    """The language of messages, as a BCP 47 tag; None: none is set.

    >>> environment_language({"LANG": "pt_BR.UTF-8", "LC_MESSAGES": ""})
    'pt-BR'
    >>> environment_language({"LC_ALL": "C.UTF-8", "LANG": "fr_FR"}) is None
    True
    """
    value = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    tag = re.split(r"[.@]", value, maxsplit=1)[0].replace("_", "-")
    return tag if tag.upper() not in ("C", "POSIX") and _TAG.fullmatch(tag) else None


def fallbacks(language: str) -> list[str]:
    """A language tag and the more general ones to look for after it, in lower case (RFC 4647, 3.4).

    Raises:
        UsageError: not a tag.

    >>> fallbacks("zh-Hant-TW")
    ['zh-hant-tw', 'zh-hant', 'zh']
    """
    plain = language.strip().replace("_", "-")
    if not _TAG.fullmatch(plain):
        raise UsageError(f"language '{shown(language)[:50]}': give a tag such as fr or pt-BR, or auto")
    parts = plain.lower().split("-")
    # A single letter only announces what comes after it.
    return ["-".join(parts[:end]) for end in range(len(parts), 0, -1) if len(parts[end - 1]) > 1]


def country_names(tags: list[str]) -> Callable[[str], str]:
    """What gives a country's name in a language, for its English name or its ISO 3166 code; any other text stays as it is.

    Args:
        tags: of the language, as `fallbacks` gives them.
    """
    locale = next((found for found in map(_locale, tags) if found is not None), None)
    if locale is None:
        return lambda text: text
    codes, territories = _codes(), locale.territories
    known = set(codes.values())

    def name(text: str) -> str:
        code = text if text in known else codes.get(_key(text), "")
        return str(territories.get(code, text))

    return name


def read_names(file: Path) -> dict[str, dict[str, str]]:
    """Names of a user's own: landmark -> name, city, country, as far as given.

    Raises:
        UsageError: see `translated`.
    """
    uri = os.fspath(file)
    doubled = [name for name in csv_columns(uri) if re.fullmatch(r"(landmark|name|city|country)\.\d+", name)]
    if doubled:
        raise UsageError(f"{shown(uri)}: column '{doubled[0].partition('.')[0]}' is there twice; keep one")
    table = read_csv(uri, ("landmark", "name"), optional=("city", "country"))
    found: dict[str, dict[str, str]] = {}
    rows: dict[str, int] = {}
    for row, values in enumerate(table.to_dict("records")):
        cells = {str(key): str(value).strip() for key, value in values.items()}
        landmark = cells.pop("landmark")
        if not landmark:
            raise UsageError(f"{where(uri, row)}: the landmark's id is empty")
        if landmark in rows:
            raise UsageError(
                f"{where(uri, row)}: landmark '{shown(landmark)}' has a row already (row {rows[landmark]}); keep one"
            )
        for key, value in cells.items():
            if not value.isprintable():
                raise UsageError(f"{where(uri, row)}: {key} '{shown(value)}' has control characters; write it in one line")
        found[landmark] = {key: value for key, value in cells.items() if value}
        rows[landmark] = row + 2
    return found


def _name(names: Any, tags: list[str]) -> str:
    """The name in the first of the languages that `names` (JSON) has; "": none."""
    try:
        by_language = json.loads(names) if names else {}
    except (TypeError, ValueError):
        return ""
    if not isinstance(by_language, dict):
        return ""
    known = {str(key).replace("_", "-").lower(): value for key, value in by_language.items()}
    return next((known[tag] for tag in tags if isinstance(known.get(tag), str) and known[tag]), "")


def _locale(tag: str) -> Any:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return None


@cache
def _codes() -> dict[str, str]:
    """English name of a country -> its ISO 3166 code of two letters."""
    from babel import Locale

    named = {code: name for code, name in Locale("en").territories.items() if re.fullmatch(r"[A-Z]{2}", code)}
    return _ALSO | {_key(name): code for code, name in named.items() if code not in _NO_COUNTRY}


def _key(text: str) -> str:
    return " ".join(text.replace("’", "'").replace("&", "and").split()).casefold()
