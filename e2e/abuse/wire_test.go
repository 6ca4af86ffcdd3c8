package abuse

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
)

// patience is how long an answer may take. It only ends a test that fails.
const patience = 30 * time.Second

// A wire is a connection to the bridge on which anything may be sent, HTTP or WebSocket, well-formed or not.
type wire struct {
	net.Conn
	in    *bufio.Reader
	a     *attack
	deaf  bool     // what it is told is not kept for the search of secrets: it is too much
	lines []string // received, not yet looked at
}

// dial opens a connection, with TLS where the bridge has it. It is closed when the row is over.
func (a *attack) dial() *wire {
	c := a.tcp()
	if a.on.tls != nil {
		c = tls.Client(c, a.on.tls)
	}
	return a.wire(c)
}

// tcp opens a connection on which nothing has been sent.
func (a *attack) tcp() net.Conn {
	c, err := net.DialTimeout("tcp", a.on.addr, patience)
	if err != nil {
		a.fail("dial: %v", err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// wire is a wire over a connection.
func (a *attack) wire(c net.Conn) *wire {
	w := &wire{Conn: c, in: bufio.NewReader(c), a: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wires = append(a.wires, w)
	return w
}

// say writes. A peer that has closed the connection meanwhile is no failure: what it said before is still to be read.
func (w *wire) say(parts ...string) *wire {
	for _, p := range parts {
		if _, err := io.WriteString(w, p); err != nil {
			break
		}
	}
	return w
}

// A reply is an answer of HTTP.
type reply struct {
	status int
	header http.Header
	body   string
}

// hear reads one answer; its status is 0 where the connection was closed instead.
func (w *wire) hear() reply {
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			w.a.fail("no answer: %v", err)
		}
		return reply{}
	}
	r := reply{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode != http.StatusSwitchingProtocols && resp.Header.Get("Content-Type") != "text/event-stream" {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			w.a.fail("read the answer: %v", err)
		}
		r.body = string(body)
	}
	w.a.on.hears(r.body)
	return r
}

// code is the error code in an answer's body, "" where there is none.
func (r reply) code() string {
	var body struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(r.body), &body)
	return body.Error.Code
}

func (r reply) answer() answer { return answer{status: r.status, code: r.code()} }

// request sends one request on a connection of its own and returns the answer. Headers are lines without their ends.
func (a *attack) request(method, target, body string, headers ...string) reply {
	return a.dial().say(head(a.on.addr, method, target, body, headers...), body).hear()
}

// head is the head of a request. A header Host among those given takes the place of the right one.
func head(host, method, target, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	given := strings.ToLower(strings.Join(headers, "\r\n")) + "\r\n"
	if !strings.HasPrefix(given, "host:") && !strings.Contains(given, "\nhost:") {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	if (body != "" || method == "POST") && !strings.Contains(given, "content-length:") && !strings.Contains(given, "transfer-encoding:") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n"
}

// handshake is the head of a handshake, with "old" replaced by "new" for each pair.
func (a *attack) handshake(pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(head(a.on.addr, "GET", "/v1/ws", "", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: livebridge.v1"))
}

// hello is a handshake with more headers.
func (a *attack) hello(headers ...string) string {
	return a.handshake("Connection:", strings.Join(append(headers, "Connection:"), "\r\n"))
}

// shake opens a WebSocket on which nothing has been sent yet.
func (a *attack) shake(headers ...string) *wire {
	w := a.dial().say(a.hello(headers...))
	if r := w.hear(); r.status != http.StatusSwitchingProtocols {
		a.fail("handshake: %d %s", r.status, r.body)
	}
	return w
}

// open opens a WebSocket and connects, with a token where there is one.
func (a *attack) open(token string) *wire {
	w := a.shake()
	w.text(connect(token))
	w.until("connected")
	return w
}

func connect(token string) string {
	if token == "" {
		return `{"op":"connect"}`
	}
	return `{"op":"connect","token":` + quote(token) + `}`
}

// quote is text as JSON.
func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// frame is a client's frame: first is its first byte, with FIN, reserved bits and opcode.
func frame(first byte, payload string) string {
	h := ws.AppendHeader(nil, ws.Op(first&0x0F), len(payload))
	h[0] = first
	h[1] |= 0x80
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	b := append(append(h, mask[:]...), payload...)
	for i := range len(payload) {
		b[len(h)+4+i] ^= mask[i&3]
	}
	return string(b)
}

// First bytes of frames.
const (
	fin          = 0x80
	opText       = fin | 1
	opBinary     = fin | 2
	opClose      = fin | 8
	opPing       = fin | 9
	opPong       = fin | 10
	firstText    = 1 // a text that goes on
	continuation = 0 // and goes on
	lastOfText   = fin
)

// text sends objects, each in a frame of its own.
func (w *wire) text(objects ...string) *wire {
	for _, o := range objects {
		w.say(frame(opText, o))
	}
	return w
}

// read reads one frame of the bridge.
func (w *wire) read() (op ws.Op, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(w.in, h[:]); err != nil {
		return 0, "", err
	}
	n := uint64(h[1])
	if n >= 126 {
		long := make([]byte, map[uint64]int{126: 2, 127: 8}[n])
		if _, err := io.ReadFull(w.in, long); err != nil {
			return 0, "", err
		}
		n = binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...))
	}
	b := make([]byte, n)
	_, err = io.ReadFull(w.in, b)
	if !w.deaf {
		w.a.on.hears(string(b))
	}
	return ws.Op(h[0] & 0x0F), string(b), err
}

// A said is one object of the bridge.
type said struct {
	Op, Sub, Ref, Code, Message, Cursor, Reason, Session string
	Recovered                                            bool
	Resource, Type, ID, Raw, Origin, Batch, Date         string
	Payload, Meta                                        json.RawMessage
}

// next is the next object. ok is false where the connection was closed instead, with the code of the close frame; 0 = there was none.
func (w *wire) next() (s said, closed int, ok bool) {
	for len(w.lines) == 0 {
		op, payload, err := w.read()
		switch {
		case err != nil:
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				w.a.fail("the bridge says nothing: %v", err)
			}
			return s, 0, false
		case op == ws.Close:
			w.say(frame(opClose, payload))
			return s, ws.CloseCode([]byte(payload)), false
		case op == ws.Ping:
			w.say(frame(opPong, payload))
		case op == ws.Text:
			w.lines = strings.Split(payload, "\n")
		}
	}
	if err := json.Unmarshal([]byte(w.lines[0]), &s); err != nil {
		w.a.fail("%q: %v", w.lines[0], err)
	}
	w.lines = w.lines[1:]
	return s, 0, true
}

// until reads to the next object with that op.
func (w *wire) until(op string) said {
	for {
		s, closed, ok := w.next()
		switch {
		case !ok:
			w.a.fail("closed with %d before %s", closed, op)
		case s.Op == op:
			return s
		case s.Op == "error" && op != "error":
			w.a.fail("%s: %s, before %s", s.Code, s.Message, op)
		}
	}
}

// outcome reads to the end of the connection, or until what was sent has been answered and it is still open.
func (w *wire) outcome() answer {
	w.text(`{"op":"ping"}`)
	got := answer{status: http.StatusSwitchingProtocols, close: "none"}
	for {
		s, closed, ok := w.next()
		switch {
		case !ok:
			got.closed(closed)
			return got
		case s.Op == "pong":
			return got
		case s.Op == "error":
			got.adds(s.Code)
		}
	}
}

// gone reads to the end of the connection and returns what came before.
func (w *wire) gone() (events []said, got answer) {
	got.status = http.StatusSwitchingProtocols
	for {
		s, closed, ok := w.next()
		switch {
		case !ok:
			got.closed(closed)
			return events, got
		case s.Op == "error":
			got.adds(s.Code)
		case s.Op == "event":
			events = append(events, s)
		}
	}
}
