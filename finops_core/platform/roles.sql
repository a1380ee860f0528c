-- The two roles of a desk in PostgreSQL, and its database; run once by psql as the superuser, on an empty server.
--
-- tieout_owner owns the tables and migrates. tieout_app is what web and worker come as: it owns nothing, so it can neither
-- switch off the triggers that keep the audit log as it was written, nor change or delete a line of it.
-- The passwords come from the environment: POSTGRES_PASSWORD the owner's, DATABASE_PASSWORD the application's.
\getenv owner_password POSTGRES_PASSWORD
\getenv app_password DATABASE_PASSWORD

CREATE ROLE tieout_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE tieout_app LOGIN PASSWORD :'app_password';

CREATE DATABASE tieout OWNER tieout_owner;
REVOKE ALL ON DATABASE tieout FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE tieout TO tieout_app;

\connect tieout
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO tieout_app;
-- Every table to come; each migration takes UPDATE, DELETE and TRUNCATE on the append-only ones back from everybody.
ALTER DEFAULT PRIVILEGES FOR ROLE tieout_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tieout_app;
ALTER DEFAULT PRIVILEGES FOR ROLE tieout_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO tieout_app;
