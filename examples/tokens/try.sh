#!/usr/bin/env bash
# Mints a token with each example, and has the bridge's own command accept it.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(umask 077 && head -c 48 /dev/urandom | base64 >"$work/jwt.secret")
go build -o "$work/bridge" ./cmd/bridge

# accepted LANGUAGE COMMAND…: the token that the command prints is one, and says what it should.
accepted() {
	echo "== $1" && shift
	"$@" "$work/jwt.secret" ada | "$work/bridge" token inspect --secret-file "$work/jwt.secret" >"$work/said"
	grep -q '^accepted' "$work/said" && grep -q '"sub": "ada"' "$work/said" || { cat "$work/said" >&2; exit 1; }
}

(cd examples/tokens/go && go vet . && go build -o "$work/mint" .)
accepted go "$work/mint"
accepted node node examples/tokens/node/mint.mjs
