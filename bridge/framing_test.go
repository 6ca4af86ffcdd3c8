package bridge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// event is an encoded event of about n bytes.
func event(n int) *[]byte {
	frame := encode(`"` + strings.Repeat("x", max(0, n-200)) + `"`)
	b := []byte(frame)
	return &b
}

// mixed is a list of items of many sizes, around every size at which something changes; tagged ones, live ones and notices in turn.
func mixed() (items []item) {
	sub := &subscription{name: "a", head: protocol.AppendTagged(nil, "a", []byte(protocol.EventHead))}
	for i, n := range []int{1, 60, 125, 126, 127, 300, 65_400, 65_535, 65_536, 65_537, 3, 70_000, 1 << 20, 64_000, 1_536, 1_500, 10, 10, 10, 131_072, 5} {
		text := []byte(strings.Repeat("n", n))
		switch i % 3 {
		case 0:
			items = append(items, item{text: &text})
		case 1:
			items = append(items, item{text: event(n)})
		default:
			items = append(items, item{text: event(n), sub: sub})
		}
	}
	return items
}

// line is what an item is for a WebSocket's client.
func (it item) line() string {
	if it.sub == nil {
		return string(*it.text)
	}
	return string(protocol.AppendTagged(nil, it.sub.name, *it.text))
}

// upgraded answers a client's handshake, and returns both ends.
func upgraded(t testing.TB) (server net.Conn, client *websocket.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	go func() {
		req, err := http.ReadRequest(bufio.NewReader(a))
		if err == nil {
			_, _ = io.WriteString(a, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
				websocketAccept(req.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
		}
	}()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return b, nil }}
	client, _, err := d.Dial("ws://x/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, client
}

// What another implementation of WebSocket reads is what was framed, whole and in order.
func TestFramesAreReadByOthers(t *testing.T) {
	for _, limit := range []int{1, 1000, writeMax} {
		server, client := upgraded(t)
		items := mixed()
		go func() {
			for left := items; len(left) > 0; {
				out, n, _ := wsFraming{}.appendItems(nil, left, limit)
				left = left[n:]
				_, _ = server.Write(out)
			}
			_, _ = server.Write(wsFraming{}.appendControl(nil, control{pong: []byte("p"), ping: true, close: true, code: protocol.CloseSlow}))
		}()
		pings := 0
		client.SetPingHandler(func(string) error { pings++; return nil })
		client.SetPongHandler(func(text string) error {
			if text != "p" {
				t.Errorf("pong %q", text)
			}
			pings += 10
			return nil
		})
		client.SetCloseHandler(func(int, string) error { return nil })
		var got, want []string
		for _, it := range items {
			want = append(want, it.line())
		}
		for {
			kind, frame, err := client.ReadMessage()
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				if closed.Code != 4409 || closed.Text != "slow consumer" || pings != 11 {
					t.Errorf("%v, pings and pongs %d", closed, pings)
				}
				break
			}
			if err != nil || kind != websocket.TextMessage {
				t.Fatal(kind, err)
			}
			got = append(got, strings.Split(string(frame), "\n")...)
		}
		if len(got) != len(want) {
			t.Errorf("limit %d: %d lines, want %d", limit, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("limit %d, line %d: %.200s, want %.200s", limit, i, got[i], want[i])
			}
		}
	}
}

