package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// A wsCase is one exchange. Its number is that of the case in the Autobahn test suite which it corresponds to; L is for those that are
// only here.
type wsCase struct {
	id, sent string
	header   []string         // more of the handshake
	run      func(c *rawConn) // sends
	leaves   bool             // run ends the connection, or the bridge has to; otherwise it is closed with 1000 afterwards, and answered
	twice    bool             // once whole, once a byte a fragment: with the same result
	answers  string
	then     string // "open", or the code with which the bridge closes
}

const open = "open"

func text(payload string) wsFrame { return wsFrame{op: opText, payload: payload} }
func ping(payload string) wsFrame { return wsFrame{op: opPing, payload: payload} }

// padded is a ping of the bridge's own protocol, with space around it up to n bytes.
func padded(n int) wsFrame {
	const object = `{"op":"ping"}`
	return text(object + strings.Repeat(" ", n-len(object)))
}

// sends is a case that sends frames at once.
func sends(id, sent, answers, then string, frames ...wsFrame) wsCase {
	return wsCase{id: id, sent: sent, answers: answers, then: then, run: func(c *rawConn) { c.send(frames...) }}
}

// closes is a case whose frames close the connection, or must.
func closes(id, sent, answers, then string, frames ...wsFrame) wsCase {
	k := sends(id, sent, answers, then, frames...)
	k.leaves = true
	k.run = func(c *rawConn) {
		c.left = slices.ContainsFunc(frames, func(f wsFrame) bool { return f.op == opClose })
		c.send(frames...)
	}
	return k
}

// conformanceCases are in the order of the table.
func conformanceCases() []wsCase {
	return slices.Concat(framingCases(), pingCases(), reservedCases(), fragmentCases(), textCases(), utf8Cases(), closeCases(), limitCases(), extensionCases(), ownCases())
}

func framingCases() (list []wsCase) {
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		k := sends(fmt.Sprintf("1.1.%d", i+1), fmt.Sprintf("text of %d bytes", n), "answer", open)
		if n == 0 {
			k.answers, k.then, k.run = "error `bad_frame`", "4400", func(c *rawConn) { c.send(text("")) }
		} else {
			k.run = func(c *rawConn) { c.send(padded(n)) }
		}
		list = append(list, k)
	}
	list = append(list, wsCase{id: "1.1.8", sent: "text of 65536 bytes, 997 at a time", answers: "answer", then: open, run: func(c *rawConn) { c.chop(997, padded(65536)) }})
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		list = append(list, sends(fmt.Sprintf("1.2.%d", i+1), "binary of 0, 125, 126, 127, 128, 65535, 65536 bytes, and of 65536 bytes, 997 at a time", "", "1003",
			wsFrame{op: opBinary, payload: strings.Repeat("\xfe", n)}))
	}
	last := list[len(list)-1]
	last.id, last.run = "1.2.8", func(c *rawConn) { c.chop(997, wsFrame{op: opBinary, payload: strings.Repeat("\xfe", 65536)}) }
	return append(list, last)
}

