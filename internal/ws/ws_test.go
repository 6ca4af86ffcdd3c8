package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// read returns what a reader makes of the bytes, as text: "T:text", "B:binary", "C:code reason", "9:ping", "10:pong", and the end.
func read(raw []byte, limit, step int) string { return readFrom(&wire{raw: raw, step: step}, limit) }

func readFrom(w *wire, limit int) string {
	var got []string
	r := NewReader(w, limit, 1)
	for {
		op, payload, err := r.Next()
		if err != nil {
			return strings.Join(append(got, end(err)), " | ")
		}
		switch op {
		case Text:
			got = append(got, "T:"+string(payload))
		case Binary:
			got = append(got, "B:"+string(payload))
		case Close:
			got = append(got, fmt.Sprintf("C:%d %s", CloseCode(payload), payload[min(2, len(payload)):]))
		default:
			got = append(got, fmt.Sprintf("%d:%s", op, payload))
		}
	}
}

func end(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Code)
	}
	return err.Error()
}

func TestNext(t *testing.T) {
	long := strings.Repeat("x", 65536)
	cases := []struct {
		name string
		raw  []byte
		want string // followed by EOF where it does not end in a close code
	}{
		{"nothing", nil, ""},
		{"text", frames(sent{op: Text, payload: "hello"}), "T:hello"},
		{"empty text", frames(sent{op: Text}), "T:"},
		{"binary", frames(sent{op: Binary, payload: "\xff\x00"}), "B:\xff\x00"},
		{"two in one read", frames(sent{op: Text, payload: "a"}, sent{op: Text, payload: "b"}), "T:a | T:b"},
		{"longest short length", frames(sent{op: Text, payload: long[:125]}), "T:" + long[:125]},
		{"shortest medium length", frames(sent{op: Text, payload: long[:126]}), "T:" + long[:126]},
		{"longest medium length", frames(sent{op: Text, payload: long[:65535]}), "T:" + long[:65535]},
		{"shortest long length", frames(sent{op: Text, payload: long}), "T:" + long},
		{"ping", frames(sent{op: Ping, payload: long[:125]}), "9:" + long[:125]},
		{"pong nobody asked for", frames(sent{op: Pong}), "10:"},

		{"fragments", frames(sent{op: Text, payload: "a", more: true}, sent{payload: "b", more: true}, sent{payload: "c"}), "T:abc"},
		{"empty fragments", frames(sent{op: Text, more: true}, sent{more: true}, sent{}), "T:"},
		{"control between fragments", frames(sent{op: Text, payload: "a", more: true}, sent{op: Ping, payload: "1"}, sent{payload: "b", more: true},
			sent{op: Pong, payload: "2"}, sent{payload: "c"}, sent{op: Text, payload: "d"}), "9:1 | 10:2 | T:abc | T:d"},
		{"close between fragments", frames(sent{op: Text, payload: "a", more: true}, sent{op: Close, payload: "\x03\xe9"}), "C:1001 "},
		{"a rune over fragments", frames(sent{op: Text, payload: "\xe2\x82", more: true}, sent{op: Ping}, sent{payload: "\xac"}), "9: | T:€"},
		{"binary over fragments", frames(sent{op: Binary, payload: "\xe2", more: true}, sent{payload: "\xff"}), "B:\xe2\xff"},

		{"reserved bit 1", frames(sent{op: Text, payload: "a", reserved: 0x40}), "1002"},
		{"reserved bit 2", frames(sent{op: Ping, reserved: 0x20}), "1002"},
		{"reserved bit 3", frames(sent{op: Text, payload: "a", more: true}, sent{payload: "b", reserved: 0x10}), "1002"},
		{"no mask", frames(sent{op: Text, payload: "a", plain: true}), "1002"},
		{"no mask on a ping", frames(sent{op: Ping, plain: true}), "1002"},
		{"control of 126 bytes", frames(sent{op: Ping, payload: long[:126]}), "1002"},
		{"control of 65,536 bytes", frames(sent{op: Close, payload: long}), "1002"},
		{"control in fragments", frames(sent{op: Ping, payload: "a", more: true}), "1002"},
		{"continuation of nothing", frames(sent{payload: "a"}), "1002"},
		{"continuation after the end", frames(sent{op: Text, payload: "a"}, sent{payload: "b"}), "T:a | 1002"},
		{"continuation after a ping", frames(sent{op: Ping}, sent{payload: "b"}), "9: | 1002"},
		{"text inside text", frames(sent{op: Text, more: true}, sent{op: Text}), "1002"},
		{"binary inside text", frames(sent{op: Text, more: true}, sent{op: Binary}), "1002"},
		{"length with its highest bit", frames(sent{op: Text, claimed: 1 << 63}), "1002"},
		{"all bits of a length", frames(sent{op: Text, claimed: 1<<64 - 1}), "1002"},
		{"two bytes for a length of one", frames(sent{op: Text, payload: long[:125], wide: 2}), "1002"},
		{"eight bytes for a length of two", frames(sent{op: Text, payload: long[:65535], wide: 8}), "1002"},
		{"the longest length", frames(sent{op: Text, claimed: 1<<63 - 1}), "1009"},

		{"text is not UTF-8", frames(sent{op: Text, payload: "a\xffb"}), "1007"},
		{"a rune that does not end", frames(sent{op: Text, payload: "\xe2\x82"}), "1007"},
		{"overlong", frames(sent{op: Text, payload: "\xc0\xaf"}), "1007"},
		{"surrogate", frames(sent{op: Text, payload: "\xed\xa0\x80"}), "1007"},
		{"beyond Unicode", frames(sent{op: Text, payload: "\xf4\x90\x80\x80"}), "1007"},
		{"not UTF-8 over fragments", frames(sent{op: Text, payload: "\xe2\x82", more: true}, sent{payload: "a"}), "1007"},

		{"close without a code", frames(sent{op: Close}), "C:1005 "},
		{"close with a reason", frames(sent{op: Close, payload: "\x03\xe8bye"}), "C:1000 bye"},
		{"longest close", frames(sent{op: Close, payload: "\x0f\xa0" + long[:123]}), "C:4000 " + long[:123]},
		{"close with half a code", frames(sent{op: Close, payload: "\x03"}), "1002"},
		{"close reason is not UTF-8", frames(sent{op: Close, payload: "\x03\xe8\xff"}), "1007"},
	}
	for op := Op(3); op < 16; op++ {
		if op < Close || op > Pong {
			cases = append(cases, cases[0])
			last := &cases[len(cases)-1]
			last.name, last.raw, last.want = fmt.Sprintf("opcode %d", op), frames(sent{op: op}), "1002"
		}
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.want
			if last := want[strings.LastIndexByte(want, ' ')+1:]; len(last) != 4 || last < "1000" || last > "1011" {
				want = strings.TrimPrefix(want+" | EOF", " | ")
			}
			for _, step := range []int{0, 1, 7} {
				if got := read(tc.raw, 65536, step); got != want {
					t.Errorf("%d bytes at a time: got %.80q, want %.80q", step, got, want)
				}
			}
		})
	}
}

