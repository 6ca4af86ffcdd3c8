package abuse

import (
	"fmt"
	"strings"
)

// sends sends frames, as they are, in a session of its own.
func (a *attack) sends(raw ...string) answer { return a.open("").say(raw...).outcome() }

// textFrames makes a text frame of each.
func textFrames(list ...string) []string {
	for i, l := range list {
		list[i] = frame(opText, l)
	}
	return list
}

// each sends each in a session of its own; all have the same outcome.
func (a *attack) each(frames []string) answer {
	return all(a, frames, func(f string) answer { return a.sends(f) })
}

func told(code string, n int) string {
	return fmt.Sprintf(`client_errors_total{code="%s"} %d`, code, n)
}
func closed(code string, n int) string { return fmt.Sprintf(`closes_total{code="%s"} %d`, code, n) }

func over(limit string, n int) string { return fmt.Sprintf(`refused_total{reason="%s"} %d`, limit, n) }

func subscribe(more string) string { return `{"op":"subscribe","sub":"a",` + more + `}` }

// oneEvent is a publish of one event with these members.
func oneEvent(members string) string {
	return `{"op":"publish","ref":"p","events":[{"resource":"products","type":"updated",` + members + `}]}`
}

var frames = group{
	title: "Frames",
	text:  "What breaks WebSocket or JSON closes the connection; what is only wrong is answered, and the connection stays open.",
	rows: []row{
		{on: "open", name: "not JSON, not an object, nothing, or more than one object on a line",
			do: func(a *attack) answer {
				return a.each(textFrames("nope", "", " \n ", "[1]", `"ping"`, "7", "null", "NaN", `{'op':'ping'}`, `{"op":"ping",}`, `{"op":"ping"} x`, `{"op":"ping"}{"op":"ping"}`, "\ufeff"+`{"op":"ping"}`,
					`{"op":"ping"`, `{"op":"pi`+"\x01"+`ng"}`))
			}, status: 101, code: "bad_frame", close: "4400", metric: []string{told("bad_frame", 15), closed("4400", 15)}},
		{on: "open", name: "JSON nested 20,000 deep, as the frame, in a field that nobody knows, as a payload",
			do: func(a *attack) answer {
				deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
				return a.each(textFrames(deep, `{"op":"ping","x":`+deep+`}`, oneEvent(`"payload":`+deep)))
			}, status: 101, code: "bad_frame", close: "4400", metric: []string{told("bad_frame", 3), closed("4400", 3)}},
		{on: "open", name: "numbers: an id of 60,000 digits, of 1e999999999, `last` of 20 digits, 0, -1, 1.5, 1e9, as text",
			do: func(a *attack) answer {
				return a.each(textFrames(subscribe(`"resource":"products","ids":[`+strings.Repeat("9", 60000)+`]`), subscribe(`"resource":"products","ids":[1e999999999]`), oneEvent(`"id":-1e400`),
					subscribe(`"resource":"products","last":99999999999999999999`), subscribe(`"resource":"products","last":0`), subscribe(`"resource":"products","last":-1`),
					subscribe(`"resource":"products","last":1.5`), subscribe(`"resource":"products","last":1e9`), subscribe(`"resource":"products","last":"5"`)))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 9)}},
		{on: "open", name: "fields that are there twice, in the object and in an event",
			do: func(a *attack) answer {
				return a.each(textFrames(`{"op":"ping","op":"publish"}`, subscribe(`"resource":"products","resource":"orders"`), `{"op":"ping","x":1,"x":2}`, oneEvent(`"type":"deleted"`), oneEvent(`"id":"1","id":"2"`),
					`{"op":"ping","\u006fp":"publish"}`))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 6)}},
		{on: "open", name: "fields of another type, null, missing, empty",
			do: func(a *attack) answer {
				return a.each(textFrames(`{}`, `{"op":7}`, `{"op":null}`, `{"op":["ping"]}`, subscribe(`"resource":7`), subscribe(`"resource":null`), subscribe(`"resource":["products"]`), subscribe(`"resource":""`), subscribe(`"types":[]`),
					subscribe(`"resource":"products","types":"updated"`), subscribe(`"resource":"products","types":[""]`), subscribe(`"resource":"products","ids":{"0":"1"}`), subscribe(`"resource":"products","ids":[null]`),
					subscribe(`"resource":"products","ids":[true]`), `{"op":"publish","ref":"p"}`, `{"op":"publish","ref":"p","events":[]}`, `{"op":"publish","ref":"p","events":{}}`, `{"op":"publish","ref":"p","events":[[]]}`,
					oneEvent(`"id":"1","ids":["2"]`), oneEvent(`"meta":[]`), oneEvent(`"date":"yesterday"`), oneEvent(`"date":1764086400`), oneEvent(`"key":""`), `{"op":"token"}`))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 24)}},
		{on: "open", name: "half of a surrogate pair in a name, a resource, an id, a key",
			do: func(a *attack) answer {
				return a.each(textFrames(`{"op":"subscribe","sub":"\ud800","resource":"products"}`, subscribe(`"resource":"\udc00"`), subscribe(`"resource":"products","ids":["\ud800x"]`), oneEvent(`"id":"\ud800\ud800"`),
					oneEvent(`"key":"\udfff"`)))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 5)}},
		{on: "open", name: "text that is not UTF-8: a lone byte, overlong, a surrogate, beyond the last character, cut off, over two fragments",
			do: func(a *attack) answer {
				bad := func(s string) string { return frame(opText, `{"op":"ping","x":"`+s+`"}`) }
				return a.each([]string{bad("\xff"), bad("\xc0\xaf"), bad("\xe0\x80\xaf"), bad("\xed\xa0\x80"), bad("\xf4\x90\x80\x80"), frame(opText, "\xe2\x82"),
					frame(firstText, `{"op":"ping","x":"`+"\xe2\x82") + frame(lastOfText, `x"}`)})
			}, status: 101, close: "1007", metric: []string{closed("1007", 7)}},
		{on: "open", name: "a binary frame, also empty",
			do: func(a *attack) answer {
				return a.each([]string{frame(opBinary, `{"op":"ping"}`), frame(opBinary, "")})
			}, status: 101, close: "1003", metric: []string{closed("1003", 2)}},
		{on: "open", name: "an op that nobody knows, or in other letters",
			do: func(a *attack) answer {
				return a.each(textFrames(`{"op":"shutdown"}`, `{"op":"Ping"}`, `{"op":""}`, `{"op":"ping\u0000"}`, `{"op":"`+strings.Repeat("x", 60000)+`"}`))
			}, status: 101, code: "unknown_op", close: "none", metric: []string{told("unknown_op", 5)}},
		{on: "open", name: "something before `connect`: a ping, a subscription, a publish, an op that nobody knows",
			do: func(a *attack) answer {
				return a.storesNothing(func() answer {
					return all(a, []string{`{"op":"ping"}`, subscribe(`"resource":"*"`), oneEvent(`"id":"1"`), `{"op":"x"}`}, func(object string) answer { return a.shake().text(object, connect("")).outcome() })
				})
			}, status: 101, code: "bad_request", close: "4400", metric: []string{told("bad_request", 4), closed("4400", 4)}},
		{on: "open", name: "a second `connect`",
			do:     func(a *attack) answer { return a.open("").text(connect("")).outcome() },
			status: 101, code: "bad_request", close: "4400", metric: []string{told("bad_request", 1), closed("4400", 1)}},
		{on: "open", name: "the name of a subscription that is in use; the first lives on",
			do: func(a *attack) answer {
				w := a.open("")
				w.text(subscribe(`"resource":"products"`)).until("live")
				got := w.text(subscribe(`"resource":"orders"`)).outcome()
				a.publish("live.products.updated.1", "{}")
				w.until("event")
				return got
			}, status: 101, code: "duplicate_sub", close: "none", metric: []string{told("duplicate_sub", 1)}},
		{on: "open", name: "unsubscribes from what was never there, or not any more",
			do: func(a *attack) answer {
				return a.open("").text(`{"op":"unsubscribe","sub":"never"}`, subscribe(`"resource":"products"`), `{"op":"unsubscribe","sub":"a"}`, `{"op":"unsubscribe","sub":"a"}`).outcome()
			}, status: 101, code: "unknown_sub × 2", close: "none", metric: []string{told("unknown_sub", 2)}},
		{on: "open", name: "a `sub` or `ref` of 65 characters, of none, or that is a number",
			do: func(a *attack) answer {
				return a.each(textFrames(`{"op":"subscribe","sub":"`+strings.Repeat("x", 65)+`","resource":"products"}`, `{"op":"subscribe","sub":"","resource":"products"}`, `{"op":"subscribe","sub":7,"resource":"products"}`,
					`{"op":"publish","ref":"`+strings.Repeat("x", 65)+`","events":[{"resource":"products","type":"updated"}]}`))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 4)}},
		{on: "open", name: "subscribes to a resource of 1,001 bytes, to an id of 10 KB",
			do: func(a *attack) answer {
				return a.each(textFrames(subscribe(`"resource":"`+strings.Repeat("x", 1001)+`"`), subscribe(`"resource":"products","ids":["`+strings.Repeat("x", 10000)+`"]`)))
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 2)}},
		{on: "open", name: "publishes an id of 10 KB, one of 400 `é` and one of 400 NULs, which are too long when escaped",
			do: func(a *attack) answer {
				return a.storesNothing(func() answer {
					return all(a, []string{strings.Repeat("x", 10000), strings.Repeat("é", 400), strings.Repeat("\x00", 400)}, func(id string) answer {
						w := a.open("").text(oneEvent(`"id":` + quote(id)))
						code := w.until("error").Code
						got := w.outcome()
						got.adds(code)
						return got
					})
				})
			}, status: 101, code: "bad_request", close: "none", metric: []string{told("bad_request", 3)}},
		{on: "open", name: "frames that are not masked; reserved bits; opcodes that are not assigned",
			do: func(a *attack) answer {
				list := []string{"\x81\x00", "\x81\x0d" + `{"op":"ping"}`, "\x89\x00"}
				for _, first := range []byte{opText | 0x40, opText | 0x20, opText | 0x10, opPing | 0x40, fin | 3, fin | 7, fin | 11, fin | 15} {
					list = append(list, frame(first, ""))
				}
				return a.each(list)
			}, status: 101, close: "1002", metric: []string{closed("1002", 11)}},
		{on: "open", name: "control frames of 126 bytes, or in fragments; a continuation of nothing; a message inside another; a length with its highest bit set, or with more bytes than it needs",
			do: func(a *attack) answer {
				return a.each([]string{frame(opPing, strings.Repeat("x", 126)), frame(opClose, strings.Repeat("x", 126)), frame(9, "x"), frame(continuation, "x"), frame(lastOfText, "x"), frame(firstText, "{") + frame(opText, "{}"),
					"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xfe\x00\x05", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05"})
			}, status: 101, close: "1002", metric: []string{closed("1002", 10)}},
		{on: "open", name: "close frames with a code that may not be sent (0, 999, 1004, 1005, 1006, 1015, 2999, 5000), or with half a code",
			do: func(a *attack) answer {
				list := []string{frame(opClose, "\x03")}
				for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 2999, 5000} {
					list = append(list, frame(opClose, string([]byte{byte(code >> 8), byte(code)})))
				}
				return a.each(list)
			}, status: 101, close: "1002", metric: []string{closed("1002", 9)}},
		{on: "open", name: "a close frame with a code of the client's own: answered, and counted under one label",
			do: func(a *attack) answer {
				return all(a, []string{"\x0f\xa0", "\x0f\xa1", "\x13\x87"}, func(code string) answer {
					got := a.sends(frame(opClose, code))
					got.close = "its own"
					return got
				})
			}, status: 101, close: "its own", metric: []string{closed("other", 3)}},
		{on: "open", name: "a message of 65,537 bytes; a frame that claims 2⁶² of which none come; fragments that are too much together",
			do: func(a *attack) answer {
				half := strings.Repeat(" ", 40000)
				return a.each([]string{frame(opText, strings.Repeat(" ", 65537)), "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", frame(firstText, half) + frame(continuation, half)})
			}, status: 101, close: "1009", metric: []string{closed("1009", 3)}},
		{on: "open", name: "a flood of empty fragments that never ends, and one of 1 byte each",
			do: func(a *attack) answer {
				return a.each([]string{frame(firstText, "") + strings.Repeat(frame(continuation, ""), 10000), frame(firstText, "{") + strings.Repeat(frame(continuation, " "), 10000)})
			}, status: 101, close: "1009", metric: []string{closed("1009", 2)}},
		{on: "open", name: "pings between the fragments of a message are no abuse",
			do: func(a *attack) answer {
				return a.sends(frame(firstText, `{"op":`), frame(opPing, "x"), frame(opPong, "y"), frame(lastOfText, `"ping"}`))
			}, status: 101, close: "none"},
		{on: "open", name: "markup, `__proto__` and line breaks in a payload and in names: handed on as they are, one line each",
			do: func(a *attack) answer {
				w := a.open("")
				w.text(`{"op":"subscribe","sub":"<img src=x onerror=alert(1)>\r\n","resource":"*","types":["</script>\n"]}`).until("live")
				const payload = `{"__proto__":{"admin":true},"constructor":1,"a":1,"a":2,"html":"</script><script>","lines":"\r\n\u2028\u2029"}`
				w.text(`{"op":"publish","ref":"\u001b[31m\n","events":[{"resource":"../\r\nX: y","type":"</script>\n","id":"\n{\"op\":\"event\"}","payload":` + "{\t" + payload[1:] + `}]}`)
				e := w.until("event")
				if string(e.Payload) != payload || e.Resource != "../\r\nX: y" || e.ID != "\n"+`{"op":"event"}` {
					a.fail("%q %q %s", e.Resource, e.ID, e.Payload)
				}
				if p := w.until("published"); p.Ref != "\x1b[31m\n" {
					a.fail("%q", p.Ref)
				}
				return w.outcome()
			}, status: 101, close: "none", metric: []string{"published_total 1"}},
	},
}
