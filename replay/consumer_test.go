package replay

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

// After a status the consumer knows how many messages are still to come: who waited for one too many would wait in vain.
func TestStatus(t *testing.T) {
	const gone = "Nats-Pending-Messages"
	for name, test := range map[string]struct {
		status, text, pending string
		wanted                int
		err                   error
	}{
		"heartbeat":               {"100", "Idle Heartbeat", "", 30, errHeartbeat},
		"nothing stored":          {"404", "No Messages", "", 30, errEnd},
		"expired":                 {"408", "Request Timeout", "5", 25, errPullDone},
		"earlier ones wait":       {"408", "Requests Pending", "", 10, errPullDone},
		"bytes":                   {"409", "Message Size Exceeds MaxBytes", "12", 18, errPullDone},
		"batch":                   {"409", "Batch Completed", "0", 30, errPullDone},
		"the consumer is deleted": {"409", "Consumer Deleted", "", 30, nil},
		"the request is bad":      {"400", "Bad Request", "", 30, nil},
	} {
		c := &consumer{name: "c", batch: 20, wanted: 30}
		m := &nats.Msg{Header: nats.Header{"Status": {test.status}, "Description": {test.text}}}
		if test.pending != "" {
			m.Header.Set(gone, test.pending)
		}
		_, err := c.accept(m)
		if err == nil || test.err != nil && !errors.Is(err, test.err) || test.err == nil && (errors.Is(err, errPullDone) || errors.Is(err, errEnd)) {
			t.Errorf("%s: %v, want %v", name, err, test.err)
		}
		if c.wanted != test.wanted {
			t.Errorf("%s: %d messages are still wanted, not %d", name, c.wanted, test.wanted)
		}
	}
}
