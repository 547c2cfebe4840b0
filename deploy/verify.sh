#!/bin/sh
# Verifies a release from outside, as a client and Prometheus would: health, the synchronous image route, a rejected request, a job
# with its event stream and its image, the page, and metrics. It needs sh, curl and base64.
#
#   usage: deploy/verify.sh [API_URL]
#
#   API_URL             URL of the API; http://127.0.0.1:8080 if empty
#   HEALTH_CHECK_TOKEN  token of /internal/health
#   API_TOKEN           a member's token: without it two images count against the quota of this address
#   METRICS_URL         URLs of /metrics, separated by spaces; skipped if empty
#   METRICS_TOKEN       token of the metrics
#   EXPECT_VERSION      version that the API must report; skipped if empty
#   TIMEOUT_SECONDS     how long one image may take; 180 if empty
#
# Prints one line for each check. Exit status: 0 all passed, 1 a check failed, 2 usage.
set -u

case "${1:-}" in
-*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ $# -le 1 ] || { echo "usage: verify.sh [API_URL]" >&2; exit 2; }
url=${1:-${API_URL:-http://127.0.0.1:8080}}
url=${url%/}
timeout=${TIMEOUT_SECONDS:-180}
command -v curl >/dev/null || { echo "verify.sh needs curl" >&2; exit 2; }

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

pass() { echo "ok    $*"; }
skip() { echo "skip  $*"; }
fail() {
  echo "FAIL  $*"
  failed=1
}

# header NAME VALUE: adds a header to those of the next requests. Secrets go through a file: arguments are visible to ps.
header() { printf 'header = "%s: %s"\n' "$1" "$2"; }
: > "$tmp/none"
umask 077
header Authorization "Bearer ${HEALTH_CHECK_TOKEN:-}" > "$tmp/health"
header Authorization "Bearer ${METRICS_TOKEN:-}" > "$tmp/metrics"
if [ -n "${API_TOKEN:-}" ]; then header Authorization "Bearer $API_TOKEN" > "$tmp/caller"; else : > "$tmp/caller"; fi

# request AUTH ARGUMENT...: sets $status, and leaves the body in $tmp/body and the response headers in $tmp/headers.
request() {
  auth=$1
  shift
  : > "$tmp/body"
  status=$(curl -s -K "$tmp/$auth" --max-time "$timeout" -D "$tmp/headers" -o "$tmp/body" -w '%{http_code}' "$@") || status=${status:-000}
}
json() { request caller -H 'Content-Type: application/json' "$@"; }

# member NAME: the value of a string in the body, the first of that name.
member() { sed 's/.*"'"$1"'":"\([^"]*\)".*/\1/;t;d' "$tmp/body" | head -n 1; }

# is_image FILE: JPEG, PNG and WebP by their first bytes.
is_image() {
  case $(od -An -tx1 -N4 "$1" | tr -d ' \n') in
  ffd8ff* | 89504e47 | 52494646) return 0 ;;
  esac
  return 1
}

# explain: what an error response says, for the operator.
explain() { head -c 300 "$tmp/body" | tr '\n' ' '; }

echo "Verifying $url"

# 1. Health
request none "$url/livez"
[ "$status" = 200 ] && pass "GET /livez: the process serves" || fail "GET /livez: status $status"
request none "$url/readyz"
[ "$status" = 200 ] && pass "GET /readyz: submissions are accepted" || fail "GET /readyz: status $status: $(explain)"
request health "$url/internal/health"
case $status in
200) pass "GET /internal/health: $(member status | head -c 20)" ;;
401) fail "GET /internal/health: status 401: set HEALTH_CHECK_TOKEN to the token that the API has" ;;
503)
  fail "GET /internal/health: status 503; checks that are not ok:"
  tr '{' '\n' < "$tmp/body" | sed 's/.*"name":"\([^"]*\)","status":"\([^"]*\)".*/        \1: \2/;t;d' | grep -v -e ': ok$' -e ': off$'
  ;;
