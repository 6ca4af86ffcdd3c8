package protocol

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitFrame(t *testing.T) {
	for frame, want := range map[string][]string{
		"":                nil,
		" \r\n\t\n":       nil,
		"{}":              {"{}"},
		"{}\n":            {"{}"},
		"{}\r\n\r\n [1] ": {"{}", "[1]"},
		"a\nb\nc":         {"a", "b", "c"},
	} {
		var got []string
		for object := range SplitFrame([]byte(frame)) {
			got = append(got, string(object))
		}
		if !slices.Equal(got, want) {
			t.Errorf("SplitFrame(%q) = %q, want %q", frame, got, want)
		}
	}
	for range SplitFrame([]byte("a\nb")) {
		break // must not go on
	}
}

func TestParseMessage(t *testing.T) {
	subscribe := func(s Subscribe) Message { return Message{Op: OpSubscribe, Sub: "a", Subscribe: s} }
	for object, want := range map[string]Message{
		`{"op":"connect"}`:                                                       {Op: OpConnect},
		`{"op":"connect","token":""}`:                                            {Op: OpConnect},
		`{"op":"connect","token":"t"}`:                                           {Op: OpConnect, Token: "t"},
		`{"op":"token","token":"t"}`:                                             {Op: OpToken, Token: "t"},
		` {"op":"ping","sub":7,"last":[]} `:                                      {Op: OpPing},
		`{"op":"unsubscribe","sub":"\ud83d\ude00"}`:                              {Op: OpUnsubscribe, Sub: "😀"},
		`{"op":"subscribe","sub":"a","resource":"*"}`:                            subscribe(Subscribe{Resource: "*"}),
		`{"op":"subscribe","sub":"a","resource":"p","types":["x","*"],"ids":[]}`: subscribe(Subscribe{Resource: "p"}),
		`{"op":"subscribe","sub":"a","resource":"p","types":["x","y"],"ids":[1,"*","",-0,2.50]}`: subscribe(
			Subscribe{Resource: "p", Types: []string{"x", "y"}, IDs: []string{"1", "*", "", "0", "2.5"}}),
		`{"op":"subscribe","sub":"a","resource":"p","after":"c 1"}`: subscribe(
			Subscribe{Resource: "p", Start: Start{Kind: After, After: "c 1"}}),
		`{"op":"subscribe","sub":"a","resource":"p","since":"-15m"}`: subscribe(
			Subscribe{Resource: "p", Start: Start{Kind: Since, Ago: 15 * time.Minute}}),
		`{"op":"subscribe","sub":"a","resource":"p","since":"2026-11-25T15:00:00+01:00"}`: subscribe(
			Subscribe{Resource: "p", Start: Start{Kind: Since, Since: time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)}}),
		`{"op":"subscribe","sub":"a","resource":"p","last":100000}`: subscribe(
			Subscribe{Resource: "p", Start: Start{Kind: Last, Last: 100_000}}),
		`{"op":"publish","ref":"r","events":[{"resource":"p","type":"t"}]}`: {Op: OpPublish, Ref: "r",
			Events: []Publish{{Resource: "p", Type: "t", Payload: []byte("{}")}}},
	} {
		got, err := ParseMessage([]byte(object), Limits{})
		if err != nil {
			t.Errorf("%s: %v", object, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", object, got, want)
		}
	}
}

