"""Health check of a container: exit status 0 where the URL (argument, else LANDMARK_HEALTH_URL) answers with 200."""

import os
import sys
import urllib.error
import urllib.request


def main(url: str) -> int:
    """0 where it answers with 200, else 1 and one line that says why."""
    # Not through a proxy: it is this container.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            if answer.status == 200:
                return 0
            print(f"{url}: status {answer.status}", file=sys.stderr)
    except (urllib.error.URLError, OSError) as error:
        print(f"{url}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else os.environ["LANDMARK_HEALTH_URL"]))
