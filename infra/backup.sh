#!/usr/bin/env bash
# Back up the running compose stack into FOLDER/TIME: the databases first, then the buckets, so that every artefact that a
# database speaks of is in the bucket's copy. What is not whole has a name that ends in .part. For cron:
#
#   infra/backup.sh /srv/backups/landmark
set -euo pipefail
umask 077

if [ $# -ne 1 ]; then
  echo "infra/backup.sh FOLDER" >&2
  exit 2
fi
cd "$(dirname "$0")"
into="$1/$(date -u +%Y%m%dT%H%M%SZ)"
mkdir -p "$into.part"

for database in prefect mlflow mlflow_auth; do
  # shellcheck disable=SC2016 # the container's variable
  docker compose exec -T postgres \
    sh -ec 'PGPASSWORD="$POSTGRES_PASSWORD" exec pg_dump --host=127.0.0.1 --username=postgres --format=custom "$1"' sh "$database" \
    > "$into.part/$database.dump"
done
for bucket in landmark-mlflow landmark; do
  docker compose run --rm -T --no-deps s3-buckets python /opt/landmark/bucket_tar.py save "$bucket" > "$into.part/$bucket.tar"
done
(cd "$into.part" && sha256sum ./* > SHA256SUMS)
mv "$into.part" "$into"
echo "$into"
