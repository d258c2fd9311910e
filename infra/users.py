"""Give MLflow's worker an account of its own, and set passwords to those of the environment. May be run again at any time.

Environment: MLFLOW_TRACKING_URI; MLFLOW_AUTH_ADMIN_USERNAME and MLFLOW_AUTH_ADMIN_PASSWORD; MLFLOW_ADMIN_OLD_PASSWORD where
the administrator's password is being changed; MLFLOW_WORKER_USERNAME and MLFLOW_WORKER_PASSWORD.
"""

import os
import sys
from typing import Any


def log_in(name: str, password: str) -> Any:
    """A client that acts as this user.

    Raises:
        MlflowException: the server refuses the password, or does not answer.
    """
    from mlflow.server.auth.client import AuthServiceClient

    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = name, password
    client = AuthServiceClient(os.environ["MLFLOW_TRACKING_URI"])
    client.get_user(name)
    return client


def administrator() -> Any:
    """A client that acts as administrator, whose password has been changed if the old one was given."""
    from mlflow.exceptions import MlflowException

    name, password = os.environ["MLFLOW_AUTH_ADMIN_USERNAME"], os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"]
    try:
        return log_in(name, password)
    except MlflowException:
        old = os.environ.get("MLFLOW_ADMIN_OLD_PASSWORD")
        if not old:
            raise
        log_in(name, old).update_user_password(name, password, current_password=old)
        print(f"user {name}: password changed")
        return log_in(name, password)


def main() -> int:
    """0 done, 1 the server refused."""
    from mlflow.exceptions import MlflowException

    name, password = os.environ["MLFLOW_WORKER_USERNAME"], os.environ["MLFLOW_WORKER_PASSWORD"]
    try:
        client = administrator()
        try:
            client.create_user(name, password)
            print(f"user {name}: made")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            client.update_user_password(name, password)
            print(f"user {name}: there, password as in the environment")
        log_in(name, password)
    except MlflowException as error:
        print(f"MLflow at {os.environ['MLFLOW_TRACKING_URI']}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