// TestRefusals checks what the author of a client reads.
func TestRefusals(t *testing.T) {
	few := Limits{IDs: 2, Publish: 2, Replay: 9, Payload: 8}
	sub := func(rest string) string { return `{"op":"subscribe","sub":"a","resource":"p",` + rest + `}` }
	pub := func(events string) string { return `{"op":"publish","ref":"r","events":[` + events + `]}` }
	for _, test := range []struct {
		object string
		code   Code
		says   string
	}{
		{``, BadFrame, "not JSON: unexpected end of JSON input at byte 0"},
		{`{"op":"ping"} x`, BadFrame, "invalid character 'x' after top-level value at byte 15"},
		{strings.Repeat("[", 20_000), BadFrame, "exceeded max depth"},
		{`{"x":` + strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat("}", 20_001), BadFrame, "exceeded max depth"},
		{`"ping"`, BadFrame, "not an object but a string"},
		{`{}`, BadRequest, "op is missing: send one of connect"},
		{`{"op":null}`, BadRequest, "op must be a string, not null"},
		{"{\"op\":\"ping\",\"x\":\"\xff\"}", BadRequest, "not valid UTF-8"},
		{"{\"op\":\"ping\",\"\xff\":1}", BadRequest, "the name of a field is not valid UTF-8"},
		{`{"op":"ping","\ud800":1}`, BadRequest, "the name of a field has half of a surrogate pair"},
		{`{"op":"ping","x":1,"x":1}`, BadRequest, `field "x" comes twice`},
		{`{"op":"` + strings.Repeat("é", 60) + `"}`, UnknownOp, `op "éééééééééééééééééééé"… (60 characters) is not known`},
		{`{"op":"token"}`, BadRequest, "token is missing: send the fresh token"},
		{`{"op":"token","token":[]}`, BadRequest, "token must be a string, not an array"},
		{`{"op":"unsubscribe","sub":"` + strings.Repeat("😀", 65) + `"}`, BadRequest, "sub must be a string of 1 to 64 characters"},
		{`{"op":"subscribe","sub":"a","resource":{}}`, BadRequest, "resource must be a string, not an object"},
		{`{"op":"subscribe","sub":"a","resource":"\udc00"}`, BadRequest, "resource has half of a surrogate pair"},
		{sub(`"types":{}`), BadRequest, "types must be an array of strings, not an object"},
		{sub(`"types":["x",1]`), BadRequest, "types[1] must be a string, not a number"},
		{sub(`"ids":"1"`), BadRequest, "ids must be an array of strings or numbers, not a string"},
		{sub(`"ids":[1,false]`), BadRequest, "ids[1] must be a string or a number, not a boolean"},
		{sub(`"ids":["\ud800"]`), BadRequest, "ids[0] has half of a surrogate pair"},
		{sub(`"ids":[-1e999999]`), BadRequest, `ids[0] is the number "-1e999999", which no double can hold: send it as a string`},
		{sub(`"ids":[1,2,3]`), TooMany, "3 ids: the limit is 2"},
		{sub(`"since":"-15m","last":5`), BadRequest, "more than one of after, since and last"},
		{sub(`"after":5`), BadRequest, "after must be a string, not a number: send a cursor"},
		{sub(`"after":""`), BadRequest, "after is empty"},
		{sub(`"since":1732543200`), BadRequest, "since must be a string, not a number: send an RFC 3339 time"},
		{sub(`"last":10`), BadRequest, `last is "10": send a whole number from 1 to 9`},
		{sub(`"last":true`), BadRequest, "last must be a number from 1 to 9, not a boolean"},
		{sub(`"last":1` + strings.Repeat("0", 5000)), BadRequest, "send a whole number from 1 to 9"},
		{pub(``), BadRequest, "events is empty: send at least one event"},
		{pub(`1`), BadRequest, "events[0]: must be an event object, not a number"},
		{pub(`{"resource":"p","type":"t"},{"resource":"p"}`), BadRequest, "events[1]: type is missing"},
		{pub(`{"resource":"p","type":"t","type":"t"}`), BadRequest, `events[0]: field "type" comes twice`},
		{pub(`{"resource":"","type":"t"}`), BadRequest, "events[0]: resource is empty"},
		{pub(`{"resource":"p","type":"t","id":null}`), BadRequest, "events[0]: id must be a string or a number, not null"},
		{pub(`{"resource":"p","type":"t","id":1,"ids":[1]}`), BadRequest, "events[0]: both id and ids"},
		{pub(`{"resource":"p","type":"t","ids":7}`), BadRequest, "events[0]: ids must be an array"},
		{pub(`{"resource":"p","type":"t","ids":[1,2,3]}`), TooMany, "events[0]: 3 ids: the limit is 2"},
		{pub(`{"resource":"p","type":"t"},{"resource":"p","type":"t","ids":[1,2]}`), TooMany, "make 3 messages, one per id: the limit of one request is 2"},
		{pub(`{},{},{}`), TooMany, "3 events: the limit of one request is 2"},
		{pub(`{"resource":"p","type":"t","payload":"1234567"}`), TooLarge, "events[0]: payload has 9 bytes: the limit is 8"},
		{pub(`{"resource":"p","type":"t","meta":{"a":1234}}`), TooLarge, "events[0]: meta has 10 bytes: the limit is 8"},
		{pub(`{"resource":"p","type":"t","meta":"x"}`), BadRequest, "events[0]: meta must be an object, not a string"},
		{pub(`{"resource":"p","type":"t","date":5}`), BadRequest, "events[0]: date must be a string, not a number: send RFC 3339"},
		{pub(`{"resource":"p","type":"t","date":"9999-12-31T23:59:59-01:00"}`), BadRequest, "is not a time"},
		{pub(`{"resource":"p","type":"t","key":5}`), BadRequest, "events[0]: key must be a string, not a number"},
		{pub(`{"resource":"p","type":"t","key":""}`), BadRequest, "events[0]: key is empty: send 1 to 128 bytes"},
	} {
		_, err := ParseMessage([]byte(test.object), few)
		if err == nil || err.Code != test.code || !strings.Contains(err.Message, test.says) {
			t.Errorf("%.100s\n got %v\nwant %s: …%s…", test.object, err, test.code, test.says)
		} else if len(err.Message) > 300 {
			t.Errorf("%.100s: a message of %d bytes", test.object, len(err.Message))
		}
	}
}