func TestCloseCodes(t *testing.T) {
	allowed := func(code int) bool {
		return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
	}
	for code := range 1 << 16 {
		payload := binary.BigEndian.AppendUint16(nil, uint16(code))
		want := fmt.Sprintf("C:%d  | EOF", code)
		if !allowed(code) {
			want = "1002"
		}
		if got := read(frames(sent{op: Close, payload: string(payload)}), 10, 0); got != want {
			t.Errorf("close code %d: got %q, want %q", code, got, want)
		}
	}
}

// Text is refused at the first byte that cannot be of UTF-8, without waiting for the rest of its frame; and not before.
func TestTextIsCheckedAsItComes(t *testing.T) {
	const good = "a\u00ff\u20ac\U0001F600"
	for n := range len(good) + 1 {
		for _, split := range []int{0, n / 2, n} {
			begun := func(rest string) []byte {
				list := []sent{{op: Text, payload: good[:split], more: true}, {payload: good[split:n] + rest, claimed: 1000}}
				return frames(list...)
			}
			for _, step := range []int{0, 1, 3} {
				if got := read(begun(""), 2000, step); got != "EOF" {
					t.Errorf("%q, then %q: %s", good[:split], good[split:n], got)
				}
				if got := read(begun("\xff"), 2000, step); got != "1007" {
					t.Errorf("%q, then %q: %s", good[:split], good[split:n]+"\xff", got)
				}
			}
		}
	}
	for _, beyond := range []string{"\xf4\x90", "\xed\xa0", "\xe0\x80", "\xf0\x80", "\xc0", "\xf5"} {
		if got := read(frames(sent{op: Text, payload: beyond, claimed: 100}), 1000, 1); got != "1007" {
			t.Errorf("%q: %s", beyond, got)
		}
	}
}

