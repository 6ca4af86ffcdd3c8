package bridge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

// unregistered takes metrics that nobody reads.
type unregistered struct{ prometheus.Registerer }

func (unregistered) Register(prometheus.Collector) error { return nil }

// bare is a server that writes to connections and does nothing else.
func bare(t testing.TB, outbox int) *Server {
	t.Helper()
	s := &Server{cfg: Config{Outbox: outbox}.withDefaults(), log: slog.New(slog.DiscardHandler), conns: make(map[*conn]struct{}), stop: make(chan struct{})}
	var err error
	if s.metrics, err = newMetrics(unregistered{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		sh := newShard(s)
		s.shards = append(s.shards, sh)
		s.writers.Go(func() { sh.run(s.stop) })
	}
	t.Cleanup(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.workers.Wait()
		close(s.stop)
		s.writers.Wait()
	})
	return s
}

// pair is both ends of a connection; the client's kernel takes little that the client has not read.
func pair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed := make(chan net.Conn, 1)
	go func() {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_ = c.(*net.TCPConn).SetReadBuffer(32 << 10)
		}
		dialed <- c
	}()
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	client = <-dialed
	t.Cleanup(func() { _ = server.Close(); _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(30 * time.Second))
	return server, client
}

// piped is what pair is, but of a connection to which writing cannot be tried: somebody has to wait.
func piped(t testing.TB) (server, client net.Conn) {
	server, client = net.Pipe()
	t.Cleanup(func() { _ = server.Close(); _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(30 * time.Second))
	return server, client
}

// each runs a test with every kind of connection.
func each(t *testing.T, outbox int, f func(t *testing.T, c *conn, client net.Conn, in *bufio.Reader)) {
	for name, ends := range map[string]func(testing.TB) (net.Conn, net.Conn){"TCP": pair, "pipe": piped, "TLS": over(pair), "TLS, pipe": over(piped), "foreign TLS": foreign} {
		t.Run(name, func(t *testing.T) {
			server, client := ends(t)
			c := bare(t, outbox).newConn("s", server, wsFraming{}, visitor{})
			t.Cleanup(c.cut)
			f(t, c, client, bufio.NewReader(client))
		})
	}
}

// line reads the next line, across frames, or the close code.
type lines struct {
	in   *bufio.Reader
	left []string
}

func (l *lines) next(t testing.TB) (text string, code int) {
	t.Helper()
	for len(l.left) == 0 {
		op, payload, err := readFrame(l.in)
		switch {
		case err != nil:
			t.Fatal(err)
		case op == ws.Close:
			return "", ws.CloseCode(payload)
		case op == ws.Text:
			l.left = strings.Split(string(payload), "\n")
		}
	}
	text = l.left[0]
	l.left = l.left[1:]
	return text, 0
}

// What is queued comes out whole and in order, however many queue and however slowly it is read.
func TestOutboxOrder(t *testing.T) {
	each(t, 64<<20, func(t *testing.T, c *conn, _ net.Conn, in *bufio.Reader) {
		const writers, each = 4, 500
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					c.out.text([]byte{'a' + byte(w), ' ' + byte(i/64), ' ' + byte(i%64)})
					c.out.push(item{text: event(i * i % 5000)})
				}
			})
		}
		next := [writers]int{}
		l := lines{in: in}
		for range 2 * writers * each {
			text, code := l.next(t)
			if code != 0 {
				t.Fatal(code)
			}
			if len(text) > 3 {
				continue // an event
			}
			w, i := text[0]-'a', int(text[1]-' ')*64+int(text[2]-' ')
			if next[w] != i {
				t.Fatalf("writer %c: %d comes before %d", text[0], i, next[w])
			}
			next[w]++
		}
		wg.Wait()
		await(t, "all is written", func() bool { return c.out.idle() })
	})
}

// idle says whether nothing waits and nobody writes.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.items == nil && o.bytes == 0 && !o.writing
}

// A peer that does not read is closed with 4409 when more waits than may; what waits is dropped then, whole lines only.
func TestSlowPeerIsToldWhenItReadsOn(t *testing.T) {
	each(t, 64<<10, func(t *testing.T, c *conn, client net.Conn, in *bufio.Reader) {
		pushed := 0
		for ; !c.out.ending(); pushed++ {
			c.out.push(item{text: event(10_000)})
		}
		c.out.push(item{text: event(10)})
		c.out.text([]byte("dropped"))
		c.out.close(protocol.CloseGoingAway)
		l, got := lines{in: in}, 0
		for {
			text, code := l.next(t)
			if code != 0 {
				if code != 4409 {
					t.Errorf("closed with %d", code)
				}
				break
			}
			if text != string(*event(10_000)) {
				t.Fatalf("a broken line: %.100s", text)
			}
			got++
		}
		if got >= pushed {
			t.Errorf("%d of %d were delivered", got, pushed)
		}
		c.peerClosed.Store(true)
		c.out.settle()
		if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("after the close: %v", err)
		}
	})
}

