#!/usr/bin/env bash
# Checks api/openapi.yaml: two linters, changes that break clients of the previous release, and that what common generators make
# of it compiles and accepts the smallest requests. make contract installs the tools on PATH and calls it.
set -euo pipefail
cd "$(dirname "$0")/../.."
contract=$PWD/api/openapi.yaml checks=$PWD/deploy/contract
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true

echo "redocly, spectral"
redocly lint --config "$checks/redocly.yaml" "$contract" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
spectral lint --quiet --fail-severity warn --ruleset "$checks/spectral.yaml" "$contract"

before=$(cat deploy/release-before)
echo "oasdiff with $before"
git show "$before:api/openapi.yaml" >"$work/before.yaml"
oasdiff breaking --format singleline "$work/before.yaml" "$contract" >"$work/changes"
grep -v -e '^#' -e '^$' "$checks/breaking.txt" >"$work/allowed"
if grep -E '^(error|warning) ' "$work/changes" | grep -vE -f "$work/allowed"; then
  echo "These changes break clients of the previous release; deploy/contract/breaking.txt lists deliberate ones." >&2
  exit 1
fi

echo "openapi-typescript, @hey-api/openapi-ts"
openapi-typescript "$contract" -o "$work/openapi-typescript.ts" >"$work/log" || { cat "$work/log"; exit 1; }
openapi-ts -i "$contract" -o "$work/hey" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cp "$checks"/*.ts "$work"
tsc --noEmit --strict --skipLibCheck --target es2022 --lib es2022,dom,dom.iterable --module esnext --moduleResolution bundler "$work"/*.ts

echo "oapi-codegen"
mkdir "$work/api"
cp "$checks/smallest.go.txt" "$work/smallest.go"
oapi-codegen -generate types,client -package api -o "$work/api/api.go" "$contract"
cd "$work"
go mod init example.org/contract 2>/dev/null
go get github.com/oapi-codegen/runtime@v1.9.0 2>/dev/null
go build -o "$work/smallest" .