func pingCases() []wsCase {
	long := strings.Repeat("\xfe", 125)
	var ten []wsFrame
	for i := range 10 {
		ten = append(ten, ping(fmt.Sprintf("payload-%d", i)))
	}
	// Only the last of several pings has to be answered (RFC 6455, section 5.5.3).
	last := func(c *rawConn) {
		c.until(func() bool { return slices.Contains(c.pongs, "payload-9") })
		if !slices.IsSorted(c.pongs) {
			c.t.Errorf("pongs %q", c.pongs)
		}
		c.pongs = c.pongs[len(c.pongs)-1:]
	}
	return []wsCase{
		sends("2.1", "ping without payload", "pong", open, ping("")),
		sends("2.2", "ping with a text", "pong `Hello, world!`", open, ping("Hello, world!")),
		sends("2.3", "ping with bytes that are no text", "pong of 8 bytes", open, ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
		sends("2.4", "ping with 125 bytes", "pong of 125 bytes", open, ping(long)),
		sends("2.5", "ping with 126 bytes", "", "1002", ping(long+"\xfe")),
		{id: "2.6", sent: "ping with 125 bytes, a byte at a time", answers: "pong of 125 bytes", then: open, run: func(c *rawConn) { c.chop(1, ping(long)) }},
		sends("2.7", "pong that was not asked for", "", open, wsFrame{op: opPong}),
		sends("2.8", "the same, with payload", "", open, wsFrame{op: opPong, payload: "unsolicited"}),
		sends("2.9", "the same, then a ping", "pong `ping`", open, wsFrame{op: opPong, payload: "unsolicited"}, ping("ping")),
		{id: "2.10", sent: "10 pings, `payload-0` to `payload-9`, at once", answers: "pong `payload-9`", then: open, run: func(c *rawConn) { c.send(ten...); last(c) }},
		{id: "2.11", sent: "10 pings, a byte at a time", answers: "pong `payload-9`", then: open, run: func(c *rawConn) { c.chop(1, ten...); last(c) }},
	}
}

func reservedCases() []wsCase {
	with := func(rsv byte) wsFrame { return wsFrame{op: opText, payload: "Hello, world!", rsv: rsv} }
	list := []wsCase{
		sends("3.1", "text with RSV 1", "", "1002", with(1)),
		{id: "3.2", sent: "text, text with RSV 2, ping, at once", answers: "echo", then: "1002", run: func(c *rawConn) { c.send(c.say("Hello"), with(2), ping("")) }},
		{id: "3.3", sent: "text, text with RSV 3, ping, frame by frame", answers: "echo", then: "1002", run: func(c *rawConn) { c.each(c.say("Hello"), with(3), ping("")) }},
		{id: "3.4", sent: "text, text with RSV 4, ping, a byte at a time", answers: "echo", then: "1002", run: func(c *rawConn) { c.chop(1, c.say("Hello"), with(4), ping("")) }},
		sends("3.5", "binary with RSV 5", "", "1002", wsFrame{op: opBinary, payload: "\x00\xff", rsv: 5}),
		sends("3.6", "ping with RSV 6", "", "1002", wsFrame{op: opPing, payload: "p", rsv: 6}),
		closes("3.7", "close with RSV 7", "", "1002", wsFrame{op: opClose, rsv: 7}),
	}
	for base, section := range map[byte]string{3: "4.1", 11: "4.2"} {
		for i := range byte(5) {
			f := wsFrame{op: base + i}
			if i%2 == 1 {
				f.payload = "Hello, world!"
			}
			k := wsCase{id: fmt.Sprintf("%s.%d", section, i+1), sent: fmt.Sprintf("a frame of opcode %d or %d", base, base+1), then: "1002", run: func(c *rawConn) { c.send(f) }}
			if i >= 2 {
				k.sent, k.answers = fmt.Sprintf("text, a frame of opcode %d, %d or %d, ping", base+2, base+3, base+4), "echo"
				k.run = func(c *rawConn) { c.send(c.say("Hello"), f, ping("")) }
			}
			list = append(list, k)
		}
	}
	slices.SortStableFunc(list, func(a, b wsCase) int { return strings.Compare(a.id, b.id) })
	return list
}

func fragmentCases() (list []wsCase) {
	ways := []struct {
		how  string
		send func(*rawConn, ...wsFrame)
	}{
		{"at once", (*rawConn).send},
		{"frame by frame", (*rawConn).each},
		{"a byte at a time", func(c *rawConn, frames ...wsFrame) { c.chop(1, frames...) }},
	}
	// three adds a case for each way of sending.
	three := func(first int, sent, answers, then string, frames func(c *rawConn) []wsFrame) {
		for i, w := range ways {
			list = append(list, wsCase{id: fmt.Sprintf("5.%d", first+i), sent: sent + ": at once, frame by frame, a byte at a time", answers: answers, then: then,
				run: func(c *rawConn) { w.send(c, frames(c)...) }})
		}
	}
	halves := func(c *rawConn) []wsFrame { return fragments(c.say("fragment1fragment2"), 36) }
	nothing := func(more bool) wsFrame { return wsFrame{op: opMore, payload: "non-continuation payload", more: more} }
	one := func(frames ...wsFrame) func(c *rawConn) []wsFrame { return func(*rawConn) []wsFrame { return frames } }
	list = append(list,
		sends("5.1", "ping in two fragments", "", "1002", cut(opPing, "frag", "ment")...),
		sends("5.2", "pong in two fragments", "", "1002", cut(opPong, "frag", "ment")...))
	three(3, "text in two fragments", "echo", open, halves)
	three(6, "text in two fragments, a ping between them", "echo, pong `ping`", open, func(c *rawConn) []wsFrame { return slices.Insert(halves(c), 1, ping("ping")) })
	three(9, "a last fragment of nothing, then text", "", "1002", one(nothing(false), text("Hello")))
	three(12, "a fragment of nothing that is not the last, then text", "", "1002", one(nothing(true), text("Hello")))
	own := func(id, sent, answers, then string, run func(c *rawConn)) {
		list = append(list, wsCase{id: id, sent: sent, answers: answers, then: then, run: run})
	}
	own("5.15", "text in two fragments, a fragment of nothing, text", "echo", "1002", func(c *rawConn) { c.send(append(halves(c), nothing(true), text("Hello"))...) })
	own("5.16", "twice: a fragment of nothing that is not the last, text in two fragments", "", "1002", func(c *rawConn) {
		c.send(slices.Repeat(append([]wsFrame{nothing(true)}, cut(opText, "frag", "ment")...), 2)...)
	})
	own("5.17", "twice: a last fragment of nothing, text in two fragments", "", "1002", func(c *rawConn) {
		c.send(slices.Repeat(append([]wsFrame{nothing(false)}, cut(opText, "frag", "ment")...), 2)...)
	})
	own("5.18", "two fragments, both with the opcode of text", "", "1002", func(c *rawConn) { c.send(wsFrame{op: opText, payload: "frag", more: true}, text("ment")) })
	for i, w := range ways[:2] {
		own(fmt.Sprintf("5.%d", 19+i), "text in five fragments, a ping after the second and the fourth, each answered before the text goes on: at once, frame by frame", "echo, pong `1`, pong `2`", open,
			func(c *rawConn) {
				f := fragments(c.say("fragment1fragment2fragment3fragment4fragment5"), 15)
				w.send(c, f[0], f[1], ping("1"))
				c.until(func() bool { return len(c.pongs) == 1 })
				w.send(c, f[2], f[3], ping("2"))
				c.until(func() bool { return len(c.pongs) == 2 })
				w.send(c, f[4:]...)
			})
	}
	return list
}

func closeCases() []wsCase {
	empty := wsFrame{op: opClose}
	list := []wsCase{
		{id: "7.1.1", sent: "text, close", answers: "echo", then: "1000", leaves: true, run: func(c *rawConn) { c.send(c.say("Hello")); c.leave() }},
		closes("7.1.2", "close, close", "", "1000", closeFrame(1000, ""), closeFrame(1000, "")),
		closes("7.1.3", "close, ping", "", "1000", closeFrame(1000, ""), ping("too late")),
		closes("7.1.4", "close, text", "", "1000", closeFrame(1000, ""), text(saying("too late"))),
		closes("7.1.5", "the first fragment of a text, close, the second", "", "1000", slices.Insert(cut(opText, "frag", "ment"), 1, closeFrame(1000, ""))...),
		closes("7.1.6", "text of 256 KiB, close, ping", "", "1009", padded(256<<10), closeFrame(1000, ""), ping("")),
		closes("7.3.1", "close without payload", "", "1000", empty),
		closes("7.3.2", "close with a payload of one byte", "", "1002", wsFrame{op: opClose, payload: "a"}),
		closes("7.3.3", "close with a code", "", "1000", closeFrame(1000, "")),
		closes("7.3.4", "close with a code and a reason", "", "1000", closeFrame(1000, "Hello World!")),
		closes("7.3.5", "close with a reason of 123 bytes", "", "1000", closeFrame(1000, strings.Repeat("*", 123))),
		closes("7.3.6", "close with a reason of 124 bytes", "", "1002", closeFrame(1000, strings.Repeat("*", 124))),
		closes("7.5.1", "close with a reason that is not UTF-8", "", "1007", closeFrame(1000, "κόσμε\xed\xa0\x80edited")),
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		list = append(list, closes(fmt.Sprintf("7.7.%d", i+1), fmt.Sprintf("close with code %d", code), "", fmt.Sprint(code), closeFrame(code, "")))
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		list = append(list, closes(fmt.Sprintf("7.9.%d", i+1), "close with code 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999: none of them may be sent", "", "1002", closeFrame(code, "")))
	}
	return append(list,
		closes("7.13.1", "close with code 5000 or 65535", "", "1002", closeFrame(5000, "")),
		closes("7.13.2", "close with code 5000 or 65535", "", "1002", closeFrame(65535, "")))
}

// limitCases stay below the bridge's limit of 64 KiB a message, or go beyond it.
func limitCases() (list []wsCase) {
	for i, n := range []int{64, 256, 1024, 4096, 8192, 16384} {
		k := sends(fmt.Sprintf("9.1.%d", i+1), "text of 256 KiB, 1, 4, 8, 16 MiB", "", "1009", padded(n<<10))
		if i == 0 {
			k.sent, k.answers, k.then = "text of 64 KiB", "answer", open
		}
		list = append(list, k)
	}
	for i, n := range []int{64, 256, 1024, 4096, 8192, 16384} {
		k := sends(fmt.Sprintf("9.2.%d", i+1), "binary of 256 KiB, 1, 4, 8, 16 MiB", "", "1009", wsFrame{op: opBinary, payload: strings.Repeat("\x00", n<<10)})
		if i == 0 {
			k.sent, k.then = "binary of 64 KiB", "1003"
		}
		list = append(list, k)
	}
	for i, n := range []int{64, 256, 1024, 4096, 16384, 65536} {
		list = append(list, sends(fmt.Sprintf("9.3.%d", i+1), "text of 64 KiB in fragments of 64, 256, 1024, 4096, 16384, 65536 bytes", "answer", open, fragments(padded(64<<10), n)...))
	}
	for i, n := range []int{64, 128, 256, 512, 1024, 2048} {
		list = append(list, wsCase{id: fmt.Sprintf("9.5.%d", i+1), sent: "text of 64 KiB, 64, 128, 256, 512, 1024, 2048 bytes at a time", answers: "answer", then: open,
			run: func(c *rawConn) { c.chop(n, padded(64<<10)) }})
	}
	for i, n := range []int{16, 64, 256, 1024, 4096, 16384} {
		list = append(list, wsCase{id: fmt.Sprintf("9.7.%d", i+1), sent: "1000 texts of 16, 64, 256, 1024, 4096, 16384 bytes, each answered before the next", answers: "answer ×1000", then: open, run: func(c *rawConn) {
			for i := range 1000 {
				c.send(padded(n))
				c.until(func() bool { return len(c.texts) > i })
			}
		}})
	}
	return append(list, sends("10.1.1", "text of 65536 bytes in fragments of 1300", "answer", open, fragments(padded(65536), 1300)...))
}

func extensionCases() (list []wsCase) {
	for i, offer := range []string{"permessage-deflate", "permessage-deflate; client_max_window_bits; server_no_context_takeover", "x-webkit-deflate-frame"} {
		header := []string{"Sec-WebSocket-Extensions: " + offer}
		list = append(list,
			wsCase{id: fmt.Sprintf("12.%d", i+1), sent: "compression is offered and not agreed on, whichever it is; text", header: header, answers: "echo", then: open, run: func(c *rawConn) { c.send(c.say("Hello")) }},
			wsCase{id: fmt.Sprintf("13.%d", i+1), sent: "compression is offered; text that is compressed all the same", header: header, then: "1002",
				run: func(c *rawConn) {
					c.send(wsFrame{op: opText, rsv: 4, payload: "\xaa\x56\xca\x2f\x50\xb2\x52\x2a\xc8\xcc\x4b\x57\xaa\x05\x00"})
				}})
	}
	slices.SortStableFunc(list, func(a, b wsCase) int { return strings.Compare(a.id, b.id) })
	return list
}

// ownCases are not in the Autobahn test suite.
func ownCases() []wsCase {
	halfClose := func(c *rawConn) { _ = c.conn.(*net.TCPConn).CloseWrite() }
	list := []wsCase{
		sends("L.1", "a frame that is not masked: text, ping, fragment", "", "1002", wsFrame{op: opText, payload: `{"op":"ping"}`, unmasked: true}),
		sends("L.2", "a frame that is not masked: text, ping, fragment", "", "1002", wsFrame{op: opPing, unmasked: true}),
		sends("L.3", "a frame that is not masked: text, ping, fragment", "", "1002", wsFrame{op: opText, payload: `{"op":`, more: true}, wsFrame{payload: `"ping"}`, unmasked: true}),
		closes("L.4", "close that is not masked", "", "1002", wsFrame{op: opClose, unmasked: true}),
		sends("L.5", "text masked with zeros, with ones", "answer", open, wsFrame{op: opText, payload: `{"op":"ping"}`, key: "\x00\x00\x00\x00"}),
		sends("L.6", "text masked with zeros, with ones", "answer", open, wsFrame{op: opText, payload: `{"op":"ping"}`, key: "\xff\xff\xff\xff"}),
		sends("L.7", "text in two fragments, each with a mask of its own", "answer", open,
			wsFrame{op: opText, payload: `{"op":`, more: true, key: "\x01\x02\x03\x04"}, wsFrame{payload: `"ping"}`, key: "\xfe\xdc\xba\x98"}),
		sends("L.8", "a length of 2 or 8 bytes where fewer would do", "", "1002", wsFrame{op: opText, payload: strings.Repeat(" ", 125), wide: 2}),
		sends("L.9", "a length of 2 or 8 bytes where fewer would do", "", "1002", wsFrame{op: opText, payload: strings.Repeat(" ", 125), wide: 8}),
		sends("L.10", "a length of 2 or 8 bytes where fewer would do", "", "1002", wsFrame{op: opText, payload: strings.Repeat(" ", 65535), wide: 8}),
		closes("L.11", "the header alone of a text: its length has the highest bit", "", "1002", wsFrame{op: opText, claims: 1 << 63}),
		closes("L.12", "the header alone of a text of 2^63 - 1 bytes, of 65537 bytes", "", "1009", wsFrame{op: opText, claims: 1<<63 - 1}),
		closes("L.13", "the header alone of a text of 2^63 - 1 bytes, of 65537 bytes", "", "1009", wsFrame{op: opText, claims: 65537}),
		closes("L.14", "text of 65536 bytes, and the header alone of a fragment of one", "", "1009",
			wsFrame{op: opText, payload: strings.Repeat(" ", 65536), more: true}, wsFrame{claims: 1}),
		sends("L.15", "text in 4096 fragments", "answer", open, fragments(padded(4096), 1)...),
		sends("L.16", "text in 4097 fragments", "", "1009", fragments(padded(4097), 1)...),
		closes("L.17", "close with code 1012, 1013, 1014", "", "1012", closeFrame(1012, "")),
		closes("L.18", "close with code 1012, 1013, 1014", "", "1013", closeFrame(1013, "")),
		closes("L.19", "close with code 1012, 1013, 1014", "", "1014", closeFrame(1014, "")),
		closes("L.20", "close with code 1015", "", "1002", closeFrame(1015, "")),
	}
	ends := func(id, sent, answers, then string, run func(c *rawConn)) {
		list = append(list, wsCase{id: id, sent: sent, answers: answers, then: then, leaves: true, run: run})
	}
	ends("L.21", "close, and the end of what is sent (a half-closed connection)", "", "1000", func(c *rawConn) { c.leave(); halfClose(c) })
	ends("L.22", "the end of what is sent, without a close; in a frame; in a fragmented text", "", "ends", halfClose)
	ends("L.23", "the end of what is sent, without a close; in a frame; in a fragmented text", "", "ends", func(c *rawConn) { c.send(wsFrame{op: opText, claims: 10, payload: "half"}); halfClose(c) })
	ends("L.24", "the end of what is sent, without a close; in a frame; in a fragmented text", "", "ends", func(c *rawConn) { c.send(wsFrame{op: opText, payload: "half", more: true}); halfClose(c) })
	ends("L.25", "text that is no JSON; the bridge's close is not answered, and the connection ends all the same", "error `bad_frame`", "4400", func(c *rawConn) {
		c.left = true
		c.send(text("hello"))
	})
	ends("L.26", "a close that the client sends in two fragments", "", "1002", func(c *rawConn) {
		c.left = true
		c.send(cut(opClose, "\x03", "\xe8")...)
	})
	return append(list, wsCase{id: "L.27", sent: "text of 60000 bytes, published as an event and subscribed to", answers: "echo, live, published, subscribed", then: open, run: func(c *rawConn) {
		c.send(text(`{"op":"subscribe","sub":"a","resource":"conformance"}`))
		c.until(func() bool { return len(c.texts) == 2 })
		payload := strings.Repeat("κόσμε\U0001F600", 60000/14)
		c.said = append(c.said, payload)
		c.send(text(`{"op":"publish","ref":"p","events":[{"resource":"conformance","type":"created","payload":"` + payload + `"}]}`))
		c.until(func() bool { return len(c.texts) == 4 })
		slices.Sort(c.texts)
	}})
}
