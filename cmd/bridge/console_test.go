//go:build unix

package main

import (
	"strings"
	"testing"
)

// The console is for this machine, unless it is asked for or not wanted.
func TestConsole(t *testing.T) {
	for _, c := range []struct {
		args   string
		served bool
	}{
		{"", true},
		{"--no-console", false},
		{"--listen 0.0.0.0:0 --insecure", false},
		{"--listen 0.0.0.0:0 --insecure --console", true},
		{"--jwt-secret-file " + newSecret(t), false},
		{"--console --jwt-secret-file " + newSecret(t), true},
		{"--console --listen 0.0.0.0:0 --jwt-secret-file " + newSecret(t), true},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := serve(t, strings.Fields(c.args)...)
			where := r.ready()
			code, page := get(t, strings.Replace(r.URL, "0.0.0.0", "127.0.0.1", 1)+"/")
			switch {
			case c.served && (code != 200 || !strings.Contains(page, `<meta name="livebridge-nats" content="`+r.NATS+`">`) || where["console"] != r.URL+"/"):
				t.Errorf("GET /: %d, ready: %v, page: %.600s", code, where, page)
			case !c.served && (code != 404 || where["console"] != ""):
				t.Errorf("GET /: %d, ready: %v", code, where)
			}
		})
	}
}
