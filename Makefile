# Targets for developers and CI. `make` lists them.

MODULE   := github.com/text2image-audio/text2image-audio
FUZZTIME ?= 20s

# The chaos tests: seed 0 picks a random one; nodes are 1 or 3, or 0 for power cuts under the embedded NATS.
SEED     ?= 0
DURATION ?= 2m
NODES    ?= 1
JOBS     ?= 1000

# How often make bench measures everything; it reports the medians.
RUNS     ?= 1

# The linter is built from source at a fixed version, through the module proxy.
LINT_VERSION := v2.15.0
LINT         := .bin/$(LINT_VERSION)/golangci-lint

# Tools that check the files below deploy/ without a container engine or a cluster, built in the same way.
KUSTOMIZE := .bin/kustomize-v5.7.1/kustomize
VALIDATE  := .bin/kubectl-validate-v0.0.4/kubectl-validate
COMPOSE   := .bin/compose-go-v2.16.2/cmd
# The newest schemas bundled with kubectl-validate.
KUBERNETES_VERSION := 1.30

# The platforms of a release, and the tool that lists the modules in its programs.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
SBOM      := .bin/cyclonedx-gomod-v1.10.0/cyclonedx-gomod
ACTIONLINT := .bin/actionlint-v1.7.12/actionlint
VULNCHECK := .bin/govulncheck-v1.9.0/govulncheck

# What checks the contract; deploy/contract/package-lock.json has the versions of the tools that need Node.
OASDIFF      := .bin/oasdiff-v1.37.0/oasdiff
OAPI_CODEGEN := .bin/oapi-codegen-v2.8.2/oapi-codegen
NODE_TOOLS   := .bin/node/node_modules/.bin

# Expanded only where used, so that `make run` does not run git.
VERSION    = $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT     = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BUILD_TIME = $(shell date -u +%Y-%m-%dT%H:%M:%SZ)
STAMP      = $(MODULE)/pkg/telemetry
IMAGE_ARGS = --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg BUILD_TIME=$(BUILD_TIME)
LDFLAGS    = -s -w -X $(STAMP).version=$(VERSION) -X $(STAMP).commit=$(COMMIT) -X $(STAMP).buildTime=$(BUILD_TIME)

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run the whole system on this machine: API, worker, NATS and simulated upstreams
	@trap 'exit 0' INT; go run ./api

.PHONY: build
build: ## Build both programs into bin/, static and stamped with their version
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./api ./worker

# Names, times and order are fixed, so that the same commit gives the same bytes. Needs GNU tar.
.PHONY: dist
dist: COMMIT_TIME = $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
dist: BUILD_TIME = $(COMMIT_TIME)
dist: $(SBOM) ## Build a release into dist/: archives of the programs for all platforms, SBOM and checksums
	rm -rf dist && mkdir dist
	@for platform in $(PLATFORMS); do \
		name=text2image-audio_$(VERSION)_$$(echo $$platform | tr / _) && echo $$name && mkdir dist/$$name && \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0 \
			go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS) -buildid=' -o dist/$$name/ ./api ./worker && \
		cp -r LICENSE README.md README.zh-CN.md CHANGELOG.md deploy/systemd deploy/verify.sh deploy/third-party.md dist/$$name/ && \
		tar -C dist --sort=name --mtime='$(COMMIT_TIME)' --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
			-cf - $$name | gzip -n >dist/$$name.tar.gz && rm -r dist/$$name || exit 1; \
	done
	@for program in api worker; do \
		$(SBOM) app -json -licenses -noserial -output dist/$$program.cdx.json -main $$program . || exit 1; \
	done
	cd dist && sha256sum -- *.tar.gz *.cdx.json >SHA256SUMS

.PHONY: image
image: ## Build both container images (needs Docker with BuildKit)
	docker buildx build --load -f deploy/docker/Dockerfile --target api -t text2image-audio:local $(IMAGE_ARGS) .
	docker buildx build --load -f deploy/docker/Dockerfile --target worker -t text2image-audio-worker:local $(IMAGE_ARGS) .

.PHONY: vulnerabilities
vulnerabilities: $(VULNCHECK) ## Look for known vulnerabilities in reachable code (needs vuln.go.dev)
	$(VULNCHECK) ./...

# Libraries of pure functions over pixels, samples, texts and hashes, which take up to eight times as long under the race detector.
# It still watches everything that has goroutines.
FIPS := crypto/internal/fips140
PURE := image/... golang.org/x/image/... compress/... regexp/... github.com/andybalholm/brotli/... \
	github.com/hajimehoshi/go-mp3/... github.com/mewkiz/flac/... github.com/icza/bitio/... \
	crypto/pbkdf2 crypto/hmac $(FIPS)/pbkdf2 $(FIPS)/hmac $(FIPS)/sha256 $(FIPS)/sha512 \
	./worker/upstream/timestretch

# The tests spend a seventh of their CPU time less with fewer garbage collections. Each of the test binaries would sleep for a
# second when it ends, for races of goroutines that still run: the tests of most packages fail if one does. Packages are tested in
# the order of their names, two at a time on two cores: worker/processor, which takes long, is named first so as not to run alone at the end.
# Their files are in a directory that is removed at the end, even if the tests are interrupted. An ext4 without a journal takes longer to
# create a file the more it has deleted nearby in the last minutes, a seventh of the CPU time of all tests; with the attribute T it spreads
# the directories of the tests over the disk.
.PHONY: test
test: ## Run all tests in random order under the race detector
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && trap 'exit 130' INT TERM && { chattr +T "$$dir" 2>/dev/null || true; } && \
	TMPDIR="$$dir" GOGC=400 GORACE=atexit_sleep_ms=100 \
	go test -race $(PURE:%=-gcflags='%=-race=false') -vet=off -shuffle=on -timeout 30m ./worker/processor ./...

