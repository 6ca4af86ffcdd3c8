package natstest

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// CreateStream creates a stream where one of the same name has just been deleted. The server answers before it is ready with the deletion, and
// until then cannot create another, so it is asked again for some seconds. It may be called from any goroutine.
func CreateStream(ctx context.Context, js jetstream.JetStream, cfg jetstream.StreamConfig) (err error) {
	for range 500 {
		if _, err = js.CreateStream(ctx, cfg); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
