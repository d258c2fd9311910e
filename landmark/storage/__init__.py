"""One door to bytes: local paths or `s3://bucket/key`. Writes are atomic: the old artefact stays until the new one is whole.

S3 is reached through boto3's standard chain: credentials, region and `AWS_ENDPOINT_URL` come from the environment or
the shared configuration files, never from a config of this project.
"""

from __future__ import annotations

from landmark.atomic import atomic_file, atomic_files, atomic_folder
from landmark.errors import LandmarkError as LandmarkError
from landmark.names import shown
from landmark.storage.conditional import read_version, write_if
from landmark.storage.files import exists, read_bytes, read_json, sha256_file, write_bytes, write_json
from landmark.storage.folders import local_folder, upload_folder
from landmark.storage.listing import list_files, object_versions, s3_versions
from landmark.storage.local_cache import cache_folder, open_database
from landmark.storage.problems import Changed, NoSuchObject, StorageUnavailable
from landmark.storage.s3 import _s3_client as _s3_client
from landmark.storage.transfer import put_file
from landmark.storage.uris import inside, is_s3, join, parent

__all__ = [
    "Changed",
    "NoSuchObject",
    "StorageUnavailable",
    "atomic_file",
    "atomic_files",
    "atomic_folder",
    "cache_folder",
    "exists",
    "inside",
    "is_s3",
    "join",
    "list_files",
    "local_folder",
    "object_versions",
    "open_database",
    "parent",
    "put_file",
    "read_bytes",
    "read_json",
    "read_version",
    "s3_versions",
    "sha256_file",
    "shown",
    "upload_folder",
    "write_bytes",
    "write_if",
    "write_json",
]
