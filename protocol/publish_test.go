package protocol

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseEvents(t *testing.T) {
	one := Publish{Resource: "p", Type: "t", Payload: []byte("{}")}
	with := func(change func(*Publish)) []Publish {
		p := one
		change(&p)
		return []Publish{p}
	}
	for _, test := range []struct {
		body   string
		ndjson bool
		want   []Publish
	}{
		{`{"resource":"p","type":"t"}`, false, []Publish{one}},
		{` [{"resource":"p","type":"t"} , {"type":"t","resource":"p","origin":"me"}] `, false, []Publish{one, one}},
		{"\n{\"resource\":\"p\",\"type\":\"t\"}\r\n\n{\"resource\":\"p\",\"type\":\"t\"}\n", true, []Publish{one, one}},
		{`{"resource":"p","type":"t","id":"a"}`, false, with(func(p *Publish) { p.IDs = []string{"a"} })},
		{`{"resource":"p","type":"t","id":""}`, false, with(func(*Publish) {})},
		{`{"resource":"p","type":"t","ids":[]}`, false, with(func(*Publish) {})},
		{`{"resource":"p","type":"t","id":0}`, false, with(func(p *Publish) { p.IDs = []string{"0"} })},
		{`{"resource":"p","type":"t","ids":[2,1,"2",1.0]}`, false, with(func(p *Publish) { p.IDs = []string{"2", "1"} })},
		{"{\"resource\":\"p\",\"type\":\"t\",\"payload\": [ 1,\n\t{\"a b\": \"\\\" ] c\"} ] }", false,
			with(func(p *Publish) { p.Payload = []byte(`[1,{"a b":"\" ] c"}]`) })},
		{`{"resource":"p","type":"t","payload":null,"meta":{ "a":{"a":1,"a":2} }}`, false,
			with(func(p *Publish) { p.Payload, p.Meta = []byte("null"), []byte(`{"a":{"a":1,"a":2}}`) })},
		{`{"resource":"p","type":"t","date":"2026-11-25T15:00:00.5+01:00","key":"a/1 é"}`, false,
			with(func(p *Publish) {
				p.Date, p.Key = time.Date(2026, 11, 25, 14, 0, 0, 500_000_000, time.UTC), "a/1 é"
			})},
	} {
		got, err := ParseEvents([]byte(test.body), test.ndjson, Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.body, err)
		} else if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s\n got %+v\nwant %+v", test.body, got, test.want)
		}
	}
}

func TestParseEventsRefuses(t *testing.T) {
	const good = `{"resource":"p","type":"t"}`
	for _, test := range []struct {
		body   string
		ndjson bool
		code   Code
		says   string
	}{
		{"", false, BadRequest, "the body is empty"},
		{" \n", true, BadRequest, "the body is empty"},
		{"hi", false, BadRequest, "the body is not JSON: invalid character 'h'"},
		{good + good, false, BadRequest, "application/x-ndjson"},
		{good + "\n" + good, false, BadRequest, "application/x-ndjson"},
		{good + good, true, BadRequest, "events[0]: not JSON"},
		{good + "\n{", true, BadRequest, "events[1]: not JSON"},
		{"[" + good + "]", true, BadRequest, "events[0]: must be an event object, not an array"},
		{"[]", false, BadRequest, "the array is empty"},
		{"7", false, BadRequest, "events[0]: must be an event object, not a number"},
		{"[" + good + `,{"resource":"p"}]`, false, BadRequest, "events[1]: type is missing"},
		{good + "\n" + `{"type":"t"}`, true, BadRequest, "events[1]: resource is missing"},
		{"[" + good + "," + good + "," + good + "]", false, TooMany, "3 events: the limit of one request is 2"},
		{good + "\n" + good + "\n" + good, true, TooMany, "more than 2 events: the limit of one request is 2"},
		{good + "\n" + `{"resource":"p","type":"t","ids":[1,2]}`, true, TooMany, "make 3 messages"},
		{"{\"resource\":\"p\",\"type\":\"\xc3\"}", false, BadRequest, "the body is not valid UTF-8"},
		{strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), false, BadRequest, "exceeded max depth"},
		{`{"Resource":"p","type":"t"}`, false, BadRequest, "events[0]: resource is missing"},
	} {
		_, err := ParseEvents([]byte(test.body), test.ndjson, Limits{Publish: 2})
		if err == nil || err.Code != test.code || !strings.Contains(err.Message, test.says) {
			t.Errorf("%.100s\n got %v\nwant %s: …%s…", test.body, err, test.code, test.says)
		}
	}
}

func TestParseEventsAtTheLimits(t *testing.T) {
	payload := `"` + strings.Repeat("x", 65536-2) + `"`
	body := fmt.Sprintf(`{"resource":"p","type":"t","payload":%s}`, payload)
	if _, err := ParseEvents([]byte(body), false, Limits{}); err != nil {
		t.Errorf("a payload of 65536 bytes: %v", err)
	}
	body = strings.Replace(body, "xx", "xxx", 1)
	if _, err := ParseEvents([]byte(body), false, Limits{}); err == nil || err.Code != TooLarge {
		t.Errorf("a payload of 65537 bytes: %v, want too_large", err)
	}
	for size, code := range map[int]Code{64511: "", 64512: TooLarge} {
		body = fmt.Sprintf(`{"resource":"p","type":"t","meta":{"a":"%s"}}`, strings.Repeat("x", size-len(`{"a":""}`)))
		if _, err := ParseEvents([]byte(body), false, Limits{}); code == "" && err != nil || code != "" && (err == nil || err.Code != code) {
			t.Errorf("a meta of %d bytes: %v", size, err)
		}
	}
	lines := strings.Repeat(`{"resource":"p","type":"t"}`+"\n", 1000)
	if events, err := ParseEvents([]byte(lines), true, Limits{}); err != nil || len(events) != 1000 {
		t.Errorf("1,000 events: %d, %v", len(events), err)
	}
}

func TestCheckKey(t *testing.T) {
	for key, says := range map[string]string{
		"k":                      "",
		"6a0c3f0e-1d5b é":        "",
		strings.Repeat("k", 128): "",
		"":                       "key is empty",
		strings.Repeat("k", 129): "key has 129 bytes: the limit is 128",
		"a\r\nNats-TTL: 1":       "cannot be printed",
		"a\x7f":                  "cannot be printed",
		"a\u00a0b":               "cannot be printed",
		" a":                     "begins or ends with space",
		"a ":                     "begins or ends with space",
		"\xff":                   "not valid UTF-8",
	} {
		err := CheckKey(key)
		if says == "" && err != nil || says != "" && (err == nil || err.Code != BadRequest || !strings.Contains(err.Message, says)) {
			t.Errorf("CheckKey(%.40q) = %v, want %q", key, err, says)
		}
	}
}
