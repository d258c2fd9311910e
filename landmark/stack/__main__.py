"""What `landmark up` starts: `python -m landmark.stack supervise|keep HOME PROFILE [OWNER]`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from landmark.errors import LandmarkError


def main(role: str, home: Path, profile: str, owner: int | None = None) -> int:
    """Supervise the servers of a home, or watch over the one who does.

    Returns:
        exit status.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")
    try:
        if role == "keep":
            from landmark.stack.keeper import Keeper

            keeper = Keeper(home, profile)
            keeper.start()
            keeper.keep(owner)
        else:
            from landmark.stack.profiles import services
            from landmark.stack.supervisor import Supervisor, only_one

            with only_one(home):
                Supervisor(home, profile, services(home, profile)).run()
    except LandmarkError as error:
        print(f"landmark: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], *(int(pid) for pid in sys.argv[4:5])))
