package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAppendEventPayload(t *testing.T) {
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	for payload, want := range map[string]string{
		"":                         `"payload":{}`,
		"{}":                       `"payload":{}`,
		"null":                     `"payload":null`,
		` {"a": 1} `:               `"payload": {"a": 1} `,
		"{\n  \"a b\": [1,\r\n2]}": `"payload":{"a b":[1,2]}`,
		`"<&>é😀\n"`:                `"payload":"<&>é😀\n"`,
		"1e999999":                 `"payload":1e999999`,
		"\n":                       `"payload":null,"raw":"Cg=="`,
		"price=10":                 `"payload":null,"raw":"cHJpY2U9MTA="`,
		"{} {}":                    `"payload":null,"raw":"e30ge30="`,
		"\"\xff\"":                 `"payload":null,"raw":"Iv8i"`,
		deep:                       `"payload":null,"raw":"` + base64.StdEncoding.EncodeToString([]byte(deep)) + `"`,
	} {
		got := AppendEvent(nil, &Event{Payload: []byte(payload)})
		want = `{"op":"event","cursor":"","resource":"","type":"","id":"","date":"0001-01-01T00:00:00Z",` + want + `}`
		if string(got) != want {
			t.Errorf("payload %.40q:\n got %.200s\nwant %.200s", payload, got, want)
		}
	}
}

func TestAppendEventMeta(t *testing.T) {
	for meta, want := range map[string]string{
		"": "", "null": "", "[]": "", `"x"`: "", "{": "", "{}x": "", "{\"a\":\"\xff\"}": "", " ": "",
		"{}":           `,"meta":{}`,
		" {\"a\":\n1}": `,"meta":{"a":1}`,
	} {
		got := AppendEvent(nil, &Event{Meta: []byte(meta)})
		if !strings.HasSuffix(string(got), `"payload":{}`+want+`}`) {
			t.Errorf("meta %q: %s", meta, got)
		}
	}
}

