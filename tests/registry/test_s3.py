"""A version whose artefacts lie in S3: registered, verified, downloaded once, loaded by other programs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from moto.server import ThreadedMotoServer

from landmark.errors import LandmarkError
from landmark.recognition.recognizer import Recognizer
from landmark.registry import models, splits
from landmark.registry.connection import EXPERIMENT, connect
from landmark.registry.retention import prune_versions
from landmark.registry.versions import find, versions
from tests.registry.samples import Sample
from tests.test_cli import ROOT

ASK = """
import base64, json, sys, mlflow
import pandas as pd
photo = sys.argv[2]
data = open(photo, "rb").read()
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(pd.DataFrame({"photo": [photo, data, base64.b64encode(data).decode()]}))
listed = model.predict([{"photo": photo}, {"photo": base64.b64encode(data).decode()}])
print(json.dumps([table["landmark"].tolist(), listed["landmark"].tolist()]))
"""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secretsecret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    try:
        yield client
    finally:
        server.stop()


def test_artefacts_in_s3(sample: Sample, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(sample.home)
    client.create_experiment(EXPERIMENT, artifact_location="s3://models/mlflow")
    send = S3ArtifactRepository._upload_file

    def cut(self: Any, s3_client: Any, local_file: str, bucket: str, key: str, *more: Any) -> Any:
        send(self, s3_client, local_file, bucket, key, *more)
        if key.endswith("centroids.parquet"):
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            s3.put_object(Bucket=bucket, Key=key, Body=body[:-5])

    with monkeypatch.context() as patch:
        patch.setattr(S3ArtifactRepository, "_upload_file", cut)
        with pytest.raises(LandmarkError, match=r"centroids.parquet did not arrive as it was sent"):
            sample.register("good")
    assert versions(client, "landmark") == []
    assert not list(sample.home.glob("models/.incoming-*"))

    facts = sample.gate("good")
    assert facts["promoted"] is True
    photo = str(next((sample.folder / "photos").glob("bell_*")))
    version = find(client, "landmark", "champion")
    place = client.get_logged_model(version.tags["landmark.logged_model"]).artifact_location
    assert place.startswith("s3://models/mlflow/")
    command = [sys.executable, "-c", ASK, place, photo]
    environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [["bell"] * 3, ["bell"] * 2]
    assert Recognizer.load(f"{place}/artifacts/recognizer").recognize([photo])["landmark"].tolist() == ["bell"]

    # What registering downloaded to compare is kept: nothing is read from S3 again.
    folder = models.fetch("models:/landmark@champion", sample.home)
    assert folder.parent == sample.home.resolve() / "models"
    prefix = f"{place.removeprefix('s3://models/')}/artifacts/recognizer/"
    s3.delete_object(Bucket="models", Key=f"{prefix}calibration.json")
    assert models.fetch("models:/landmark@champion", sample.home) == folder
    # Damaged on disk, and no longer whole in S3: an error, never half a recognizer.
    (folder / "calibration.json").write_text("{}")
    with pytest.raises(LandmarkError, match=r"models:/landmark/1"):
        models.fetch("models:/landmark@champion", sample.home)

    # It is registered anew, and what is damaged goes with its objects.
    assert sample.register("good", sample.config("new")).facts["version"] == "2"
    assert models.fetch("models:/landmark/1", sample.home) != folder
    assert splits.used_for(client, "landmark", "2", sample.home)
    client.set_registered_model_alias("landmark", "champion", "2")
    client.delete_registered_model_alias("landmark", "anchor")
    assert [one.version for one in prune_versions(client, "landmark", sample.home, 1)] == ["1"]
    assert "Contents" not in s3.list_objects_v2(Bucket="models", Prefix=place.removeprefix("s3://models/"))
    assert Recognizer.load(models.fetch("models:/landmark@champion", sample.home)).recognize([photo])["landmark"][0] == "bell"
