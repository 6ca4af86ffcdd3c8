package main

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/revoke"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// TestScripts calls the program as one does at a prompt. LIVEBRIDGE_NATS_URL names a NATS server of the script's own; its stream is there
// after the command stream.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LIVEBRIDGE_NATS_URL", natstest.Start(t).URL())
			env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race every call would otherwise take a second longer
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"stream": createStream, "bucket": createBucket},
	})
}

func createStream(ts *testscript.TestScript, _ bool, _ []string) {
	nc, err := nats.Connect(ts.Getenv("LIVEBRIDGE_NATS_URL"))
	ts.Check(err)
	defer nc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	log, err := replay.Open(ctx, nc, replay.Config{Encode: bridge.Encode})
	ts.Check(err)
	log.Close()
}

// createBucket makes the list of revoked tokens, as a bridge does.
func createBucket(ts *testscript.TestScript, _ bool, args []string) {
	nc, err := nats.Connect(ts.Getenv("LIVEBRIDGE_NATS_URL"))
	ts.Check(err)
	defer nc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	list, err := revoke.Open(ctx, nc, revoke.Config{Bucket: args[0]})
	ts.Check(err)
	list.Close()
}
