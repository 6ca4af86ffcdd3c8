#!/usr/bin/env bash
# Runs every check and every test, and installs what they need: Go modules and npm packages by their own clients, Chromium through apt
# where it is missing and we are root. Network traffic of the tests stays on loopback.
#
#   scripts/test.sh            everything
#   scripts/test.sh go         only the Go side: format, vet, staticcheck, known vulnerabilities, unit and end-to-end tests
#   scripts/test.sh client     only the TypeScript client
#   scripts/test.sh browser    only the tests in Chromium
#   scripts/test.sh examples   only the examples
set -euo pipefail
cd "$(dirname "$0")/.."

readonly STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2
readonly GOVULNCHECK=golang.org/x/vuln/cmd/govulncheck@v1.9.0

readonly IN_CHROMIUM='^(TestConsole|TestConsoleWithTokens|TestScreenshots)$' # of e2e

say() { printf '\n== %s\n' "$*"; }

need() {
	command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 1; }
}

checks() {
	say "format, vet, staticcheck, tidy"
	local unformatted
	unformatted=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
	[ -z "$unformatted" ] || { echo "run gofmt -w on: $unformatted" >&2; exit 1; }
	go mod tidy -diff
	go vet ./...
	go run "$STATICCHECK" ./...
	say "known vulnerabilities"
	local report
	if report=$(go run "$GOVULNCHECK" ./... 2>&1); then
		echo "$report"
	elif grep -q -e 'Vulnerability #' <<<"$report"; then
		echo "$report" >&2
		exit 1
	else
		echo "not checked: the database of vulnerabilities cannot be reached from here"
	fi
}

# The race detector needs a C compiler.
race=-race
race_ready() {
	command -v "$(go env CC)" >/dev/null && return
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		say "installing a C compiler"
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc libc6-dev >/dev/null
	else
		race=
		echo "no C compiler: the tests run without the race detector; install gcc to have it"
	fi
}

go_tests() {
	need go "install Go 1.26 or newer from https://go.dev/dl"
	checks
	race_ready
	say "Go unit tests${race:+, with the race detector}"
	go test $race $(go list ./... | grep -v -e '/internal/arch$' -e '/e2e$' -e '/e2e/abuse$' -e '/e2e/faults$')
	go test -count=1 ./internal/arch # Go does not see on what its result depends
	say "end to end: the real binary, NATS embedded and as a process"
	go test -count=1 -timeout 20m -p 1 -skip "$IN_CHROMIUM" ./e2e ./e2e/abuse
	say "faults: programs, links, disks and stores that break${race:+, bridges with the race detector}"
	go test -count=1 -timeout 20m -parallel 4 ./e2e/faults ${race:+-racebuild}
}

node_ready() {
	need node "install Node.js 20 or newer from https://nodejs.org"
	need npm "it comes with Node.js"
}

client_tests() {
	node_ready
	say "TypeScript client"
	(cd client && npm ci --no-audit --no-fund && npm test)
}

chromium_ready() {
	command -v chromium >/dev/null && return
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		say "installing Chromium"
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
	else
		echo "chromium is missing: install it (Debian and Ubuntu: sudo apt-get install chromium), then run this again" >&2
		exit 1
	fi
}

browser_tests() {
	node_ready
	chromium_ready
	[ -d client/dist ] || (cd client && npm ci --no-audit --no-fund && npm run build)
	say "the console in Chromium"
	go test -count=1 -run "$IN_CHROMIUM" ./e2e
	say "Refine in Chromium"
	(cd e2e/refine && npm ci --no-audit --no-fund && npm test)
}

examples_tests() {
	need go "install Go 1.26 or newer from https://go.dev/dl"
	node_ready
	chromium_ready
	[ -d client/dist ] || (cd client && npm ci --no-audit --no-fund && npm run build)
	say "examples: publishing from Go, Node, Python and a shell"
	./examples/publish/try.sh
	say "examples: minting tokens in Go and Node"
	./examples/tokens/try.sh
	say "examples: the Refine admin and its backend"
	(cd examples/refine-admin/backend && go vet ./... && go test -count=1 ./...)
	(cd examples/refine-admin && npm ci --no-audit --no-fund && npm test)
}

case "${1:-all}" in
	go) go_tests ;;
	client) client_tests ;;
	browser) browser_tests ;;
	examples) examples_tests ;;
	all)
		go_tests
		client_tests
		browser_tests
		examples_tests
		;;
	*)
		echo "usage: scripts/test.sh [go|client|browser|examples]" >&2
		exit 2
		;;
esac
say "all passed"
