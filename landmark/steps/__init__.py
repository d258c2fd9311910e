"""The steps of a run as plain functions: no Prefect, no MLflow, no arithmetic; those live elsewhere in the package."""
