#!/bin/sh
# Start the full set of servers without containers: infra/local/start.sh [DATA-FOLDER]
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
data=${1:-${LANDMARK_LOCAL:-$here/.landmark/local}}
command=$(command -v landmark || echo "$here/.venv/bin/landmark")
exec "$command" up --full --background --home "$data"
