#!/usr/bin/env bash
# Back up the running compose stack into FOLDER/TIME: the databases first, then the buckets, so that every artefact that a
# database speaks of is in the bucket's copy. What is not whole has a name that ends in .part. Then all but the last COUNT (14)
# back-ups go, by their names, whatever the clock says today. For cron:
#
#   infra/backup.sh /srv/backups/landmark [COUNT]
set -euo pipefail
umask 077

keep="${2:-14}"
if [ $# -lt 1 ] || [ $# -gt 2 ] || ! [[ "$keep" =~ ^[1-9][0-9]*$ ]]; then
  echo "infra/backup.sh FOLDER [COUNT]: COUNT is how many back-ups are kept, 1 or more" >&2
  exit 2
fi
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
exec 9> "$folder/.lock"
if ! flock --nonblock 9; then
  echo "infra/backup.sh: another back-up into $folder goes on; wait for it" >&2
  exit 1
fi
cd "$(dirname "$0")"
into="$folder/$(date -u +%Y%m%dT%H%M%SZ)"
while [ -e "$into" ]; do
  sleep 1
  into="$folder/$(date -u +%Y%m%dT%H%M%SZ)"
done
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

# Only now, with a whole one more: what failed on the way leaves all that there was, but for other failed ones.
stamp='[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z'
find "$folder" -mindepth 1 -maxdepth 1 -type d -name "$stamp.part" -exec rm -rf {} +
find "$folder" -mindepth 1 -maxdepth 1 -type d -name "$stamp" ! -path "$into" | LC_ALL=C sort --reverse | tail -n "+$keep" |
  while IFS= read -r old; do rm -rf "$old"; done
echo "$into"
