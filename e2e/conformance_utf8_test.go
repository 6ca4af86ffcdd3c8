package e2e

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

func textCases() []wsCase {
	const greeting = "Hello-µ@ßöäüàá-UTF-8!!"
	// Part 2 is U+110000 as it would be written, which is beyond Unicode; parts 1 and 3 are valid.
	const part1, part2, part3 = `{"op":"ping"}κόσμε`, "\xf4\x90\x80\x80", "edited"
	say := func(id, sent string, split func(message wsFrame) []wsFrame) wsCase {
		return wsCase{id: id, sent: sent, answers: "echo", then: open, run: func(c *rawConn) { c.send(split(c.say(greeting))...) }}
	}
	// faulty is a case whose text goes wrong, and is not sent to its end: the bridge must not wait for it.
	faulty := func(id, sent string, begin, bad wsFrame, chop int) wsCase {
		return wsCase{id: id, sent: sent, answers: "pong `still here`", then: "1007", leaves: true, run: func(c *rawConn) {
			c.chop(chop, begin, ping("still here"))
			c.until(func() bool { return len(c.pongs) == 1 })
			c.chop(chop, bad)
		}}
	}
	unfinished := func(payload string) wsFrame {
		return wsFrame{op: opText, payload: payload, claims: uint64(len(part1 + part2 + part3))}
	}
	return []wsCase{
		sends("6.1.1", "text of no bytes; in three empty fragments", "error `bad_frame`", "4400", text("")),
		sends("6.1.2", "text of no bytes; in three empty fragments", "error `bad_frame`", "4400", cut(opText, "", "", "")...),
		sends("6.1.3", "text in three fragments, the first and the last empty", "answer", open, cut(opText, "", `{"op":"ping"}`, "")...),
		say("6.2.1", "valid text: whole, in two fragments, a byte a fragment", func(m wsFrame) []wsFrame { return []wsFrame{m} }),
		say("6.2.2", "valid text: whole, in two fragments, a byte a fragment", func(m wsFrame) []wsFrame { return fragments(m, strings.Index(m.payload, "ß")) }),
		say("6.2.3", "valid text: whole, in two fragments, a byte a fragment", func(m wsFrame) []wsFrame { return fragments(m, 1) }),
		{id: "6.2.4", sent: "valid text in Greek, a byte a fragment", answers: "echo", then: open, run: func(c *rawConn) { c.send(fragments(c.say("κόσμε"), 1)...) }},
		sends("6.3.1", "text that is not UTF-8: whole, a byte a fragment", "", "1007", text(part1+"\xed\xa0\x80"+part3)),
		sends("6.3.2", "text that is not UTF-8: whole, a byte a fragment", "", "1007", fragments(text(part1+"\xed\xa0\x80"+part3), 1)...),
		faulty("6.4.1", "a valid fragment, one that makes the text wrong, and not the last", wsFrame{op: opText, payload: part1, more: true}, wsFrame{payload: part2, more: true}, 1<<20),
		faulty("6.4.2", "the same, split in the midst of the faulty character, which is not sent to its end", wsFrame{op: opText, payload: part1 + part2[:1], more: true}, wsFrame{payload: part2[1:2], more: true}, 1<<20),
		{id: "6.4.3", sent: "a frame up to its first wrong byte, and not its rest: at once, a byte at a time", then: "1007", leaves: true, run: func(c *rawConn) { c.send(unfinished(part1 + part2[:2])) }},
		{id: "6.4.4", sent: "a frame up to its first wrong byte, and not its rest: at once, a byte at a time", then: "1007", leaves: true, run: func(c *rawConn) { c.chop(1, unfinished(part1+part2[:2])) }},
	}
}

// utf8Cases are the sequences of Markus Kuhn's "UTF-8 decoder capability and stress test", in the order in which Autobahn has them, each
// inside a message that echoes it where it is valid.
func utf8Cases() (list []wsCase) {
	for i, g := range utf8Sequences() {
		for j, s := range g.texts {
			k := wsCase{id: fmt.Sprintf("6.%d.%d", i+5, j+1), sent: g.what, answers: "echo", then: open, twice: true, run: func(c *rawConn) { c.put(c.say(s)) }}
			switch {
			case s == "\x00": // is UTF-8, and must be escaped in JSON
				k.answers, k.then = "error `bad_frame`", "4400"
			case !utf8.ValidString(s) && i == 1: // a prefix: the message ends with it
				k.answers, k.then = "", "1007"
				k.run = func(c *rawConn) { c.put(text(`{"op":"ping"}` + s)) }
			case !utf8.ValidString(s):
				k.answers, k.then = "", "1007"
				k.run = func(c *rawConn) { c.put(text(saying(s))) }
			}
			list = append(list, k)
		}
	}
	return list
}

type sequences struct {
	what  string
	texts []string
}

func utf8Sequences() []sequences {
	const greek = "κ\u1f79σμε"
	var prefixes, lonely []string
	for n := range len(greek) {
		prefixes = append(prefixes, greek[:n+1])
	}
	for _, m := range [][2]byte{{0xc0, 0xdf}, {0xe0, 0xef}, {0xf0, 0xf7}, {0xf8, 0xfb}, {0xfc, 0xfd}} {
		s := ""
		for b := m[0]; b <= m[1]; b++ {
			s += string([]byte{b, ' '})
		}
		lonely = append(lonely, s)
	}
	last := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	all := make([]byte, 0, 64)
	for b := 0x80; b <= 0xbf; b++ {
		all = append(all, byte(b))
	}
	return []sequences{
		{"valid text", []string{"hello\u0024world", "hello\u00A2world", "hello\u20ACworld", "hello\U00024B62world", greek}},
		{"every prefix of a text, valid where it ends with a character", prefixes},
		{"the first character of each length", []string{"\x00", "\u0080", "\u0800", "\U00010000"}},
		{"the first of 5 and 6 bytes, which are not Unicode", []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{"the last character of each length", []string{"\x7f", "\u07ff", "\uffff", "\U0010FFFF"}},
		{"the last of 4, 5 and 6 bytes, which are not Unicode", []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
		{"other boundaries", []string{"\ud7ff", "\ue000", "\ufffd", "\U0010FFFF", "\xf4\x90\x80\x80"}},
		{"unexpected continuation bytes", []string{"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", string(all)}},
		{"lonely first bytes", lonely},
		{"characters without their last byte", last},
		{"all of them in a row", []string{strings.Join(last, "")}},
		{"impossible bytes", []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
		{"overlong ASCII", []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
		{"the longest overlong characters", []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
		{"overlong NUL", []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
		{"single surrogates", []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}},
		{"pairs of surrogates", []string{"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
		{"non-characters, which are valid", nonCharacters()},
		{"specials, such as the replacement character", []string{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"}},
	}
}

// nonCharacters are the last two code points of each plane.
func nonCharacters() (list []string) {
	list = []string{"\ufffe", "\uffff"}
	for plane := rune(1); plane <= 16; plane++ {
		list = append(list, string(plane<<16|0xFFFE), string(plane<<16|0xFFFF))
	}
	return list
}
