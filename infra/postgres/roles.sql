-- One role a service, each the owner of its own databases and of nothing else. May be run again at any time: it makes
-- what is missing and sets the passwords to those of the environment, which is how they are rotated. Run by an
-- administrator: a superuser, or one that may only make roles and databases, as managed servers have it.
\set ON_ERROR_STOP on
-- A statement that fails is not to be written to the server's log with the password in it; only a superuser can see to that.
SELECT current_setting('is_superuser')::boolean AS superuser \gset
\if :superuser
SET log_min_error_statement = panic;
SET log_statement = none;
\endif
SET password_encryption = 'scram-sha-256';
\getenv prefect_password PREFECT_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM (VALUES ('prefect'), ('mlflow')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) \gexec

ALTER ROLE prefect CONNECTION LIMIT 60 PASSWORD :'prefect_password';
ALTER ROLE mlflow CONNECTION LIMIT 60 PASSWORD :'mlflow_password';

-- Who is no superuser can only give a database to a role that it may act as.
\if :superuser
\else
GRANT prefect, mlflow TO CURRENT_USER;
\endif

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES ('prefect', 'prefect'), ('mlflow', 'mlflow'), ('mlflow_auth', 'mlflow')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = wanted.name) \gexec

REVOKE ALL ON DATABASE prefect, mlflow, mlflow_auth FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE prefect TO prefect;
GRANT CONNECT, TEMPORARY ON DATABASE mlflow, mlflow_auth TO mlflow;
\if :superuser
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
\endif

-- Prefect's migrations want it; it is trusted, so that the database's owner can make it.
\connect prefect
SET client_min_messages = warning;
SET ROLE prefect;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
