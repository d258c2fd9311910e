"""A child forked from a process that has Prefect's services ends well."""

import subprocess
import sys

import pytest

from tests.test_cli import ROOT

CODE = """
import multiprocessing, sys, threading
if sys.argv[1] == "with":
    import flows.tasks  # as every flow does
if __name__ == "__main__":
    from prefect._internal.concurrency.services import QueueService

    class Quiet(QueueService):
        async def _handle(self, item):
            pass

    Quiet.instance().send(1)  # as the first log line of a flow does
    child = multiprocessing.get_context("fork").Process(target=print, args=("done",))
    child.start()
    child.join()
    print("status", child.exitcode)
"""


@pytest.mark.parametrize(("how", "status"), [("with", 0), ("without", 1)])
def test_a_forked_child_ends_well(how: str, status: int) -> None:
    """`without` shows that the mend is still needed."""
    done = subprocess.run([sys.executable, "-c", CODE, how], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["done", f"status {status}"], done.stderr
