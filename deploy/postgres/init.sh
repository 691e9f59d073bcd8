#!/bin/sh
# Run once by the PostgreSQL image, when its data are laid out: a database for each service that has one, of its own user.
set -eu
for service in notifier intake; do
  password=$(cat "${SECRETS_DIR:-/run/secrets}/$service")
  psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set=name="$service" --set=password="$password" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