func TestLimit(t *testing.T) {
	const limit = 1000
	x := strings.Repeat("x", limit+1)
	for _, tc := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"exactly", frames(sent{op: Text, payload: x[:limit]}), "T:" + x[:limit] + " | EOF"},
		{"one more", frames(sent{op: Text, payload: x}), "1009"},
		{"refused by its header", frames(sent{op: Text, claimed: limit + 1}), "1009"},
		{"fragments, exactly", frames(sent{op: Text, payload: x[:400], more: true}, sent{payload: x[:600]}), "T:" + x[:limit] + " | EOF"},
		{"fragments, one more", frames(sent{op: Text, payload: x[:400], more: true}, sent{payload: x[:601]}), "1009"},
		{"fragments, then all bits", frames(sent{op: Text, payload: x[:400], more: true}, sent{claimed: 1<<63 - 1}), "1009"},
		{"one after the other", frames(sent{op: Text, payload: x[:limit]}, sent{op: Binary, payload: x[:limit]}), "T:" + x[:limit] + " | B:" + x[:limit] + " | EOF"},
		{"a full message and a ping", frames(sent{op: Text, payload: x[:limit], more: true}, sent{op: Ping, payload: x[:125]}, sent{}), "9:" + x[:125] + " | T:" + x[:limit] + " | EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := read(tc.raw, limit, 0); got != tc.want {
				t.Errorf("got %.60q, want %.60q", got, tc.want)
			}
		})
	}
}

func TestFragmentLimit(t *testing.T) {
	message := func(n int) []byte {
		list := []sent{{op: Text, more: true}}
		for len(list) < n-1 {
			list = append(list, sent{more: true})
		}
		return frames(append(list, sent{})...)
	}
	if got := read(append(message(4096), message(4096)...), 10, 0); got != "T: | T: | EOF" {
		t.Errorf("4,096 fragments, twice: %q", got)
	}
	if got := read(message(4097), 10, 0); got != "1009" {
		t.Errorf("4,097 fragments: %q", got)
	}
}

// A header that announces much costs nothing until the bytes come.
func TestBufferGrowsWithWhatArrives(t *testing.T) {
	const limit = 1 << 30
	for _, arrived := range []int{0, 1, 511, 513, 5000, 100_000} {
		r := NewReader(&wire{raw: frames(sent{op: Text, payload: strings.Repeat("x", arrived), claimed: limit})}, limit, 1)
		if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if c := cap(r.message); c > 2*arrived+1024 {
			t.Errorf("%d bytes arrived, %d are held", arrived, c)
		}
	}
}

func TestBufferStaysWithinTheLimit(t *testing.T) {
	const limit = 50_000
	var list []sent
	for range limit / 20 {
		list = append(list, sent{payload: strings.Repeat("x", 20), more: true})
	}
	list[0].op, list[len(list)-1].more = Text, false
	r := NewReader(&wire{raw: frames(append(list, sent{op: Ping})...)}, limit, 1)
	if _, m, err := r.Next(); err != nil || len(m) != limit || cap(m) > limit {
		t.Errorf("%d bytes in a buffer of %d: %v", len(m), cap(m), err)
	}
	if _, _, err := r.Next(); err != nil || r.message != nil {
		t.Errorf("an idle connection holds %d bytes: %v", cap(r.message), err)
	}
}

