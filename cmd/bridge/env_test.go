package main

import (
	"errors"
	"reflect"
	"testing"

	"github.com/alecthomas/kong"
)

func TestUnknownVariables(t *testing.T) {
	var c cli
	k, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	for name, known := range map[string]bool{
		"LIVEBRIDGE_MAX_AGE": true, "LIVEBRIDGE_NATS_URL": true, "LIVEBRIDGE_TLS_CERT": true, "PATH": true, "XLIVEBRIDGE_A": true,
		"LIVEBRIDGE_SERVICE_HOST": true, "LIVEBRIDGE_SERVICE_PORT": true, "LIVEBRIDGE_SERVICE_PORT_HTTP": true, "LIVEBRIDGE_PORT": true,
		"LIVEBRIDGE_PORT_8080_TCP": true, "LIVEBRIDGE_PORT_8080_TCP_ADDR": true, "LIVEBRIDGE_NATS_SERVICE_HOST": true, "LIVEBRIDGE_NATS_PORT_4222_TCP_PROTO": true,
		"LIVEBRIDGE_MAXAGE": false, "LIVEBRIDGE_ORIGIN": false, "LIVEBRIDGE_": false, "LIVEBRIDGE_KEY": false, "LIVEBRIDGE_HELP": false, "LIVEBRIDGE_REPORT": false,
	} {
		err := unknownVariables(map[string]string{name: "x"}, k.Model.Node)
		if (err == nil) != known {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestJoinSince(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{"tail", "--since", "-10m"}, []string{"tail", "--since=-10m"}},
		{[]string{"tail", "--since", "2026-11-25T14:00:00Z"}, []string{"tail", "--since", "2026-11-25T14:00:00Z"}},
		{[]string{"tail", "--since", "--json"}, []string{"tail", "--since", "--json"}},
		{[]string{"tail", "--since"}, []string{"tail", "--since"}},
		{[]string{"tail", "--", "--since", "-1m"}, []string{"tail", "--", "--since", "-1m"}},
	} {
		if got := joinSince(c.args); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestRedacted(t *testing.T) {
	for url, want := range map[string]string{
		"nats://127.0.0.1:4222":                     "nats://127.0.0.1:4222",
		"nats://eva:secret@a:4222":                  "nats://eva:xxxxx@a:4222",
		"nats://secret@a:4222":                      "nats://xxxxx@a:4222",
		"nats://eva:secret@a:4222, tls://b:secret@": "nats://eva:xxxxx@a:4222,tls://b:xxxxx@",
		"nats://eva:%zz@a:4222":                     "…@a:4222",
		"a:4222":                                    "a:4222",
	} {
		if got := redacted(url); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}

func TestProblem(t *testing.T) {
	cause := errors.New("cause")
	if err := failure("hint", "text: %w", cause); !errors.Is(err, cause) || err.Error() != "text: cause" {
		t.Errorf("%v", err)
	}
	out := newLines()
	if got := report(out, usage("do\nthat", "what \x1b[2J")); got != exitUsage || out.String() != "bridge: what \\x1b[2J\nhint: do\\nthat\n" {
		t.Errorf("%d %q", got, out)
	}
	if got := report(out, cause); got != exitFailure {
		t.Errorf("%d", got)
	}
}