// One event may be larger than all that may wait, where nothing else waits.
func TestLargeEventPasses(t *testing.T) {
	each(t, 1000, func(t *testing.T, c *conn, client net.Conn, in *bufio.Reader) {
		large := event(300_000)
		l := lines{in: in}
		for range 3 {
			c.out.push(item{text: large})
			if text, code := l.next(t); text != string(*large) {
				t.Fatalf("%d bytes, code %d", len(text), code)
			}
			await(t, "it is written", c.out.idle)
		}
		c.out.push(item{text: event(4 << 20)}) // more than the kernels take
		c.out.push(item{text: event(1)})
		if !c.out.ending() {
			t.Error("more waits than may")
		}
	})
}

func TestCloseComesLast(t *testing.T) {
	each(t, 1<<20, func(t *testing.T, c *conn, _ net.Conn, in *bufio.Reader) {
		for range 100 {
			c.out.push(item{text: event(2000)})
		}
		c.out.close(protocol.CloseTooMany)
		c.out.close(protocol.CloseInternal) // the first counts
		c.out.push(item{text: event(1)})
		c.out.ask(func(c *control) { c.ping = true })
		l, n := lines{in: in}, 0
		for {
			_, code := l.next(t)
			if code == 4429 {
				break
			}
			if code != 0 {
				t.Fatal(code)
			}
			n++
		}
		if n != 100 {
			t.Errorf("%d events before the close", n)
		}
	})
}

// A peer whose token has ended is told so before the close, whatever waits for it; and what waits is dropped.
func TestExpire(t *testing.T) {
	each(t, 1<<20, func(t *testing.T, c *conn, client net.Conn, in *bufio.Reader) {
		await(t, "the peer takes no more", func() bool {
			for bytes := 0; bytes < 600<<10; bytes, _ = c.out.held() {
				c.out.push(item{text: event(10_000)})
			}
			return c.out.stuck()
		})
		c.out.text([]byte("waited"))
		if !c.out.expire([]byte("over")) || c.out.expire([]byte("twice")) {
			t.Error("the first call does not count, or the second does")
		}
		l, told := lines{in: in}, ""
		for {
			text, code := l.next(t)
			if code != 0 {
				if code != 4401 || told != "over" {
					t.Errorf("closed with %d, last was %.20q", code, told)
				}
				return
			}
			if told = text; text == "waited" {
				t.Error("what waited has been sent")
			}
		}
	})
}

// One that has just been sent something is told, too.
func TestExpireWhileWriting(t *testing.T) {
	for range 200 {
		server, client := pair(t)
		c := bare(t, 1<<20).newConn("s", server, wsFraming{}, visitor{})
		l := lines{in: bufio.NewReader(client)}
		c.out.text([]byte("first"))
		if text, _ := l.next(t); text != "first" {
			t.Fatal(text)
		}
		c.out.expire([]byte("over"))
		if text, _ := l.next(t); text != "over" {
			t.Fatal(text)
		}
		if _, code := l.next(t); code != 4401 {
			t.Fatal(code)
		}
		c.cut()
	}
}

// stuck says whether a goroutine of its own writes to the peer.
func (o *outbox) stuck() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stalled
}