// A read that brings nothing is no end; a hundred in a row are.
func TestEmptyReads(t *testing.T) {
	raw := frames(sent{op: Text, payload: "hello"})
	for empty, want := range map[int]string{99: "T:hello | EOF", 100: io.ErrNoProgress.Error()} {
		if got := readFrom(&wire{raw: raw, step: 3, empty: empty}, 10); got != want {
			t.Errorf("%d empty reads: got %q, want %q", empty, got, want)
		}
	}
}

func TestEndInsideAFrame(t *testing.T) {
	raw := frames(sent{op: Text, payload: strings.Repeat("x", 70_000)})
	for _, n := range []int{1, 2, 9, 13, 14, 15, len(raw) - 1} {
		if got := read(raw[:n], 1<<20, 0); got != "EOF" {
			t.Errorf("after %d bytes: %q", n, got)
		}
	}
}

func TestAppendHeader(t *testing.T) {
	for n, want := range map[int]string{
		0:       "\x81\x00",
		125:     "\x81\x7d",
		126:     "\x81\x7e\x00\x7e",
		65535:   "\x81\x7e\xff\xff",
		65536:   "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
		1 << 33: "\x81\x7f\x00\x00\x00\x02\x00\x00\x00\x00",
	} {
		if got := AppendHeader([]byte("."), Text, n); string(got) != "."+want {
			t.Errorf("%d bytes: % x, want % x", n, got[1:], want)
		}
	}
	if got := AppendHeader(nil, Pong, 1); string(got) != "\x8a\x01" {
		t.Errorf("pong: % x", got)
	}
}

