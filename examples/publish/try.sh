#!/usr/bin/env bash
# Runs every example against a bridge of its own and looks whether its events are stored.
set -euo pipefail
cd "$(dirname "$0")"
free_port() { node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }
port=$(free_port) nats_port=$(free_port)
bridge=http://127.0.0.1:$port nats=nats://127.0.0.1:$nats_port
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid" && wait "$pid" || true; }; rm -rf "$work"' EXIT

(cd ../.. && go build -o "$work/bridge" ./cmd/bridge)
"$work/bridge" --listen "127.0.0.1:$port" --nats-listen "127.0.0.1:$nats_port" --store-dir "$work/data" --log-level warn &
pid=$!
for _ in $(seq 100); do curl -fs "$bridge/readyz" >/dev/null && break || sleep 0.1; done
curl -fsS "$bridge/readyz" >/dev/null && kill -0 "$pid"

# stored TEXT: the history has an event with this in it.
stored() {
	curl -fsS "$bridge/v1/events?resource=*&limit=100" | grep -qF "$1" || { echo "not stored: $1" >&2; exit 1; }
}

echo "== go"
(cd go && go run . "$nats")
stored '"id":"42","date":' && stored '"meta":{"user":"go"}'
echo "== node"
node node/publish.mjs "$bridge"
stored '"resource":"orders","type":"paid","id":"77"'
[ -d node/node_modules ] || (cd node && npm ci --no-audit --no-fund >/dev/null)
node node/publish-nats.mjs "127.0.0.1:$nats_port"
stored '"id":"é/1"'
echo "== python"
if command -v python3 >/dev/null; then
	python3 python/publish.py "$bridge"
	stored '"id":"3"' && stored '"type":"imported","id":""' && stored '"id":"a/7"'
else
	echo "not run: python3 is not installed"
fi
echo "== shell"
PATH="$work:$PATH" sh shell/publish.sh "$bridge" "$nats"
stored '"id":"44"' && stored '"id":"45"'
if command -v nats >/dev/null; then stored '"id":"46"' && stored '"meta":{"user":"nats"}'; else echo "not run: the nats command-line tool is not installed"; fi
echo "all stored"
