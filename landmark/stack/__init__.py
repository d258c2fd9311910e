"""Supervised servers of one home folder: Prefect, MLflow, and for the full profile Postgres and S3, on loopback."""
