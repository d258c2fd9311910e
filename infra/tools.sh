#!/usr/bin/env bash
# Programs that tests compare with: exiftool and exiv2 read our sidecars, Chromium opens our pages. Installed where that is
# possible (Debian and its kin, as root); where it isn't, the tests that need one say so and are skipped.
set -euo pipefail
declare -A packages=([exiftool]=libimage-exiftool-perl [exiv2]=exiv2 [chromium]=chromium)
missing=()
for program in "${!packages[@]}"; do
    command -v "$program" > /dev/null || missing+=("${packages[$program]}")
done
((${#missing[@]})) || exit 0
if [[ $(id -u) == 0 ]] && command -v apt-get > /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq --no-install-recommends "${missing[@]}"; } > /dev/null ||
        echo "could not be installed: ${missing[*]}; tests that need them are skipped" >&2
else
    echo "not installed: ${missing[*]}; tests that need them are skipped (apt-get install ${missing[*]})" >&2
fi
