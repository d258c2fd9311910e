"""Back-up of a bucket: `save BUCKET > FILE.tar` and `load BUCKET < FILE.tar`; nothing is unpacked on the way.

The server and the key come from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY). Only what is
current is saved, not old versions. Loading overwrites what has the same key and deletes nothing.
"""

import sys
import tarfile
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Stream:
    """A file of a tar that is read from a pipe; boto3 would ask the file itself whether it seeks, and it does not know."""

    def __init__(self, body: IO[bytes]) -> None:
        self.read = body.read


def save(client: Any, bucket: str, stream: IO[bytes]) -> int:
    """Write every object of a bucket into a tar; the number of objects."""
    count = 0
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", []):
                try:
                    answer = client.get_object(Bucket=bucket, Key=item["Key"])
                except client.exceptions.NoSuchKey:
                    continue  # deleted since the page was listed
                member = tarfile.TarInfo(item["Key"])
                member.size, member.mtime = answer["ContentLength"], int(answer["LastModified"].timestamp())
                tar.addfile(member, answer["Body"])
                count += 1
    return count


def load(client: Any, bucket: str, stream: IO[bytes]) -> int:
    """Put every file of a tar into a bucket; the number of objects."""
    count = 0
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            body = tar.extractfile(member)
            if body is not None:
                client.upload_fileobj(Stream(body), bucket, member.name)
                count += 1
    return count


def main(arguments: list[str]) -> int:
    """0 done, 1 the server refused or the file is damaged, 2 the command is wrong."""
    if len(arguments) != 2 or arguments[0] not in {"save", "load"}:
        print("bucket_tar.py save BUCKET > FILE.tar, or load BUCKET < FILE.tar", file=sys.stderr)
        return 2
    what, bucket = arguments
    client = boto3.client("s3", config=Config(signature_version="s3v4", retries={"max_attempts": 5, "mode": "standard"}))
    try:
        count = save(client, bucket, sys.stdout.buffer) if what == "save" else load(client, bucket, sys.stdin.buffer)
    except (ClientError, BotoCoreError, tarfile.TarError, OSError) as error:
        print(f"bucket {bucket}: {error}", file=sys.stderr)
        return 1
    print(f"bucket {bucket}: {count} objects", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