func TestErrorsNameTheirSubject(t *testing.T) {
	for object, want := range map[string]Error{
		`{"op":"subscribe","sub":"a"}`:                                      {Code: BadRequest, Sub: "a"},
		`{"sub":"a","op":"dance"}`:                                          {Code: UnknownOp, Sub: "a"},
		`{"op":"publish","ref":"p1"}`:                                       {Code: BadRequest, Ref: "p1"},
		`{"op":"publish","ref":"","sub":"` + strings.Repeat("a", 65) + `"}`: {Code: BadRequest},
		`{"ref":"p1","op":1,"sub":"a"}`:                                     {Code: BadRequest, Sub: "a", Ref: "p1"},
		`{"sub":"a"`:                                                        {Code: BadFrame},
	} {
		_, err := ParseMessage([]byte(object), Limits{})
		if err == nil {
			t.Errorf("%s: taken", object)
			continue
		}
		want.Message = err.Message
		if *err != want {
			t.Errorf("%s: got %+v, want %+v", object, *err, want)
		}
	}
}

func TestMessageKeepsNothing(t *testing.T) {
	object := []byte(`{"op":"publish","ref":"ref","events":[{"resource":"products","type":"updated","id":"42","payload":{"a":[1]},"meta":{"b":2},"key":"k"}]}`)
	msg, err := ParseMessage(object, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprintf("%+v", msg)
	for i := range object {
		object[i] = 'x'
	}
	if after := fmt.Sprintf("%+v", msg); after != before {
		t.Errorf("the message changed with the buffer it was read from:\n%s\n%s", before, after)
	}
}

func TestLimits(t *testing.T) {
	want := Limits{Frame: 65536, Payload: 65536, Subscriptions: 128, IDs: 1000, Publish: 1000, Replay: 100_000}
	if got := (Limits{IDs: -1}).WithDefaults(); got != want {
		t.Errorf("defaults are %+v, want %+v", got, want)
	}
	if got := (Limits{IDs: 3}).WithDefaults(); got.IDs != 3 || got.Frame != 65536 {
		t.Errorf("a set limit did not stay: %+v", got)
	}
}
