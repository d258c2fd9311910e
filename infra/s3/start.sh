#!/bin/sh
# Start SeaweedFS's S3 server with three identities: the administrator's (set-up and back-up), MLflow's and the worker's,
# each of which reaches its own bucket alone (where "Write" also lets it change settings). The keys come from the environment
# and go into a file in memory.
set -eu

key() {
  value=$(printenv "$1" || true)
  case "$value" in
    '') echo "$1 is not set: see env.example" >&2; exit 2 ;;
    *[!A-Za-z0-9/+=_.-]*) echo "$1: letters, digits and / + = _ . - only" >&2; exit 2 ;;
  esac
  printf '%s' "$value"
}

identity() {
  access=$(key "$2")
  secret=$(key "$3")
  printf '{"name": "%s", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": [%s]}' "$1" "$access" "$secret" "$4"
}

bucket() {
  printf '"Read:%s", "Write:%s", "List:%s", "Tagging:%s"' "$1" "$1" "$1" "$1"
}

umask 077
config="${S3_CONFIG_FILE:-/run/landmark/s3.json}"
admin=$(identity admin S3_ADMIN_ACCESS_KEY S3_ADMIN_SECRET_KEY '"Admin"')
mlflow=$(identity mlflow MLFLOW_S3_ACCESS_KEY MLFLOW_S3_SECRET_KEY "$(bucket "$(key MLFLOW_BUCKET)")")
worker=$(identity worker WORKER_S3_ACCESS_KEY WORKER_S3_SECRET_KEY "$(bucket "$(key DATA_BUCKET)")")
printf '{"identities": [%s, %s, %s]}\n' "$admin" "$mlflow" "$worker" > "$config"
unset S3_ADMIN_ACCESS_KEY S3_ADMIN_SECRET_KEY MLFLOW_S3_ACCESS_KEY MLFLOW_S3_SECRET_KEY WORKER_S3_ACCESS_KEY WORKER_S3_SECRET_KEY

# Master, volume server and filer ask for no key: they listen to this container alone.
exec weed server \
  -dir="${S3_DIR:-/data}" \
  -ip=127.0.0.1 -ip.bind=127.0.0.1 \
  -master.volumeSizeLimitMB=1024 -volume.max=0 \
  -s3 -s3.ip.bind="${S3_BIND:-0.0.0.0}" -s3.port="${S3_PORT:-8333}" \
  -s3.config="$config" -s3.iam=false -s3.autoCreateBucket=false -s3.port.iceberg=0 -s3.port.lance=0 "$@"
