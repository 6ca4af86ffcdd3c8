"""Publishes three events at once over HTTP, with the standard library alone: python3 publish.py [http://127.0.0.1:8080]"""

import json
import sys
import urllib.error
import urllib.request

bridge = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"

events = [
    {"resource": "products", "type": "updated", "ids": [1, 2, 3], "payload": {"discount": 0.1}, "meta": {"user": "python"}},
    {"resource": "products", "type": "imported"},  # no particular record: anything may have changed
    {"resource": "orders", "type": "created", "id": "a/7", "payload": {"total": 12.5}, "key": "order-a/7-created"},
]
request = urllib.request.Request(
    f"{bridge}/v1/events",
    data=json.dumps(events).encode(),
    headers={"Content-Type": "application/json"},
)
try:
    with urllib.request.urlopen(request, timeout=10) as response:
        for stored in json.load(response)["events"]:
            print("stored:", stored)
except urllib.error.HTTPError as e:
    error = json.load(e)["error"]
    sys.exit(f"{error['code']}: {error['message']}")
