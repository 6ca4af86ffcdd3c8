#!/bin/sh
# Publishes events from a shell: with curl, with the bridge itself, and with the nats command-line tool where it is installed.
#   ./publish.sh [http://127.0.0.1:8080 [nats://127.0.0.1:4222]]
set -eu
bridge=${1:-http://127.0.0.1:8080}
nats=${2:-nats://127.0.0.1:4222}

# One event; the answer comes when it is on disk.
curl -fsS "$bridge/v1/events" -H 'Content-Type: application/json' -H 'Idempotency-Key: shell-1' \
	-d '{"resource":"products","type":"updated","id":42,"payload":{"price":10},"meta":{"user":"curl"}}'
echo

# Many, one a line.
printf '%s\n' '{"resource":"products","type":"created","id":43}' '{"resource":"products","type":"deleted","id":44}' |
	curl -fsS "$bridge/v1/events" -H 'Content-Type: application/x-ndjson' --data-binary @-
echo

# The bridge's own command, if it is in the PATH.
if command -v bridge >/dev/null; then
	bridge publish products updated 45 '{"price":11}' --meta '{"user":"bridge"}' --nats-url "$nats"
fi

# A plain NATS client. An event is one message; "nats req" waits for JetStream's acknowledgement, "nats pub" does not.
if command -v nats >/dev/null; then
	nats --server "$nats" pub live.products.updated.46 '{"price":12}'
	nats --server "$nats" req live.products.updated.47 '{"price":13}' -H 'Nats-Msg-Id:shell-47' -H 'Live-Meta:{"user":"nats"}'
fi
