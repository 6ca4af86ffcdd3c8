package publish

import (
	"encoding/json"
	"net/textproto"
	"strings"
	"testing"
)

// FuzzHeaders proves that whatever an event says, no header of its messages has a
// control byte, and each arrives as it was sent.
func FuzzHeaders(f *testing.F) {
	f.Add("products", "updated", "42", "key", "origin", `{"a":1}`)
	f.Add("a.b", "*", "", "a\r\nb", "\x00", "{\"a\":\"\x7f\"}")
	f.Add(">", "_", "_", " k", "o ", "{\r\n}")
	f.Add("ä", "日本", "%41", "\u00a0", "\u2028", "null")
	f.Fuzz(func(t *testing.T, resource, kind, id, key, origin, meta string) {
		e := Event{Resource: resource, Type: kind, IDs: []string{id, id}, Key: key, Origin: origin, Meta: json.RawMessage(meta)}
		msgs, err := messages([]Event{e}, 1<<20)
		if err != nil {
			return
		}
		for _, m := range msgs {
			wire := m.wire(headerBatchID, "b", headerBatchSeq, "1")
			for name, values := range wire.Header {
				v := values[0]
				if len(values) != 1 || v == "" || textproto.TrimString(v) != v || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Errorf("header %s is %q", name, values)
				}
			}
			if got := wire.Header.Get("Nats-Msg-Id"); !strings.HasPrefix(got, key) || key == "" && got != "" {
				t.Errorf("key %q became %q", key, got)
			}
			if wire.Header.Get(headerOrigin) != origin {
				t.Errorf("origin %q became %q", origin, wire.Header.Get(headerOrigin))
			}
			if v := wire.Header.Get(headerMeta); v != "" && !json.Valid([]byte(v)) {
				t.Errorf("meta %q became %q", meta, v)
			}
		}
	})
}