func TestEventStreamIsCutAtOnce(t *testing.T) {
	server, client := pair(t)
	c := bare(t, 64<<10).newConn("s", server, sseFraming{}, visitor{})
	sub := &subscription{}
	for !c.out.ending() {
		c.out.push(item{text: event(10_000), sub: sub})
	}
	if _, err := io.Copy(io.Discard, client); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestPeerThatHasGone(t *testing.T) {
	each(t, 1<<20, func(t *testing.T, c *conn, client net.Conn, _ *bufio.Reader) {
		_ = client.Close()
		for !c.out.ending() { // a writer finds out
			c.out.push(item{text: event(10)})
		}
		await(t, "the connection is closed", func() bool {
			_, err := c.net.Write(nil)
			_, e := c.net.Read(make([]byte, 1))
			return err != nil || e != nil
		})
		if err := c.out.reserve(t.Context(), &subscription{}); err == nil {
			t.Error("a replay may go on")
		}
	})
}

// sinkOf is a subscription on a connection, as the log sees it.
func sinkOf(c *conn) *subscription {
	return &subscription{conn: c, name: "a", head: protocol.AppendTagged(nil, "a", []byte(protocol.EventHead)), says: wsTeller{}, last: &dedupe{},
		done: func(*subscription) {}, caught: func() {}}
}

func (o *outbox) held() (bytes, reserved int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes, o.reserved
}

// stuck is a connection whose peer reads nothing, with so much queued that replays have to wait.
func stuck(t *testing.T, limit int) (c *conn, client net.Conn) {
	t.Helper()
	server, client := piped(t)
	c = bare(t, limit).newConn("s", server, wsFraming{}, visitor{})
	t.Cleanup(c.cut)
	for bytes := 0; bytes <= c.out.chunk(); bytes, _ = c.out.held() {
		c.out.push(item{text: event(c.out.chunk() / 4)})
	}
	return c, client
}

// A replay waits for room, takes a chunk of it, and gives it back, whatever becomes of it.
func TestReservations(t *testing.T) {
	c, client := stuck(t, 40_000)
	s := sinkOf(c)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() { got <- s.Wait(ctx) }()
	await(t, "it waits", func() bool { c.out.mu.Lock(); defer c.out.mu.Unlock(); return c.out.room != nil })
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	go func() { got <- s.Wait(t.Context()) }()
	go func() { _, _ = io.Copy(io.Discard, client) }()
	if err := <-got; err != nil {
		t.Errorf("with room: %v", err)
	}
	reserved := func(want int) {
		t.Helper()
		if _, n := c.out.held(); n != want {
			t.Errorf("%d bytes are reserved, want %d", n, want)
		}
	}
	chunk := c.out.chunk()
	reserved(chunk)
	if err := s.Wait(t.Context()); err != nil { // again, without having used it: after an error of JetStream's
		t.Error(err)
	}
	reserved(chunk)
	s.Replayed([]*replay.Event{{Frame: *event(100)}})
	reserved(0)
	await(t, "it is written", c.out.idle)
	for _, end := range []func(s *subscription){
		func(s *subscription) { s.Notice(replay.Notice{Kind: replay.Live}) },
		func(s *subscription) { s.Notice(replay.Notice{Kind: replay.Reset}) },
		func(s *subscription) { s.Notice(replay.Notice{Kind: replay.Failed, Err: replay.ErrUnavailable}) },
		func(s *subscription) { s.end() },
		func(s *subscription) { s.end(); s.Replayed([]*replay.Event{{Frame: *event(100)}}) },
	} {
		s := sinkOf(c)
		if err := s.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		reserved(chunk)
		end(s)
		reserved(0)
	}
	// One that is over takes nothing any more, or it would be gone for ever.
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.end()
	if err := s.Wait(t.Context()); err == nil {
		t.Error("a subscription that is over may replay")
	}
	reserved(0)
}

// A replay that waits ends with its subscription and with its connection.
func TestWaitingReplayEnds(t *testing.T) {
	for name, end := range map[string]func(*conn, *subscription){
		"killed": func(c *conn, _ *subscription) { c.out.kill() },
		"closed": func(c *conn, _ *subscription) { c.out.close(protocol.CloseGoingAway) },
		"slow": func(c *conn, _ *subscription) {
			for !c.out.ending() {
				c.out.push(item{text: event(1000)})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := stuck(t, 40_000)
			s := sinkOf(c)
			got := make(chan error)
			go func() { got <- s.Wait(t.Context()) }()
			await(t, "it waits", func() bool { c.out.mu.Lock(); defer c.out.mu.Unlock(); return c.out.room != nil })
			end(c, s)
			if err := <-got; err == nil {
				t.Error("it may go on")
			}
			c.cut()
		})
	}
}

// A live event goes to a connection once, also after the stream has been recreated and counts from 1 again.
func TestDedupe(t *testing.T) {
	server, client := pair(t)
	c := bare(t, 1<<20).newConn("s", server, wsFraming{}, visitor{})
	t.Cleanup(c.cut)
	a, b := sinkOf(c), sinkOf(c)
	b.last = a.last
	for _, e := range []*replay.Event{{Seq: 1, Stored: 10, Frame: []byte("one")}, {Seq: 2, Stored: 20, Frame: []byte("two")}, {Seq: 1, Stored: 30, Frame: []byte("another one")},
		{Seq: 1, Stored: 40, Frame: []byte("and another")}} {
		a.Live(e)
		b.Live(e)
	}
	l := lines{in: bufio.NewReader(client)}
	for _, want := range []string{"one", "two", "another one", "and another"} {
		if got, code := l.next(t); got != want {
			t.Errorf("got %q (%d), want %q", got, code, want)
		}
	}
}

// A connection on which a close does not come to an end is overdue.
func TestOverdue(t *testing.T) {
	c, _ := stuck(t, 1000)
	if now := time.Now(); c.out.overdue(now.Add(time.Hour)) {
		t.Error("overdue although nobody closed it")
	}
	c.out.close(protocol.CloseGoingAway)
	if now := time.Now(); c.out.overdue(now) || !c.out.overdue(now.Add(closeTime+time.Second)) {
		t.Error("a close is overdue too soon, or never")
	}
	c.cut()
}
