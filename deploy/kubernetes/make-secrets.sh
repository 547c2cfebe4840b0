#!/bin/sh
# Prints the secrets of secrets.example.yaml with random passwords. The keys of the upstreams come from the environment:
#   POLLINATIONS_API_TOKEN=sk_… DEEPSEEK_API_KEY=sk-… deploy/kubernetes/make-secrets.sh t2i | kubectl apply -f -
# Run it once per namespace: new passwords end all sessions and require a restart of NATS.
set -eu
namespace=${1:?usage: make-secrets.sh NAMESPACE}
: "${POLLINATIONS_API_TOKEN:?is not set}" "${DEEPSEEK_API_KEY:?is not set}"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
api=$(random) worker=$(random) metrics=$(random)
cat <<YAML
apiVersion: v1
kind: Secret
metadata: {name: t2i-nats, namespace: "$namespace"}
stringData:
  api_password: "$api"
  worker_password: "$worker"
  route_password: "$(random)"
---
apiVersion: v1
kind: Secret
metadata: {name: t2i-api, namespace: "$namespace"}
stringData:
  nats_url: "nats://api:$api@nats:4222"
  jwt_secret: "$(random)"
  admin_key: "$(random)"
  health_check_token: "$(random)"
  metrics_token: "$metrics"
---
apiVersion: v1
kind: Secret
metadata: {name: t2i-worker, namespace: "$namespace"}
stringData:
  nats_url: "nats://worker:$worker@nats:4222"
  pollinations_api_token: "$POLLINATIONS_API_TOKEN"
  deepseek_api_key: "$DEEPSEEK_API_KEY"
  metrics_token: "$metrics"
YAML
