//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// A spec says how a server is to be started.
type spec struct {
	bin  string
	dir  string   // its files
	sync string   // sync_interval of JetStream
	args []string // more flags for the bridge
	long bool     // it has to keep events for clients that come back
}

// A system is one kind of server.
type system struct {
	name  string
	flag  string // names its binary
	start func(t *target) error
}

// systems in the order of the report. Ours comes first.
var systems = []system{
	{"Livebridge", "livebridge", (*target).startLivebridge},
	{"nats-server WebSocket", "nats-server", (*target).startNATS},
	{"Centrifugo", "centrifugo", (*target).startCentrifugo},
	{"Mercure", "mercure", (*target).startMercure},
	{floorName, floorName, (*target).startFloor},
}

// found says where its program is, where none is named.
func (sys system) found() string {
	switch {
	case sys.name == floorName:
		return "this one"
	case packages[sys.flag] != "":
		return "built from this module"
	default:
		return "the one in $PATH, or left out"
	}
}

// launch starts a server of this kind on free ports, with empty files.
func (sys system) launch(sp spec) (*target, error) {
	var err error
	if sp.dir, err = os.MkdirTemp("", "livebridge-bench-"); err != nil {
		return nil, err
	}
	t := &target{name: sys.name, spec: sp, startKind: sys.start}
	if t.addr, err = freeAddr(); err == nil {
		t.nats, err = freeAddr()
	}
	if err == nil {
		err = t.start()
	}
	if err != nil {
		_ = os.RemoveAll(sp.dir)
		return nil, err
	}
	return t, nil
}

func (t *target) start() error {
	if err := t.startKind(t); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	t.pid = t.proc.cmd.Process.Pid
	return nil
}

// natsConf is the same for ours and for nats-server.
func (t *target) natsConf(more string) (path string, err error) {
	return write(t.spec.dir, "nats.conf", fmt.Sprintf("listen: %s\nmax_payload: 1MB\njetstream { store_dir: %q, sync_interval: %s, max_mem: 256MB, max_file: 16GB }\n%s",
		t.nats, filepath.Join(t.spec.dir, "js"), t.spec.sync, more))
}

func (t *target) startLivebridge() (err error) {
	conf, err := t.natsConf("")
	if err != nil {
		return err
	}
	t.speak, t.order, t.position = livebridge, true, t.cursor
	t.publisher = func() (publisher, error) { return natsPublisher(t.nats) }
	args := []string{"--listen", t.addr, "--nats-config", conf, "--max-bytes", "8GiB", "--log-level", "warn"}
	t.proc, err = launch(t.spec.dir, func() error { return answers("http://" + t.addr + "/readyz") }, t.spec.bin, append(args, t.spec.args...)...)
	return err
}

func (t *target) startNATS() (err error) {
	host, port, _ := strings.Cut(t.addr, ":")
	conf, err := t.natsConf(fmt.Sprintf("websocket { host: %s, port: %s, no_tls: true }\n", host, port))
	if err != nil {
		return err
	}
	t.speak, t.order = natsWS, true
	t.publisher = func() (publisher, error) { return natsPublisher(t.nats) }
	t.position = func() (string, error) {
		info, err := streamInfo(t.nats)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(info.State.LastSeq + 1), nil
	}
	ready := func() error {
		if err := accepts(t.addr); err != nil {
			return err
		}
		return createStream(t.nats)
	}
	t.proc, err = launch(t.spec.dir, ready, t.spec.bin, "-c", conf)
	return err
}

// createStream makes the stream that a bridge would make.
func createStream(addr string) error {
	nc, js, err := jetStream(addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	_, err = js.CreateOrUpdateStream(context.Background(), jetstream.StreamConfig{Name: "LIVE", Subjects: []string{"live.*.*.*"}, MaxBytes: 8 << 30, AllowDirect: true})
	return err
}

func streamInfo(addr string) (*jetstream.StreamInfo, error) {
	nc, js, err := jetStream(addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	s, err := js.Stream(context.Background(), "LIVE")
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// startCentrifugo: its memory engine, with history, and its limit of what a client may recover lifted.
func (t *target) startCentrifugo() (err error) {
	host, port, _ := strings.Cut(t.addr, ":")
	conf, err := write(t.spec.dir, "config.json", fmt.Sprintf(`{
		"http_server": {"address": %q, "port": %s}, "log": {"level": "warn"}, "health": {"enabled": true},
		"client": {"insecure": true, "allowed_origins": ["*"], "recovery_max_publication_limit": 100000},
		"http_api": {"insecure": true},
		"channel": {"without_namespace": {"history_size": 100000, "history_ttl": "1h", "force_recovery": true, "allow_subscribe_for_client": true}}
	}`, host, port))
	if err != nil {
		return err
	}
	api := httpClient(1)
	t.speak, t.order, t.nats = centrifugo, true, ""
	t.publisher = func() (publisher, error) {
		return &centrifugoAPI{httpSender{http: httpClient(8)}, "http://" + t.addr + "/api"}, nil
	}
	t.position = func() (string, error) {
		var answer struct {
			Result struct {
				Offset uint64 `json:"offset"`
				Epoch  string `json:"epoch"`
			} `json:"result"`
		}
		body, err := post(api, "http://"+t.addr+"/api/history", "application/json", `{"channel":"bench","limit":0}`, "")
		if err == nil {
			err = json.Unmarshal(body, &answer)
		}
		return fmt.Sprintf(`"offset":%d,"epoch":%q`, answer.Result.Offset, answer.Result.Epoch), err
	}
	t.proc, err = launch(t.spec.dir, func() error { return answers("http://" + t.addr + "/health") }, t.spec.bin, "--config", conf)
	return err
}

// startMercure: in memory, and on disk only where clients come back for events.
func (t *target) startMercure() (err error) {
	transport := "transport local"
	if t.spec.long {
		transport = fmt.Sprintf("transport bolt {\n path %q\n size 0\n }", filepath.Join(t.spec.dir, "mercure.db"))
	}
	conf, err := write(t.spec.dir, "Caddyfile", fmt.Sprintf("{\n auto_https off\n admin off\n log {\n level ERROR\n }\n}\nhttp://%s {\n bind 127.0.0.1\n mercure {\n %s\n publisher_jwt %s HS256\n anonymous\n write_timeout 0s\n }\n}\n",
		t.addr, transport, mercureKey))
	if err != nil {
		return err
	}
	hub := "http://" + t.addr + "/.well-known/mercure"
	t.speak, t.order, t.nats = mercure, false, "" // many connections publish at once, or it would be slower still
	t.publisher = func() (publisher, error) { return &mercureHub{httpSender{http: httpClient(16)}, hub}, nil }
	t.position = func() (string, error) {
		id, err := post(httpClient(1), hub, "application/x-www-form-urlencoded", "topic=bench&data=start", mercureToken())
		return string(id), err
	}
	t.proc, err = launch(t.spec.dir, func() error { return accepts(t.addr) }, t.spec.bin, "run", "--config", conf, "--adapter", "caddyfile")
	return err
}
