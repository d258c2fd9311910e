"""Known vulnerabilities in what constraints.txt pins: `make audit`.

Asks the advisories of PyPI, and OSV's where PyPI cannot be asked. pip-audit calls a package that its source does not know
"skipped" and then says that all is well; here what was not looked up counts as not audited.

Exit status: 0 every package was looked up and none has a known vulnerability; 1 some have; 3 not audited, wholly or in part.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

VULNERABLE, NOT_AUDITED = 1, 3
ROOT = Path(__file__).resolve().parent.parent
SECONDS = 900


def ask(source: list[str], constraints: Path) -> list[dict[str, Any]] | None:
    """What pip-audit found for each package; None where the source did not answer.

    Args:
        source: pip-audit's options that name the source.
        constraints: lines of NAME==VERSION.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(constraints), "--no-deps", "--disable-pip", *source]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    looked_up = [package for package in found if "vulns" in package]
    return found if looked_up else None


def report(source: str, found: list[dict[str, Any]]) -> int:
    """Print what was found; the exit status."""
    vulnerable = [package for package in found if package.get("vulns")]
    skipped = [package["name"] for package in found if "vulns" not in package]
    for package in vulnerable:
        for vulnerability in package["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            print(f"{package['name']} {package['version']}: {vulnerability['id']} (mended in {fixed})")
    looked_up = len(found) - len(skipped)
    print(f"{source}: {looked_up} of {len(found)} packages looked up, {len(vulnerable)} with known vulnerabilities")
    if skipped:
        print(f"not audited: {', '.join(skipped)}", file=sys.stderr)
    if vulnerable:
        return VULNERABLE
    return NOT_AUDITED if skipped else 0


def main(arguments: list[str]) -> int:
    """Ask one source after the other until one answers; the exit status."""
    parser = argparse.ArgumentParser(description="Known vulnerabilities in what constraints.txt pins.")
    parser.add_argument("constraints", nargs="?", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--osv-url", help="address of an OSV service of your own; it is then the only source that is asked")
    chosen = parser.parse_args(arguments)
    sources = {"PyPI": ["--vulnerability-service", "pypi"], "OSV": ["--vulnerability-service", "osv"]}
    if chosen.osv_url:
        sources = {chosen.osv_url: ["--vulnerability-service", "osv", "--osv-url", chosen.osv_url]}
    for source, options in sources.items():
        found = ask(options, chosen.constraints)
        if found is not None:
            return report(source, found)
    print(f"not audited: no advisory source reached ({', '.join(sources)})", file=sys.stderr)
    return NOT_AUDITED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