*) fail "GET /internal/health: status $status: $(explain)" ;;
esac
if [ -n "${EXPECT_VERSION:-}" ]; then
  version=$(sed 's/.*"version":{\{0,1\}[^}]*"version":"\([^"]*\)".*/\1/;t;s/.*"version":"\([^"]*\)".*/\1/;t;d' "$tmp/body" | head -n 1)
  [ "$version" = "$EXPECT_VERSION" ] && pass "version $version" || fail "version is ${version:-not reported}, want $EXPECT_VERSION"
else
  skip "version: EXPECT_VERSION is not set"
fi
if [ -n "${HEALTH_CHECK_TOKEN:-}" ]; then
  request none "$url/internal/health"
  [ "$status" = 401 ] && pass "GET /internal/health without the token: 401" || fail "GET /internal/health without the token: status $status, want 401"
else
  skip "health check without token: HEALTH_CHECK_TOKEN is not set"
fi

# 2. The synchronous route
json "$url/api/generate" -d '{"text":"a lighthouse at dawn","type":"image","width":256,"height":256}'
case $status in
200)
  member data | base64 -d > "$tmp/image" 2>/dev/null
  if is_image "$tmp/image"; then
    pass "POST /api/generate: an image of $(wc -c < "$tmp/image" | tr -d ' ') bytes"
  else
    fail "POST /api/generate: status 200, but no image in the response"
  fi
  ;;
402 | 429) fail "POST /api/generate: status $status: the quota of this address is used up; set API_TOKEN, or try again later" ;;
*) fail "POST /api/generate: status $status: $(explain)" ;;
esac
json "$url/api/generate" -d '{"type":"image"}'
[ "$status" = 400 ] && pass "POST /api/generate without text: 400" || fail "POST /api/generate without text: status $status, want 400"

# 3. A job, its events and its image
json "$url/api/jobs" -H "Idempotency-Key: verify-$$-$(date +%s)" \
  -d '{"kind":"image","input":{"prompt":"a lighthouse at dusk","width":256,"height":256}}'
if [ "$status" = 202 ]; then
  self=$(member self)
  pass "POST /api/jobs: accepted as $(member id)"
  curl -sN -K "$tmp/caller" --max-time "$timeout" "$url$self/events" > "$tmp/events" 2>/dev/null
  if grep -q '"status":"succeeded"' "$tmp/events"; then
    pass "GET $self/events: succeeded"
  else
    fail "GET $self/events: the stream ended without success: $(grep '^data:' "$tmp/events" | tail -n 1 | head -c 300)"
  fi
  json "$url$self"
  media=$(sed 's/.*"media":\[{[^]]*"url":"\([^"]*\)".*/\1/;t;d' "$tmp/body")
  if [ -n "$media" ]; then
    request caller "$url$media"
    [ "$status" = 200 ] && is_image "$tmp/body" && pass "GET $media: an image" || fail "GET $media: status $status, or no image"
  else
    fail "GET $self: no media in the response: $(explain)"
  fi
else
  fail "POST /api/jobs: status $status: $(explain)"
fi
json "$url/api/jobs" -d '{"kind":"no-such-kind","input":{}}'
[ "$status" = 400 ] && pass "POST /api/jobs of an unknown kind: 400" || fail "POST /api/jobs of an unknown kind: status $status, want 400"

# 4. The page
request none "$url/"
[ "$status" = 200 ] && grep -qi '<!doctype html' "$tmp/body" && pass "GET /: the page" || fail "GET /: status $status, or no page"

# 5. Metrics
if [ -n "${METRICS_URL:-}" ]; then
  for target in $METRICS_URL; do
    request metrics "$target"
    if [ "$status" = 200 ] && grep -q '^text2image_build_info' "$tmp/body"; then
      pass "GET $target: $(sed -n 's/^text2image_build_info.*version="\([^"]*\)".*/version \1/p' "$tmp/body")"
    else
      fail "GET $target: status $status, or no metrics"
    fi
  done
else
  skip "metrics: METRICS_URL is not set"
fi

[ "$failed" = 0 ] && echo "Verified." || echo "Not verified: see FAIL above."
exit "$failed"
