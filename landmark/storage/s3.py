"""The S3 client: made by boto3's standard chain, patient with a server that is away for a while, clear in its errors."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage.problems import Changed, NoSuchObject, StorageUnavailable

log = logging.getLogger(__name__)

ROUNDS = 7
"""Rounds of requests to a server that has answered before; with botocore's own tries in each, about a minute."""
TRIES = 5
"""botocore's tries a request, with back-off (AWS_MAX_ATTEMPTS overrules)."""
POOL = 32
"""Connections kept to the server."""

_ENVIRONMENT = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_MAX_ATTEMPTS",
)
_BUSY = ("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "InternalError", "ServiceUnavailable")
_MENDS = {
    "SignatureDoesNotMatch": "the secret is wrong: check AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "the server does not know this key: check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL",
    "AccessDenied": "the key may not do this: ask for the permission, or give another key",
    "403": "the key may not do this: ask for the permission, or give another key",
    "Forbidden": "the key may not do this: ask for the permission, or give another key",
    "ExpiredToken": "the credentials have expired: get new ones",
    "RequestTimeTooSkewed": "this machine's clock is off: set it",
    "BadDigest": "the data was damaged on the way: run again, and check the network if it happens again",
}
_answered: set[str] = set()
_client_lock = threading.Lock()
Result = TypeVar("Result")


def client() -> Any:
    """The S3 client of this environment: other credentials or another endpoint get another client."""
    # Hashed: the secret need not lie about in one more place.
    key = hashlib.sha256(repr([os.environ.get(name) for name in _ENVIRONMENT]).encode()).hexdigest()
    with _client_lock:
        return _s3_client(key, os.getpid())


def _forked() -> None:
    global _client_lock
    _client_lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


@functools.lru_cache(maxsize=4)
def _s3_client(_environment: str, _process: int) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session()
    retries: dict[str, Any] = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = TRIES
    settings = Config(
        retries=retries,
        signature_version="s3v4",
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=POOL,
        **_style(session),
    )
    made = session.client("s3", config=settings)
    endpoint = made.meta.endpoint_url
    made.meta.events.register("after-call.s3", lambda **_: _answered.add(endpoint))
    return made


def _style(session: Any) -> dict[str, Any]:
    """Path-style addresses for servers that are not Amazon's, which have no DNS name a bucket; the user's own word stands."""
    scoped = session._session.get_scoped_config()
    own = scoped.get("s3")
    if isinstance(own, dict) and "addressing_style" in own:
        return {}
    custom = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or scoped.get("endpoint_url")
    return {"s3": {"addressing_style": "path"}} if custom else {}


def patiently(uri: str | os.PathLike[str], work: Callable[[Any], Result]) -> Result:
    """Do something with the client; what breaks on the way is done again, with back-off.

    A server that has never answered this process is given up soon: its address is probably wrong. One that has is waited
    for, about a minute.

    Args:
        uri: what it is about, for messages.
        work: takes the client; may be called several times.

    Raises:
        NoSuchObject, Changed, StorageUnavailable: one line each.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    for number in range(ROUNDS):
        with s3_errors(uri):
            s3 = client()
            try:
                return work(s3)
            except (BotoCoreError, ClientError, Boto3Error) as error:
                if number + 1 == ROUNDS or s3.meta.endpoint_url not in _answered or not _passing(error):
                    raise
                log.info("%s: %s; trying again", shown(uri), shown(str(error)))
        time.sleep(min(2**number, 10) * random.uniform(0.5, 1.0))
    raise AssertionError("the last round returns or raises")


def _passing(error: BaseException) -> bool:
    """Whether an error may be gone at the next try."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as botocore

    if isinstance(error, botocore.ClientError):
        return code_of(error) in _BUSY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    if isinstance(error, Boto3Error):  # of boto3's transfers, which wrap the error itself
        inner = error.__cause__ or error.__context__
        return inner is None or not isinstance(inner, botocore.ClientError) or _passing(inner)
    return isinstance(
        error,
        (
            botocore.HTTPClientError,
            botocore.ConnectionError,
            botocore.IncompleteReadError,
            botocore.FlexibleChecksumError,
        ),
    )


def code_of(error: Any) -> str:
    """S3's word for an error, or the HTTP status where there is none."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


@contextlib.contextmanager
def s3_errors(uri: str | os.PathLike[str]) -> Iterator[None]:
    """Turn boto3's errors into one line."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as botocore
    from s3transfer.exceptions import S3DownloadFailedError  # type: ignore[import-untyped]

    try:
        yield
    except S3DownloadFailedError as error:  # between two of its parts
        raise _changed(uri) from error
    except botocore.ClientError as error:
        raise _of_client(uri, error) from error
    except (botocore.NoCredentialsError, botocore.PartialCredentialsError, botocore.ProfileNotFound) as error:
        raise StorageUnavailable(f"{shown(uri)}: no AWS credentials; set AWS_ACCESS_KEY_ID or a profile") from error
    except botocore.NoRegionError as error:
        raise StorageUnavailable(f"{shown(uri)}: no AWS region; set AWS_DEFAULT_REGION") from error
    except botocore.ParamValidationError as error:
        raise LandmarkError(f"{shown(uri)}: no name for S3 ({shown(' '.join(str(error).split()))[:200]})") from error
    except Boto3Error as error:
        inner = error.__cause__ or error.__context__
        if isinstance(inner, botocore.ClientError):
            raise _of_client(uri, inner) from error
        raise _unreachable(uri, error) from error
    except botocore.BotoCoreError as error:
        raise _unreachable(uri, error) from error
    except ValueError as error:
        if "endpoint" not in str(error).lower():
            raise
        raise StorageUnavailable(f"{shown(uri)}: {shown(str(error))}; check AWS_ENDPOINT_URL") from error


def _of_client(uri: str | os.PathLike[str], error: Any) -> LandmarkError:
    code = code_of(error)
    if code in ("NoSuchKey", "404", "NotFound"):
        return NoSuchObject(f"{shown(uri)}: no such object in S3")
    if code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
        return _changed(uri)
    if code == "NoSuchBucket":
        return StorageUnavailable(f"{shown(uri)}: no such bucket in S3")
    return StorageUnavailable(
        f"{shown(uri)}: S3 refused ({shown(code)}); {_MENDS.get(code, 'check the AWS credentials and permissions')}"
    )


def _changed(uri: str | os.PathLike[str]) -> Changed:
    return Changed(f"{shown(uri)}: somebody else changed it in S3 meanwhile; run again")


def _unreachable(uri: str | os.PathLike[str], error: Exception) -> StorageUnavailable:
    return StorageUnavailable(f"{shown(uri)}: S3 cannot be reached ({shown(str(error))[:300]}); check AWS_ENDPOINT_URL")