.PHONY: compat
compat: ## Run this version and the previous release (deploy/release-before) side by side and on the same data
	go vet -tags compat ./api
	go test -tags compat -run '^TestReleaseBefore$$' -count 1 -timeout 15m ./api

.PHONY: check
check: build vet format test compat chaos-short tidy manifests rules contract lint ## Run all checks of CI, in its order

.PHONY: chaos
chaos: ## Kill, pause and cut the real programs for DURATION (2m) with NODES (1 or 3; 0 cuts the power), and look for lost jobs
	go run ./pkg/chaos -seed '$(SEED)' -duration '$(DURATION)' -nodes '$(NODES)' -jobs '$(JOBS)'

.PHONY: chaos-short
chaos-short: ## The same for some seconds each with one nats-server and with none, with fixed seeds, as in CI
	go run ./pkg/chaos -seed 2 -duration 12s -every 1s -jobs 150
	go run ./pkg/chaos -nodes 0 -seed 2 -duration 6s -every 1s -jobs 100

.PHONY: rolling
rolling: ## Restart the processes one by one behind nginx under load, and look for errors seen by clients (needs nginx)
	go test ./deploy -run TestRollingRestarts -rolling -v -count=1 -timeout 10m

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: format
format: ## Fail and show the difference if gofmt would change a file
	@diff=$$(gofmt -d api worker pkg deploy); test -z "$$diff" || { echo "$$diff"; exit 1; }

.PHONY: tidy
tidy: ## Fail and show the difference if go mod tidy would change go.mod or go.sum
	go mod tidy -diff

.PHONY: lint
lint: $(LINT) ## Run golangci-lint, built into .bin/ if missing
	$(LINT) run

$(LINT):
	GOBIN='$(CURDIR)/.bin/$(LINT_VERSION)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: manifests
manifests: $(KUSTOMIZE) $(VALIDATE) $(COMPOSE) $(ACTIONLINT) ## Check the workflows and docker-compose.yml, and render and validate deploy/kubernetes
	$(ACTIONLINT)
	$(COMPOSE) docker-compose.yml >/dev/null
	@for overlay in staging production canary; do \
		$(KUSTOMIZE) build deploy/kubernetes/overlays/$$overlay >.bin/$$overlay.yaml && \
		$(VALIDATE) --version $(KUBERNETES_VERSION) --local-crds deploy/kubernetes/schemas .bin/$$overlay.yaml || exit 1; \
	done
	@$(VALIDATE) --version $(KUBERNETES_VERSION) deploy/kubernetes/secrets.example.yaml

.PHONY: rules
rules: ## Check and test the alerts of deploy/prometheus, and the dashboard on a real Prometheus (needs Debian's package prometheus)
	promtool check config --syntax-only deploy/prometheus/prometheus.yml
	promtool check rules deploy/prometheus/rules.yml deploy/prometheus/slo.yml
	promtool test rules deploy/prometheus/rules_test.yml deploy/prometheus/slo_test.yml deploy/prometheus/slo_slow_test.yml
	go test ./deploy -run '^TestDashboardHasData$$' -prometheus

.PHONY: contract
contract: $(OASDIFF) $(OAPI_CODEGEN) $(NODE_TOOLS) ## Lint api/openapi.yaml, compare it with the previous release, and compile what is generated from it (needs Node)
	PATH='$(CURDIR)/$(NODE_TOOLS):$(CURDIR)/$(dir $(OASDIFF)):$(CURDIR)/$(dir $(OAPI_CODEGEN)):$(PATH)' deploy/contract/check.sh

$(OASDIFF):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/oasdiff/oasdiff@v1.37.0

$(OAPI_CODEGEN):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2

$(NODE_TOOLS): deploy/contract/package.json deploy/contract/package-lock.json
	mkdir -p .bin/node && cp $^ .bin/node
	npm ci --prefix .bin/node --ignore-scripts --no-audit --no-fund --silent
	touch $@

$(KUSTOMIZE):
	GOBIN='$(CURDIR)/$(@D)' go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1

$(VALIDATE):
	GOBIN='$(CURDIR)/$(@D)' go install sigs.k8s.io/kubectl-validate@v0.0.4

$(ACTIONLINT):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

$(SBOM):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

$(VULNCHECK):
	GOBIN='$(CURDIR)/$(@D)' go install golang.org/x/vuln/cmd/govulncheck@v1.9.0

$(COMPOSE):
	GOBIN='$(CURDIR)/$(@D)' go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2

.PHONY: fix
fix: $(LINT) ## Format all files and fix what golangci-lint can fix
	$(LINT) run --fix

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s)
	@list=$$(go test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/ { target[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, target[i]; n = 0 }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime '$(FUZZTIME)' "$$package" </dev/null || exit 1; \
	done

.PHONY: bench
bench: ## Measure the whole program beside its ceilings, RUNS times (1): a table, and JSON in bench.json (Linux)
	go run ./pkg/bench -runs '$(RUNS)'

.PHONY: bench-short
bench-short: ## The same with a fiftieth of the jobs, streams and seconds, to see that it works
	go run ./pkg/bench -scale 0.02

.PHONY: microbench
microbench: ## Run the Go benchmarks of all packages
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: clean
clean: ## Remove build output; data/ stays
	rm -rf bin dist .bin
