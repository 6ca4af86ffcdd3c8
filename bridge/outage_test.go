package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/internal/natstest"
)

// While NATS is down the bridge says so and nothing else breaks; afterwards everyone catches up by itself.
func TestNATSDown(t *testing.T) {
	ns := natstest.Start(t)
	r := startOn(t, ns, nil)
	b, s := r.connect(), r.sse(t, "resource=products").live()
	b.send(`{"op":"subscribe","sub":"a","resource":"products"}`)
	b.want("subscribed")
	b.want("live")
	r.publish("live.products.updated.1", "")
	last := b.want(`"id":"1"`)
	s.want("1")

	ns.Down()
	var body string
	status := 0
	await(t, "it is not ready", func() bool {
		status, body = r.get("/readyz")
		return status == 503 && !r.nc.IsConnected()
	})
	status, body = r.get("/readyz")
	wantError(t, status, body, 503, "unavailable", "not connected to NATS")
	if status, _ := r.get("/healthz"); status != 200 {
		t.Errorf("it is not alive: %d", status)
	}
	const event = `{"resource":"products","type":"updated","id":"2"}`
	b.send(`{"op":"publish","ref":"p1","events":[` + event + `]}`)
	b.want(`"op":"error"`, `"ref":"p1"`, `"code":"unavailable"`, "nothing was stored")
	status, body = r.post(event)
	wantError(t, status, body, 503, "unavailable", "nothing was stored")
	status, body = r.get("/v1/events?last=5")
	wantError(t, status, body, 503, "unavailable", "")
	b.send(`{"op":"ping"}`)
	b.want("pong")
	b.send(`{"op":"subscribe","sub":"lost","resource":"products","last":5}`)
	b.want(`"op":"error"`, `"sub":"lost"`, `"code":"unavailable"`)
	b.send(fmt.Sprintf(`{"op":"subscribe","sub":"b","resource":"products","after":%q}`, field(t, last, "cursor"))) // this needs no NATS
	b.want(`"op":"subscribed","sub":"b","recovered":true`)
	b.want(`"op":"live","sub":"b"`)

	ns.Up()
	await(t, "it is ready", func() bool { status, _ := r.get("/readyz"); return status == 200 })
	await(t, "it publishes again", func() bool { status, _ := r.post(event, "Idempotency-Key", "once"); return status == 200 })
	if line := b.want(`"op":"event"`, `"id":"2"`); strings.Contains(line, `"sub"`) {
		t.Error(line)
	}
	s.want("2")
	b.send(`{"op":"subscribe","sub":"lost","resource":"products","last":5}`) // the name is free again
	b.want(`"op":"subscribed","sub":"lost"`)
	if n := r.log.Stats().Discontinuities; n != 0 {
		t.Errorf("%d discontinuities", n)
	}
}
