"""Make the buckets and switch their versioning on. May be run again at any time.

The buckets' names are the arguments; the server and the administrator's key come from the environment (AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). Old versions go after KEEP_DAYS days.
"""

import os
import sys
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

THERE = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def main(buckets: list[str]) -> int:
    """0 done, 1 the server refused, 2 no bucket was named."""
    if not buckets:
        print("name the buckets", file=sys.stderr)
        return 2
    client = boto3.client("s3", config=Config(signature_version="s3v4", retries={"max_attempts": 5, "mode": "standard"}))
    days = int(os.environ.get("KEEP_DAYS", "90"))
    for bucket in buckets:
        try:
            make(client, bucket, days)
        except (ClientError, BotoCoreError) as error:
            print(f"bucket {bucket}: {error}", file=sys.stderr)
            return 1
        print(f"bucket {bucket}: there, versioned, old versions kept {days} days", flush=True)
    return 0


def make(client: Any, bucket: str, days: int) -> None:
    """Make one bucket, if it is not there."""
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in THERE:
            raise
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "old-versions",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    deadline = time.monotonic() + 30
    while client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        if time.monotonic() > deadline:
            raise ClientError({"Error": {"Code": "Timeout", "Message": "versioning is not on"}}, "GetBucketVersioning")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
