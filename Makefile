# The commands of daily work. `scripts/test.sh` is what continuous integration runs.
.PHONY: run test test-go build console fuzz bench

run: ## the bridge with NATS embedded
	go run ./cmd/bridge

build: ## the program, into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/bridge ./cmd/bridge

console: ## the client's bundle in the console, after a change of the client
	cd client && npm ci --no-audit --no-fund && npm run build
	cp client/dist/livebridge.global.js bridge/console/livebridge.js

test: ## every check and every test
	./scripts/test.sh

test-go: ## only the Go side
	./scripts/test.sh go

bench: ## micro-benchmarks
	go test -run '^$$' -bench . -benchmem ./auth ./subjects ./protocol ./replay ./bridge ./publish ./internal/ws

FUZZTIME ?= 30s
fuzz: ## every fuzz target, FUZZTIME each; what it finds is in testdata/fuzz of the package
	@for pkg in auth subjects protocol replay revoke bridge internal/ws publish cmd/bridge; do \
		for f in $$(go test -list '^Fuzz' ./$$pkg | grep '^Fuzz'); do \
			echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 500x ./$$pkg || exit 1; \
		done; \
	done
