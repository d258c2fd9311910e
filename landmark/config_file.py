"""Reading a config: one YAML file, `KEY=VALUE` overrides, paths relative to the file's folder.

Unknown keys, wrong types and impossible combinations are refused before any work, in one line that names the key's path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_origin

import yaml
from pydantic import ValidationError

from landmark.config import RunConfig, SourcedConfig
from landmark.errors import UsageError

Config = TypeVar("Config", bound=SourcedConfig)


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """`read_config` of a run."""
    return read_config(path, overrides or [], RunConfig)


def read_config(path: str | Path, overrides: list[str], model: type[Config]) -> Config:
    """Read a config, apply `KEY=VALUE` overrides, resolve its paths against its own folder, and check it.

    Args:
        path: YAML file.
        overrides: dotted keys with values in YAML, e.g. `calibration.specificity=0.995`,
            `training.stages.0.epochs=2`.
        model: the settings that the file holds.

    Raises:
        UsageError: unreadable file, unknown key, wrong type or impossible value; names the key's path.
    """
    file = Path(path)
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"config {file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"config {file}: not text in UTF-8 (byte {error.start})") from error
    except yaml.YAMLError as error:
        raise UsageError(f"config {file}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"config {file}: expected keys and values at the top, got {type(values).__name__}")
    for override in overrides:
        _override(values, " ".join(override.split()))
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"config {file}: {_explain(error, model)}") from error
    return _resolve_paths(config, file.parent)


def _override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UsageError(f"override '{override}': expected KEY=VALUE, e.g. calibration.specificity=0.995")
    *parents, last = key.split(".")
    node: Any = values
    for part in parents:
        if isinstance(node, list):
            node = _item(node, part, key)
        elif isinstance(node, dict):
            node = node.setdefault(part, {})
        else:
            raise UsageError(f"override '{override}': '{part}' is not a section")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"override '{override}': the value is not valid YAML") from error
    if isinstance(node, list):
        _item(node, last, key)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise UsageError(f"override '{override}': '{'.'.join(parents)}' is not a section")


def _item(node: list[Any], part: str, key: str) -> Any:
    if not part.isdigit() or int(part) >= len(node):
        raise UsageError(f"override '{key}': '{part}' must be a position from 0 to {len(node) - 1}")
    return node[int(part)]


def _explain(error: ValidationError, model: type[SourcedConfig]) -> str:
    """All problems of a config in one line: path, what is wrong, what is allowed."""
    problems = []
    for item in error.errors():
        path = ".".join(" ".join(str(part).split()) for part in item["loc"]) or "(top)"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown key; allowed here: {', '.join(_allowed(item['loc'][:-1], model))}"
        problems.append(f"{path}: {message}")
    return "; ".join(problems)


def _allowed(path: tuple[int | str, ...], top: type[SourcedConfig]) -> list[str]:
    model: Any = top
    for part in path:
        if isinstance(part, int):
            continue
        if not hasattr(model, "model_fields"):  # a mapping's value: the key was this part
            model = model.__args__[1]
            continue
        annotation = model.model_fields[part].annotation
        if get_origin(annotation) is dict:
            model = annotation
            continue
        arguments = getattr(annotation, "__args__", ())
        model = arguments[0] if arguments else annotation
    return sorted(model.model_fields)


def _resolve_paths(config: Config, folder: Path) -> Config:
    def resolve(value: str | None) -> str | None:
        if value is None or "://" in value or Path(value).is_absolute():
            return value
        return str((folder / value).resolve())

    paths = ("source", "others", "unknown", "images", "landmarks", "references", "splits")
    places: dict[str, Any] = {key: resolve(getattr(config.data, key)) for key in paths}
    places["corrections"] = tuple(str(resolve(place)) for place in config.data.corrections)
    data = config.data.model_copy(update=places)
    network = config.network
    if network.pretrained not in ("package", "hub", "none"):
        network = network.model_copy(update={"pretrained": resolve(network.pretrained)})
    return config.model_copy(update={"data": data, "network": network})
