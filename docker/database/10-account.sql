-- Run once by the database's image, by its administrator, when the cluster is made.
-- The cloud's account owns its database and nothing else; it is no superuser.
\set password `head -n 1 /run/secrets/database_password`
CREATE ROLE stationmaster LOGIN PASSWORD :'password';
ALTER DATABASE stationmaster OWNER TO stationmaster;
ALTER SCHEMA public OWNER TO stationmaster;
REVOKE CONNECT, TEMPORARY ON DATABASE stationmaster FROM PUBLIC;
