"""What stands in MLflow's and Prefect's databases, read without either: rows of SQLite or answers of a server."""

from __future__ import annotations

import base64
import json
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

MODEL = "landmark"


@dataclass(frozen=True)
class Version:
    """One registered version.

    Attributes:
        number: of the version.
        status: MLflow's word for it.
        place: folder or s3:// of its artefacts.
        tags: its tags.
    """

    number: str
    status: str
    place: str
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the recognizer's content."""
        return self.tags.get("landmark.digest", "")


class View(Protocol):
    """What the checks ask."""

    def aliases(self) -> dict[str, str]:
        """Alias -> version."""

    def versions(self) -> list[Version]:
        """All versions, oldest first."""

    def runs(self) -> list[str]:
        """MLflow's word for the state of each run."""

    def flow_runs(self) -> list[str]:
        """Prefect's word for the type of state of each flow run."""


@dataclass(frozen=True)
class Files:
    """The databases under a home folder without servers."""

    home: Path

    def _rows(self, file: str, query: str) -> list[tuple[Any, ...]]:
        place = self.home / file
        if not place.exists():
            return []
        with closing(sqlite3.connect(f"file:{quote(str(place))}?mode=ro", uri=True, timeout=30)) as database:
            try:
                return list(database.execute(query))
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def aliases(self) -> dict[str, str]:
        """Alias -> version."""
        query = f"select alias, version from registered_model_aliases where name = '{MODEL}'"
        return {str(alias): str(version) for alias, version in self._rows("mlflow/mlflow.db", query)}

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        tags: dict[str, dict[str, str]] = {}
        for version, key, value in self._rows("mlflow/mlflow.db", "select version, key, value from model_version_tags"):
            tags.setdefault(str(version), {})[str(key)] = str(value)
        query = "select version, status, storage_location from model_versions"
        query += " where current_stage != 'Deleted_Internal' order by version"
        return [
            Version(str(number), str(status), str(place).removeprefix("file://"), tags.get(str(number), {}))
            for number, status, place in self._rows("mlflow/mlflow.db", query)
        ]

    def runs(self) -> list[str]:
        """MLflow's word for the state of each run."""
        return [str(status) for (status,) in self._rows("mlflow/mlflow.db", "select status from runs")]

    def flow_runs(self) -> list[str]:
        """Prefect's word for the type of state of each flow run."""
        return [str(kind) for (kind,) in self._rows("prefect/prefect.db", "select state_type from flow_run")]


@dataclass(frozen=True)
class Servers:
    """The servers of `landmark up`, asked over HTTP.

    Attributes:
        mlflow, prefect: addresses.
        mlflow_login, prefect_login: user:password.
        artefacts: s3:// that MLflow keeps artefacts below.
    """

    mlflow: str
    prefect: str
    mlflow_login: str
    prefect_login: str
    artefacts: str

    def ask(self, url: str, login: str, body: dict[str, Any] | None = None, seconds: float = 20) -> Any:
        """The JSON that an address answers with."""
        headers = {"Content-Type": "application/json"}
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(url, data, headers), timeout=seconds) as answer:
            return json.load(answer)

    def aliases(self) -> dict[str, str]:
        """Alias -> version."""
        try:
            found = self.ask(f"{self.mlflow}/api/2.0/mlflow/registered-models/get?name={MODEL}", self.mlflow_login)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise
        return {row["alias"]: str(row["version"]) for row in found["registered_model"].get("aliases", [])}

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        base = f"{self.mlflow}/api/2.0/mlflow"
        rows = self.ask(f"{base}/model-versions/search?max_results=1000&filter=name%3D%27{MODEL}%27", self.mlflow_login)
        found = []
        for row in rows.get("model_versions", []):
            tags = {tag["key"]: tag.get("value", "") for tag in row.get("tags", [])}
            place = str(row["source"])
            if place.startswith("models:/"):
                model = self.ask(f"{base}/logged-models/{place.removeprefix('models:/')}", self.mlflow_login)
                place = str(model["model"]["info"]["artifact_uri"])
            if place.startswith("mlflow-artifacts:"):
                place = f"{self.artefacts}/{place.partition(':')[2].lstrip('/')}"
            found.append(Version(str(row["version"]), str(row["status"]), place, tags))
        return sorted(found, key=lambda version: int(version.number))

    def runs(self) -> list[str]:
        """MLflow's word for the state of each run."""
        base = f"{self.mlflow}/api/2.0/mlflow"
        all_of = self.ask(f"{base}/experiments/search?max_results=100", self.mlflow_login).get("experiments", [])
        body = {"experiment_ids": [row["experiment_id"] for row in all_of], "max_results": 1000}
        return [str(row["info"]["status"]) for row in self.ask(f"{base}/runs/search", self.mlflow_login, body).get("runs", [])]

    def flow_runs(self) -> list[str]:
        """Prefect's word for the type of state of each flow run."""
        rows = self.ask(f"{self.prefect}/api/flow_runs/filter", self.prefect_login, {"limit": 200})
        return [str(row["state_type"]) for row in rows]
