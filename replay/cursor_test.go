package replay

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestCursorRoundTrip(t *testing.T) {
	for _, c := range []Cursor{
		{},
		{inc: 1, seq: 2, at: 3},
		{inc: 1, seq: 2, at: 3, before: true},
		{inc: math.MaxUint64, seq: math.MaxUint64, at: math.MaxInt64, before: true},
		{inc: 1, seq: 0, at: 0},
		{inc: 1, seq: 1, at: math.MinInt64},
		{inc: incarnation("LIVE", time.Unix(1, 2)), seq: 1 << 40, at: time.Now().UnixNano()},
	} {
		text := c.String()
		if got, err := ParseCursor(text); got != c || err != nil {
			t.Errorf("%+v became %q and %+v, %v", c, text, got, err)
		}
		if len(text) != CursorLen || strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'\,;`, r) }) >= 0 {
			t.Errorf("%q is no plain text of %d bytes", text, CursorLen)
		}
		if got := string(c.AppendText([]byte("id: "))); got != "id: "+text {
			t.Errorf("appended: %q", got)
		}
	}
}

func TestCursorFloor(t *testing.T) {
	if got := (Cursor{seq: 7}).floor(); got != 7 {
		t.Errorf("after 7: %d", got)
	}
	if got := (Cursor{seq: 7, before: true}).floor(); got != 6 {
		t.Errorf("before 7: %d", got)
	}
}

func TestParseCursorRefuses(t *testing.T) {
	good := Cursor{inc: 0x0123456789ABCDEF, seq: 4711, at: 1_800_000_000_123_456_789}.String()
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name, text string) {
		t.Helper()
		if c, err := ParseCursor(text); !errors.Is(err, ErrBadCursor) || c != (Cursor{}) {
			t.Errorf("%s %q: %+v, %v", name, text, c, err)
		}
	}
	for n := range good {
		refused("cut", good[:n])
	}
	refused("longer", good+"A")
	refused("padded", good+"=")
	refused("space", good[:35]+" ")
	refused("standard alphabet", strings.Repeat("+/", 18))
	refused("line break", good[:18]+"\n"+good[19:])
	refused("twice", good+good)
	for bit := range len(raw) * 8 {
		flipped := append([]byte{}, raw...)
		flipped[bit/8] ^= 1 << (bit % 8)
		refused("flipped", base64.RawURLEncoding.EncodeToString(flipped))
	}
	for i := range len(good) - 1 {
		if swapped := good[:i] + good[i+1:i+2] + good[i:i+1] + good[i+2:]; swapped != good {
			refused("swapped", swapped)
		}
	}
	signed := func(change func(b []byte)) string {
		b := append([]byte{}, raw...)
		change(b)
		binary.BigEndian.PutUint16(b[25:], checksum(b[:25]))
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for _, kind := range []byte{0, 3, 255} {
		refused("kind", signed(func(b []byte) { b[0] = kind }))
	}
	refused("before the first", signed(func(b []byte) { b[0] = kindBefore; clear(b[9:17]) }))
	refused("zeros", strings.Repeat("A", CursorLen))
}

func TestIncarnation(t *testing.T) {
	at := time.Unix(1_800_000_000, 1)
	same := incarnation("LIVE", at)
	if incarnation("LIVE", at.UTC()) != same {
		t.Error("it depends on the time zone")
	}
	if incarnation("LIVE", at.Add(1)) == same || incarnation("LIVE2", at) == same {
		t.Error("another stream has the same")
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add(Cursor{inc: 1, seq: 2, at: 3}.String())
	f.Add(Cursor{inc: 1, seq: 2, at: 3, before: true}.String())
	f.Add(strings.Repeat("A", CursorLen))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			if !errors.Is(err, ErrBadCursor) || !c.IsZero() {
				t.Fatalf("%q: %+v, %v", text, c, err)
			}
			return
		}
		if c.String() != text {
			t.Fatalf("%q became %q", text, c.String())
		}
		if c.floor() > c.seq {
			t.Fatalf("%+v: floor %d", c, c.floor())
		}
	})
}
