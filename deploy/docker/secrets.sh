#!/bin/sh
# Generates the missing secrets of the Compose installation, one file each, readable only by its user. Existing files are
# kept, so it can run at every start; to change a secret, delete its file and restart.
set -eu
umask 077
root=${1:-/secrets}

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# secret FILE: creates a file with a random value unless it exists.
secret() {
  [ -s "$root/$1" ] && return
  random > "$root/$1.new"
  mv "$root/$1.new" "$root/$1"
}

mkdir -p "$root/nats" "$root/app" "$root/prometheus" "$root/grafana"
for name in jwt_secret admin_key health_check_token metrics_token; do secret "app/$name"; done
for role in api worker; do secret "app/nats_${role}_password"; done
secret grafana/admin_password

for role in api worker; do
  printf 'nats://%s:%s@%s:4222' "$role" "$(cat "$root/app/nats_${role}_password")" "${NATS_HOST:-nats}" > "$root/app/nats_${role}_url"
done
printf 'NATS_API_PASSWORD: "%s"\nNATS_WORKER_PASSWORD: "%s"\n' \
  "$(cat "$root/app/nats_api_password")" "$(cat "$root/app/nats_worker_password")" > "$root/nats/passwords.conf"
cp "$root/app/metrics_token" "$root/prometheus/metrics_token"

# The users in the images: ours, Prometheus's and Grafana's. The NATS image runs as the one that Compose names.
chown -R "${APP_UID:-65532}" "$root/app"
chown -R "${NATS_UID:-65532}" "$root/nats"
[ ! -d /own/nats ] || chown "${NATS_UID:-65532}" /own/nats
chown -R "${PROMETHEUS_UID:-65534}" "$root/prometheus"
chown -R "${GRAFANA_UID:-472}" "$root/grafana"