// size is what an item takes on the wire, its line break included: a frame's header is all that comes on top.
func TestItemSizes(t *testing.T) {
	items := mixed()
	items[5].sub.head = protocol.AppendTagged(nil, strings.Repeat("\x01", 64), []byte(protocol.EventHead))
	out, n, size := wsFraming{}.appendItems(nil, items, 1<<30)
	sum, payload := 0, 0
	for _, it := range items {
		sum += it.size()
	}
	in := bufio.NewReader(bytes.NewReader(out))
	for {
		_, text, err := readFrame(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		payload += len(text) + 1 // the last line of a frame is counted with a line break, too
	}
	if n != len(items) || sum != size || payload != size {
		t.Errorf("%d of %d items, size %d, sum of sizes %d, bytes of payload and line breaks %d", n, len(items), size, sum, payload)
	}
}

func TestEventStreamFraming(t *testing.T) {
	frame := []byte(encode("{\n\"a\":\n1}"))
	notice := []byte("retry: 1\nid: x\n\n")
	items := []item{{text: &notice}, {text: &frame, sub: &subscription{}}, {text: &frame, sub: &subscription{}}}
	out, n, _ := sseFraming{}.appendItems(nil, items, 1<<20)
	out = sseFraming{}.appendControl(out, control{close: true, code: protocol.CloseGoingAway, ping: true, pong: []byte{}})
	if n != 3 {
		t.Fatal(n)
	}
	in := eventReader{in: bufio.NewReader(bytes.NewReader(out))}
	var got []block
	for {
		b, err := in.next()
		if err != nil {
			break
		}
		got = append(got, b)
	}
	cursor := replay.Cursor{}.String()
	data := "{" + strings.TrimPrefix(string(frame), protocol.EventHead)
	want := []block{{"", "", "x"}, {"", data, cursor}, {"", data, cursor}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(block{})); d != "" || in.retry != "1" {
		t.Error(in.retry, d)
	}
}

// Items of any sizes come out whole and in order, in either framing; no frame is longer than need be, and each call makes progress.
func FuzzFraming(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint16(1))
	f.Add(bytes.Repeat([]byte{255, 9, 130}, 30), uint16(60_000))
	f.Fuzz(func(t *testing.T, sizes []byte, limit uint16) {
		sub := &subscription{name: "s", head: protocol.AppendTagged(nil, "s", []byte(protocol.EventHead))}
		plain := &subscription{}
		var tagged, bare []item
		var want []string
		for i, b := range sizes[:min(len(sizes), 30)] {
			it := item{text: event(int(b) * int(b) * int(b) / 200)}
			if i%2 == 0 {
				it.sub = sub
			}
			tagged = append(tagged, it)
			bare = append(bare, item{text: it.text, sub: plain})
			want = append(want, it.line())
		}
		var wire []byte
		for left := tagged; len(left) > 0; {
			out, n, size := wsFraming{}.appendItems(nil, left, int(limit)+1)
			if n < 1 || n > 1 && size-left[n-1].size() > int(limit) {
				t.Fatalf("%d items of %d bytes at a limit of %d", n, size, limit)
			}
			left, wire = left[n:], append(wire, out...)
		}
		var got []string
		in := bufio.NewReader(bytes.NewReader(wire))
		for {
			op, text, err := readFrame(in)
			if err == io.EOF {
				break
			}
			lines := strings.Split(string(text), "\n")
			if err != nil || op != ws.Text || len(lines) > 1 && len(text) > frameMax {
				t.Fatalf("%v, op %d, %d lines in %d bytes", err, op, len(lines), len(text))
			}
			got = append(got, lines...)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("%d lines came out of %d", len(got), len(want))
		}
		wire = nil
		for left := bare; len(left) > 0; {
			out, n, _ := sseFraming{}.appendItems(nil, left, int(limit)+1)
			if n < 1 {
				t.Fatal("no progress")
			}
			left, wire = left[n:], append(wire, out...)
		}
		stream := eventReader{in: bufio.NewReader(bytes.NewReader(wire))}
		for i := range bare {
			b, err := stream.next()
			if err != nil || b.data != "{"+strings.TrimPrefix(string(*bare[i].text), protocol.EventHead) || b.id == "" {
				t.Fatalf("block %d: %+v %v", i, b, err)
			}
		}
	})
}

// A frame that many share is written as it is, in its place: what is between them is encoded, and nothing is left out.
func TestPendingShares(t *testing.T) {
	var cs stretches
	sub := &subscription{name: "a", head: protocol.AppendTagged(nil, "a", []byte(protocol.EventHead))}
	events := replayed(300, 1000)
	shared, alone := split(&cs, sub.head, events[:200]), split(&cs, sub.head, events[200:])
	split(&cs, sub.head, events[:200]) // another client's
	text := []byte(`{"op":"live"}`)
	var items []item
	for _, s := range shared {
		items = append(items, item{stretch: s})
	}
	items = append(items, item{text: &text})
	for _, s := range alone {
		items = append(items, item{stretch: s})
	}
	items = append(items, item{stretch: shared[0]})
	for name, c := range map[string]control{"alone": {}, "after a ping": {ping: true}, "before a close": {close: true, code: protocol.CloseGoingAway}} {
		p := pending{items: items, control: c}
		var wire []byte
		direct, size := 0, 0
		for !p.done() {
			var buf []byte
			frame, n, shared := p.next(wsFraming{}, &buf, 1)
			if shared {
				direct++
			}
			wire, size = append(wire, frame...), size+n
		}
		want, wantSize := (&pending{items: items, control: c}).encode(wsFraming{}, nil, 1<<30)
		if !bytes.Equal(wire, want) || size != wantSize {
			t.Errorf("%s: %d bytes of size %d, want %d of size %d", name, len(wire), size, len(want), wantSize)
		}
		if atLeast := len(shared); direct < atLeast {
			t.Errorf("%s: %d frames were written as they are, want %d or more", name, direct, atLeast)
		}
	}
}

func TestPendingEncodes(t *testing.T) {
	text := []byte("x")
	big := []byte(strings.Repeat("y", writeMax))
	p := pending{items: []item{{text: &text}, {text: &big}, {text: &text}}, control: control{ping: true, close: true, code: protocol.CloseGoingAway}}
	var ops []string
	for calls := 0; !p.done(); calls++ {
		out, size := p.encode(wsFraming{}, nil, writeMax)
		if len(out) == 0 || size == 0 || calls > 2 {
			t.Fatalf("call %d: %d bytes of size %d", calls, len(out), size)
		}
		in := bufio.NewReader(bytes.NewReader(out))
		for {
			op, payload, err := readFrame(in)
			if err != nil {
				break
			}
			ops = append(ops, fmt.Sprint(op, len(payload)))
		}
	}
	// A ping first, the close last, whatever is between.
	want := []string{"9 0", "1 1", fmt.Sprint("1 ", writeMax), "1 1", fmt.Sprint("8 ", 2+len("going away"))}
	if d := cmp.Diff(want, ops); d != "" {
		t.Error(d)
	}
}