func TestAppendEventRepairsTexts(t *testing.T) {
	got := AppendEvent(nil, &Event{Origin: "a\xffb\xed\xa0\x80\x00\n\"\\", Batch: "\xf0\x9f"})
	want := `,"origin":"a` + "\uFFFD" + `b` + strings.Repeat("\uFFFD", 3) + `\u0000\u000a\"\\","batch":"` + strings.Repeat("\uFFFD", 2) + `"}`
	if !strings.HasSuffix(string(got), want) {
		t.Errorf("got %s, want …%s", got, want)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	event := AppendEvent([]byte("before "), &replayed)
	if !strings.HasPrefix(string(event), "before "+EventHead) {
		t.Errorf("got %s", event)
	}
	event = event[len("before "):]
	if got := string(AppendTagged([]byte("x"), `"`, event)); !strings.HasPrefix(got, `x{"op":"event","sub":"\"","cursor":`) {
		t.Errorf("got %s", got)
	}
	if got := string(AppendObject([]byte("x"), event)); !strings.HasPrefix(got, `x{"cursor":`) {
		t.Errorf("got %s", got)
	}
}

// decoded is how a client sees an event.
type decoded struct {
	Op, Sub, Cursor, Resource, Type, ID string
	Date                                time.Time
	Payload, Meta                       json.RawMessage
	Raw                                 []byte
	Origin, Batch                       string
}

// checkLine says what every output of this package is: one line of JSON in UTF-8.
func checkLine(t *testing.T, line []byte) {
	t.Helper()
	switch {
	case !utf8.Valid(line):
		t.Fatalf("not UTF-8: %q", line)
	case !json.Valid(line):
		t.Fatalf("not JSON: %q", line)
	case bytes.ContainsAny(line, "\n\r"):
		t.Fatalf("has a line break: %q", line)
	}
}

func FuzzAppendEvent(f *testing.F) {
	f.Add("c", "r", "t", "i", []byte("{\n}"), []byte(`{"a":1}`), "o", "b", "s", int64(1))
	f.Add("\xff", "\"", "\\", "\n", []byte("\"\xff\""), []byte("{"), "\x00", "\u2028", "", int64(-1<<62))
	f.Fuzz(func(t *testing.T, cursor, resource, typ, id string, payload, meta []byte, origin, batch, sub string, nanos int64) {
		e := &Event{Cursor: cursor, Resource: resource, Type: typ, ID: id, Payload: payload, Meta: meta,
			Origin: origin, Batch: batch, Date: time.Unix(0, nanos)}
		event := AppendEvent(nil, e)
		checkLine(t, event)
		checkLine(t, AppendTagged(nil, sub, event))
		checkLine(t, AppendObject(nil, event))

		var got decoded
		if err := json.Unmarshal(AppendTagged(nil, sub, event), &got); err != nil {
			t.Fatal(err)
		}
		fix := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		for name, pair := range map[string][2]string{
			"op": {got.Op, "event"}, "sub": {got.Sub, sub}, "cursor": {got.Cursor, cursor}, "resource": {got.Resource, resource},
			"type": {got.Type, typ}, "id": {got.ID, id}, "origin": {got.Origin, origin}, "batch": {got.Batch, batch},
		} {
			if !utf8.ValidString(pair[1]) { // runs of bad bytes may become one or several U+FFFD
				pair[0], pair[1] = squeeze(pair[0]), squeeze(fix(pair[1]))
			}
			if pair[0] != pair[1] {
				t.Fatalf("%s is %q, want %q", name, pair[0], pair[1])
			}
		}
		if !got.Date.Equal(e.Date) {
			t.Fatalf("date is %v, want %v", got.Date, e.Date)
		}
		checkPayload(t, got, payload)
	})
}

func squeeze(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}

func checkPayload(t *testing.T, got decoded, payload []byte) {
	t.Helper()
	switch {
	case len(payload) == 0:
		if string(got.Payload) != "{}" || got.Raw != nil {
			t.Fatalf("an empty body is %s", got.Payload)
		}
	case !json.Valid(payload) || !utf8.Valid(payload):
		if string(got.Payload) != "null" || !bytes.Equal(got.Raw, payload) {
			t.Fatalf("body %q is %s, raw %q", payload, got.Payload, got.Raw)
		}
	default:
		var a, b bytes.Buffer
		if json.Compact(&a, payload) != nil || json.Compact(&b, got.Payload) != nil || a.String() != b.String() {
			t.Fatalf("payload %s is %s", payload, got.Payload)
		}
	}
}

// FuzzWriters puts arbitrary text into every other writer.
func FuzzWriters(f *testing.F) {
	f.Add("a\n", "\"\xff", "\\u", 25.5, int64(0))
	f.Fuzz(func(t *testing.T, a, b, c string, ping float64, n int64) {
		when := time.Unix(n>>8, 0)
		e := &Error{Code: Code(c), Message: a, Sub: b, Ref: c}
		acks := []Ack{{a, true}, {b, false}}
		for _, line := range [][]byte{
			AppendConnected(nil, a, b, time.Duration(ping*float64(time.Second)), Limits{Frame: int(n)}, when),
			AppendSubscribed(nil, a, true, b), AppendLive(nil, a, b), AppendUnsubscribed(nil, a),
			AppendReset(nil, a, Reason(b), c), AppendResetBody(nil, Reason(a), b), AppendTicketBody(nil, a, when),
			AppendPublished(nil, a, acks), AppendPublishedBody(nil, acks), AppendPing(nil, a), AppendPong(nil),
			AppendError(nil, e), AppendErrorBody(nil, e),
			AppendHistoryBody(nil, [][]byte{AppendEvent(nil, &replayed), AppendEvent(nil, &replayed)}, a, true),
		} {
			checkLine(t, line)
		}
	})
}

func TestEventReadsBack(t *testing.T) {
	var got decoded
	if err := json.Unmarshal(AppendTagged(nil, "a", AppendEvent(nil, &replayed)), &got); err != nil {
		t.Fatal(err)
	}
	want := decoded{Op: "event", Sub: "a", Cursor: replayed.Cursor, Resource: "products", Type: "updated", ID: "42",
		Date: replayed.Date.UTC(), Payload: replayed.Payload}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	for name, payload := range map[string]string{
		"small":   `{"price":10,"name":"Chair"}`,
		"1KiB":    `{"text":"` + strings.Repeat("lorem ipsum ", 84) + `"}`,
		"lines":   "{\n  \"price\": 10,\n  \"name\": \"Chair\"\n}",
		"64KiB":   `{"text":"` + strings.Repeat("lorem ipsum ", 5400) + `"}`,
		"no-json": "price=10",
	} {
		b.Run(name, func(b *testing.B) {
			e := replayed
			e.Payload, e.Origin = []byte(payload), "s7Vd2"
			dst := AppendEvent(nil, &e)
			b.ReportAllocs()
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				dst = AppendEvent(dst[:0], &e)
			}
		})
	}
}

func BenchmarkAppendTagged(b *testing.B) {
	event := AppendEvent(nil, &replayed)
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendTagged(dst[:0], "a", event)
	}
}
