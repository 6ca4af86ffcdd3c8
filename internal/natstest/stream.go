package natstest

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// CreateStream creates a stream where one of the same name has just been deleted. The server answers before the files of that one are gone,
// and until then cannot create the store of another.
func CreateStream(tb testing.TB, js jetstream.JetStream, cfg jetstream.StreamConfig) {
	tb.Helper()
	const noStore = 10049 // JSStreamStoreFailedF of nats-server's errors.json
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		_, err := js.CreateStream(tb.Context(), cfg)
		var api *jetstream.APIError
		switch {
		case err == nil:
			return
		case !errors.As(err, &api) || api.ErrorCode != noStore || time.Now().After(deadline):
			tb.Fatal(err)
		}
	}
}
