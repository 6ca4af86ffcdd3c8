package bridge

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/replay"
	"github.com/livebridge/livebridge/subjects"
)

var encodedAt = time.Date(2026, 11, 25, 14, 0, 0, 123_000_000, time.UTC)

// encode encodes a message with a body and headers, name and value in turn. The zero cursor stands for any.
func encode(body string, header ...string) string {
	m := replay.Message{Name: subjects.Name{Resource: "products", Type: "updated", ID: "42"}, Stored: encodedAt, Data: []byte(body)}
	for i := 0; i < len(header); i += 2 {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header.Add(header[i], header[i+1])
	}
	return string(Encode(nil, &m))
}

func TestEncode(t *testing.T) {
	head := `{"op":"event","cursor":"` + replay.Cursor{}.String() + `","resource":"products","type":"updated","id":"42",`
	const stored = `"date":"2026-11-25T14:00:00.123Z",`
	for _, tc := range []struct {
		name, body string
		header     []string
		want       string
	}{
		{"plain", `{"price":10}`, nil, stored + `"payload":{"price":10}}`},
		{"empty", ``, nil, stored + `"payload":{}}`},
		{"a number", `1`, nil, stored + `"payload":1}`},
		{"null", `null`, nil, stored + `"payload":null}`},
		{"on several lines", "{\n\t\"a\": [1,\r\n 2]\n}\n", nil, stored + `"payload":{"a":[1,2]}}`},
		{"a line break in a string", `"a\nb"`, nil, stored + `"payload":"a\nb"}`},
		{"not JSON", `price=10`, nil, stored + `"payload":null,"raw":"cHJpY2U9MTA="}`},
		{"two values", `1 2`, nil, stored + `"payload":null,"raw":"MSAy"}`},
		{"space", ` `, nil, stored + `"payload":null,"raw":"IA=="}`},
		{"not UTF-8", "\"\xff\"", nil, stored + `"payload":null,"raw":"Iv8i"}`},
		{"not UTF-8 in two lines", "\"\xff\n\"", nil, stored + `"payload":null,"raw":"Iv8KIg=="}`},
		{"everything", `1`, []string{"Live-Date", "2026-11-25T15:00:00.5+01:00", "Live-Meta", `{"user":"eva"}`, "Live-Origin", "s1", "Live-Batch", "b1"},
			`"date":"2026-11-25T14:00:00.5Z","payload":1,"meta":{"user":"eva"},"origin":"s1","batch":"b1"}`},
		{"other headers", `1`, []string{"Nats-Msg-Id", "k", "live-meta", "{}", "X", "y"}, stored + `"payload":1}`},
		{"no date", `1`, []string{"Live-Date", ""}, stored + `"payload":1}`},
		{"a bad date", `1`, []string{"Live-Date", "yesterday"}, stored + `"payload":1}`},
		{"a date without a zone", `1`, []string{"Live-Date", "2026-11-25T14:00:00"}, stored + `"payload":1}`},
		{"a date beyond RFC 3339", `1`, []string{"Live-Date", "9999-12-31T23:59:59-01:00"}, stored + `"payload":1}`},
		{"a date before it", `1`, []string{"Live-Date", "0000-01-01T00:00:00+01:00"}, stored + `"payload":1}`},
		{"meta is an array", `1`, []string{"Live-Meta", `[]`}, stored + `"payload":1}`},
		{"meta is not JSON", `1`, []string{"Live-Meta", `{user`}, stored + `"payload":1}`},
		{"meta is not UTF-8", `1`, []string{"Live-Meta", "{\"a\":\"\xff\"}"}, stored + `"payload":1}`},
		{"meta that would end the object", `1`, []string{"Live-Meta", `{},"payload":2`}, stored + `"payload":1}`},
		{"an origin that is not UTF-8", `1`, []string{"Live-Origin", "a\xffb"}, stored + "\"payload\":1,\"origin\":\"a\uFFFDb\"}"},
		{"quotes", `1`, []string{"Live-Origin", `a"b\`, "Live-Batch", "\x00\n"}, stored + `"payload":1,"origin":"a\"b\\","batch":"\u0000\u000a"}`},
		{"a header that comes twice", `1`, []string{"Live-Origin", "a", "Live-Origin", "b"}, stored + `"payload":1,"origin":"a"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := encode(tc.body, tc.header...); got != head+tc.want {
				t.Errorf("got  %s\nwant %s", got, head+tc.want)
			}
		})
	}
}

func TestEncodeKeepsNothing(t *testing.T) {
	m := replay.Message{Name: subjects.Name{Resource: "a", Type: "b"}, Stored: encodedAt, Data: []byte(`{"a":1}`)}
	frame := Encode([]byte("before "), &m)
	before := string(frame)
	copy(m.Data, "xxxxxxx")
	if string(frame) != before || before != "before "+string(Encode(nil, &replay.Message{Name: m.Name, Stored: encodedAt, Data: []byte(`{"a":1}`)})) {
		t.Errorf("%s, was %s", frame, before)
	}
}