func TestAppendClose(t *testing.T) {
	x := strings.Repeat("x", 200)
	for _, tc := range []struct{ name, reason, want string }{
		{"none", "", ""},
		{"short", "bye", "bye"},
		{"fits", x[:123], x[:123]},
		{"one more", x[:124], x[:123]},
		{"far too long", x, x[:123]},
		{"rune fits", x[:120] + "€", x[:120] + "€"},
		{"rune fits, more follows", x[:120] + "€€", x[:120] + "€"},
		{"rune sticks out by one", x[:121] + "€", x[:121]},
		{"rune sticks out by two", x[:122] + "€", x[:122]},
		{"rune begins there", x[:123] + "€", x[:123]},
		{"four bytes", x[:120] + "😀", x[:120]},
		{"runes only", strings.Repeat("😀", 40), strings.Repeat("😀", 30)},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"half a rune", x[:122] + "\xe2\x82", x[:122]},
		{"bytes that begin nothing", strings.Repeat("\x80", 200), "\uFFFD"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := AppendClose([]byte("."), 4400, tc.reason)
			if want := "." + string(AppendHeader(nil, Close, 2+len(tc.want))) + "\x11\x30" + tc.want; string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	if got := AppendClose(nil, CodeNone, "unsaid"); string(got) != "\x88\x00" {
		t.Errorf("no code: % x", got)
	}
}

func FuzzAppendClose(f *testing.F) {
	f.Add(1000, strings.Repeat("x", 122)+"€")
	f.Add(4400, "\xff")
	f.Fuzz(func(t *testing.T, code int, reason string) {
		got := AppendClose(nil, code, reason)
		if len(got) > 127 || int(got[1]) != len(got)-2 {
			t.Fatalf("a close frame of %d bytes that says %d", len(got)-2, got[1])
		}
		if code == CodeNone {
			return
		}
		if said := got[4:]; !utf8.Valid(said) || utf8.ValidString(reason) && !strings.HasPrefix(reason, string(said)) {
			t.Fatalf("%q became %q", reason, said)
		}
	})
}

// Whatever comes, a reader neither panics nor holds more than the limit; and it comes to the same answer however the bytes are cut.
func FuzzNext(f *testing.F) {
	f.Add([]byte(nil), 1)
	f.Add(frames(sent{op: Text, payload: "a", more: true}, sent{op: Ping, payload: "b"}, sent{payload: "c"}), 3)
	f.Add(frames(sent{op: Close, payload: "\x03\xe8bye"}), 1)
	f.Add(frames(sent{op: Binary, claimed: 1<<63 - 1}), 2)
	f.Add(frames(sent{op: Text, payload: strings.Repeat("€", 2000), more: true}, sent{claimed: 10_000}), 100)
	f.Fuzz(func(t *testing.T, raw []byte, step int) {
		const limit = 20_000
		r := NewReader(&wire{raw: raw}, limit, 1)
		for {
			op, payload, err := r.Next()
			if c := cap(r.message); c > limit || c > 4*len(raw)+1024 {
				t.Fatalf("%d bytes are held of %d", c, len(raw))
			}
			if err != nil {
				break
			}
			if op == Text && !utf8.Valid(payload) || op >= Close && len(payload) > 125 || op != Text && op != Binary && op != Close && op != Ping && op != Pong {
				t.Fatalf("opcode %d with %q", op, payload)
			}
		}
		if whole, cut := read(raw, limit, 0), read(raw, limit, max(1, step&0xFFF)); whole != cut {
			t.Fatalf("whole %q, cut %q", whole, cut)
		}
	})
}

// What a client writes, in however many fragments and with whatever between them, is what is read; text only if it is UTF-8.
func FuzzRoundTrip(f *testing.F) {
	f.Add("hello", []byte{2, 1, 200}, 3, false)
	f.Add(strings.Repeat("x", 70_000), []byte{255}, 0, false)
	f.Add("κόσμε😀", []byte{1, 1, 1, 1}, 1, true)
	f.Add("a\xed\xa0\x80b", []byte{1}, 2, true)
	f.Fuzz(func(t *testing.T, message string, cuts []byte, step int, text bool) {
		op, want := Binary, ""
		if text {
			op = Text
		}
		list := []sent{{op: op, more: true}}
		rest := message
		for _, c := range cuts {
			if len(list) > 4000 {
				break
			}
			n := min(int(c), len(rest))
			list = append(list, sent{payload: rest[:n], more: true})
			if rest = rest[n:]; c&1 == 1 {
				list = append(list, sent{op: Ping, payload: rest[:min(9, len(rest))]})
				want += "9:" + rest[:min(9, len(rest))] + " | "
			}
		}
		list = append(list, sent{payload: rest})
		got := read(frames(list...), max(len(message), 1), step&0xFF)
		if text && !utf8.ValidString(message) {
			if before, ok := strings.CutSuffix(got, "1007"); !ok || !strings.HasPrefix(want, before) {
				t.Fatalf("got %.200q, want %.200q up to 1007", got, want)
			}
			return
		}
		if want += map[bool]string{false: "B:", true: "T:"}[text] + message + " | EOF"; got != want {
			t.Fatalf("got %.200q, want %.200q", got, want)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{100, 4000, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			raw := frames(sent{op: Text, payload: strings.Repeat("x", n)})
			w := &wire{}
			r := NewReader(w, 64<<10, 1)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				w.raw = raw
				if _, m, err := r.Next(); err != nil || len(m) != n {
					b.Fatal(len(m), err)
				}
			}
		})
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	dst := make([]byte, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendHeader(dst[:0], Text, 70_000)
	}
	if !bytes.HasPrefix(dst, []byte{0x81, 127}) {
		b.Fatal(dst)
	}
}

// What each call has read is counted, headers included; all of them together have read everything.
func TestSize(t *testing.T) {
	parts := [][]byte{
		frames(sent{op: Text, payload: "hello"}),
		frames(sent{op: Ping}),
		frames(sent{op: Text, more: true}, sent{more: true}, sent{op: Pong, payload: "x"}), // a message begins, a control frame comes
		frames(sent{more: true}, sent{payload: strings.Repeat("x", 700)}),
	}
	for _, step := range []int{0, 1, 7} {
		r := NewReader(&wire{raw: bytes.Join(parts, nil), step: step}, 1000, time.Hour)
		for i, part := range parts {
			if _, _, err := r.Next(); err != nil || r.Size() != len(part) {
				t.Errorf("part %d: %d bytes, want %d (%v)", i, r.Size(), len(part), err)
			}
		}
	}
}
