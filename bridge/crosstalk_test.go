package bridge

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/livebridge/livebridge/protocol"
)

// Thousands of clients come and go, most of them without a farewell and while something is being written to them. Each has its own
// subscription and is given its own events, never a byte of another's: not that of one who had the socket, a buffer or a number before it.
func TestNoCrossTalk(t *testing.T) {
	const clients, atOnce = 3000, 32
	r := start(t, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	before := sockets(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var sessions sync.Map
	var next, got atomic.Int64
	var wg sync.WaitGroup
	for w := range atOnce {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(w)))
			for {
				i := int(next.Add(1))
				if i > clients || t.Failed() {
					return
				}
				c := &churner{r: r, me: fmt.Sprintf("client%d", i), other: fmt.Sprintf("client%d", max(1, i-rnd.IntN(atOnce))), rnd: rnd}
				live := c.webSocket
				if i%5 == 0 {
					live = c.eventStream
				}
				n, session, err := live()
				if err != nil {
					t.Errorf("%s: %v", c.me, err)
				}
				if _, twice := sessions.LoadOrStore(session, true); twice && session != "" {
					t.Errorf("%s has a session that another had: %s", c.me, session)
				}
				got.Add(int64(n))
			}
		})
	}
	wg.Wait()
	await(t, "all have gone", func() bool { return r.connections() == 0 })
	if n := r.log.Stats().Live + r.log.Stats().Replaying; n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
	if got.Load() < clients/2 {
		t.Errorf("only %d events were seen", got.Load())
	}
	await(t, "all sockets are closed", func() bool { return sockets(t) <= before })
}

// sockets is how many sockets the process has open.
func sockets(t testing.TB) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err) // not Linux
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// A churner is one of the clients. It wants what is about itself, and publishes about itself and about another, who may be gone.
type churner struct {
	r         *rig
	me, other string
	rnd       *rand.Rand
}

func (c *churner) event(about string) string {
	return fmt.Sprintf(`{"resource":%q,"type":"t","id":"%s","payload":"for %s%s"}`, about, about, about, strings.Repeat(" .", c.rnd.IntN(2000)))
}

// mine says whether an event is for this client.
func (c *churner) mine(line string) error {
	start, end, ok := strings.Cut(line, `"payload":"for `+c.me)
	if !ok || !strings.Contains(start, fmt.Sprintf(`"resource":%q,"type":"t","id":%q`, c.me, c.me)) || strings.Trim(end, ` ."}`) != "" && !strings.Contains(end, `"origin":"`) {
		return fmt.Errorf("this is not for it: %.300s", line)
	}
	return nil
}

func (c *churner) webSocket() (events int, session string, err error) {
	d := websocket.Dialer{Subprotocols: []string{protocol.Subprotocol}}
	conn, _, err := d.Dial("ws://"+c.r.addr+"/v1/ws", nil)
	if err != nil {
		return 0, "", err
	}
	defer func() {
		if c.rnd.IntN(3) == 0 {
			_ = conn.WriteMessage(websocket.CloseMessage, nil)
		}
		if tcp, ok := conn.NetConn().(*net.TCPConn); ok && c.rnd.IntN(2) == 0 {
			_ = tcp.SetLinger(0) // a reset
		}
		_ = conn.Close()
	}()
	ref := fmt.Sprintf("ref of %s", c.me)
	for _, frame := range []string{`{"op":"connect"}`, fmt.Sprintf(`{"op":"subscribe","sub":%q,"resource":%q,"last":5}`, c.me, c.me),
		fmt.Sprintf(`{"op":"publish","ref":"other","events":[%s]}`, c.event(c.other)), fmt.Sprintf(`{"op":"publish","ref":%q,"events":[%s]}`, ref, c.event(c.me)),
		`{"op":"ping"}`} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			return 0, "", err
		}
	}
	if c.rnd.IntN(4) == 0 {
		return 0, "", nil // it goes before it is answered
	}
	published := false
	for events == 0 || !published {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, frame, err := conn.ReadMessage()
		if err != nil {
			return events, session, err
		}
		for _, line := range strings.Split(string(frame), "\n") {
			switch op := field(c.r.t, line, "op"); {
			case op == "event":
				events++
				err = errors.Join(err, c.mine(line))
			case op == "connected":
				session = field(c.r.t, line, "session")
			case op == "published":
				published = published || field(c.r.t, line, "ref") == ref
			case op == "subscribed", op == "live":
				if field(c.r.t, line, "sub") != c.me {
					err = errors.Join(err, fmt.Errorf("this is not for it: %s", line))
				}
			case op == "error" && field(c.r.t, line, "code") == "unavailable" && (field(c.r.t, line, "sub") == c.me || field(c.r.t, line, "sub") == "<nil>"):
				return events, session, err // the machine is that busy
			case op != "pong":
				err = errors.Join(err, fmt.Errorf("unexpected: %s", line))
			}
		}
		if err != nil || c.rnd.IntN(8) == 0 { // or it goes in the midst of it
			return events, session, err
		}
	}
	return events, session, nil
}

func (c *churner) eventStream() (events int, session string, err error) {
	conn, err := net.Dial("tcp", c.r.addr)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	body := c.event(c.me)
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"+
		"GET /v1/sse?resource=%s&last=5 HTTP/1.1\r\nHost: x\r\n\r\n", len(body), body, c.me)
	if err != nil || c.rnd.IntN(4) == 0 {
		return 0, "", err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, "", err
	}
	if resp.StatusCode == 503 {
		return 0, "", nil // the machine is that busy
	}
	if resp.StatusCode != 200 {
		return 0, "", errors.New(resp.Status)
	}
	_ = readAll(resp)
	if _, err = http.ReadResponse(in, nil); err != nil {
		return 0, "", err
	}
	for stream := (eventReader{in: in}); events == 0; {
		b, err := stream.next()
		if err != nil {
			return events, "", err
		}
		if b.event == "error" && strings.Contains(b.data, `"unavailable"`) {
			return events, "", nil
		}
		if b.data != "" {
			events++
			if err := c.mine(b.data); err != nil {
				return events, "", err
			}
		}
	}
	return events, "", nil
}
