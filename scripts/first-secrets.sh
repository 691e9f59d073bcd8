#!/usr/bin/env bash
# Makes every secret that docker-compose.yml needs and that is ours to make, into deploy/secrets; what is there already is
# kept. Those of others (Twilio, GOV.UK Notify, mail, sign-in) you put beside them, one file each, named like its variable:
# deploy/secrets/notifier/TWILIO_AUTH_TOKEN. See docs/how-to/run-with-compose.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
secrets=${1:-deploy/secrets}

# Only who may enter this folder may read what is in it. The files themselves can be read by any user: each container gets
# those that are its own, and runs as a user of its own.
mkdir -p "$secrets" && chmod 0700 "$secrets"

new() { [ -e "$secrets/$1" ] || { mkdir -p "$(dirname "$secrets/$1")"; openssl rand -hex 24 > "$secrets/$1"; say "$1"; }; }
copy() { install -D -m 0444 "$secrets/$1" "$secrets/$2"; }
say() { echo "first-secrets: $secrets/$1" >&2; }

scripts/secure-kafka.sh "$secrets/kafka" kafka localhost
mkdir -p "$secrets/keys" "$secrets/labels" "$secrets/alertmanager"
for file in kafka.pem ca.pem; do copy "kafka/$file" "kafka/broker/$file"; done
for file in kafka-admin.pem ca.pem; do copy "kafka/$file" "administrator/$file"; done
for file in "$secrets"/kafka/passwords/*; do copy "kafka/passwords/${file##*/}" "administrator/passwords/${file##*/}"; done
for service in contact-monitor notifier intake board operator; do
  copy kafka/ca.pem "$service/ca.pem"
  copy "kafka/passwords/$service" "$service/KAFKA_SASL_PASSWORD"
done

new grafana/admin
new postgres/postgres
for service in notifier intake; do
  new "postgres/$service"
  url=$secrets/$service/${service^^}_DATABASE_URL
  [ -e "$url" ] || echo "postgresql+psycopg://$service:$(cat "$secrets/postgres/$service")@postgres/$service" > "$url"
done
copy intake/INTAKE_DATABASE_URL operator/INTAKE_DATABASE_URL   # for erasing and API keys

[ -e "$secrets/alertmanager/operators_webhook" ] ||
  echo "first-secrets: $secrets/alertmanager/operators_webhook is missing: until it holds an address, nobody is paged" >&2

find "$secrets" -mindepth 1 -type d -exec chmod 0755 {} +
find "$secrets" -type f -exec chmod 0444 {} +
chmod 0400 "$secrets/kafka/ca.key"
