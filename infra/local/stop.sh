#!/bin/sh
# Stop what infra/local/start.sh started: infra/local/stop.sh [DATA-FOLDER]
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
data=${1:-${LANDMARK_LOCAL:-$here/.landmark/local}}
command=$(command -v landmark || echo "$here/.venv/bin/landmark")
exec "$command" down --home "$data"
