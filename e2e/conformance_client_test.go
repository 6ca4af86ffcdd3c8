package e2e

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The opcodes of RFC 6455, section 5.2.
const (
	opMore   = 0
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// A wsFrame is one frame as a client sends it, right or wrong.
type wsFrame struct {
	op       byte
	payload  string
	more     bool   // FIN is 0
	rsv      byte   // the three reserved bits
	unmasked bool   // which no client's frame may be
	claims   uint64 // the length in the header; 0 = that of the payload
	wide     int    // bytes of the extended length, 2 or 8; 0 = as few as do
	key      string // four bytes that mask it; "" = some
}

func (f wsFrame) bytes() []byte {
	first, n := f.rsv<<4|f.op, f.claims
	if !f.more {
		first |= 0x80
	}
	if n == 0 {
		n = uint64(len(f.payload))
	}
	masked := byte(0x80)
	if f.unmasked {
		masked = 0
	}
	b := []byte{first}
	switch {
	case f.wide == 8 || f.wide == 0 && n > 0xFFFF:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), n)
	case f.wide == 2 || n > 125:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = append(b, masked|byte(n))
	}
	if f.unmasked {
		return append(b, f.payload...)
	}
	key := cmp.Or(f.key, "\x37\xfa\x21\x3d")
	b = append(b, key...)
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^key[i%4])
	}
	return b
}

func closeFrame(code int, reason string) wsFrame {
	return wsFrame{op: opClose, payload: string([]byte{byte(code >> 8), byte(code)}) + reason}
}

// A rawConn is a client that speaks WebSocket byte by byte. What comes back is checked against RFC 6455, and kept.
type rawConn struct {
	t     testing.TB
	conn  net.Conn
	in    *bufio.Reader
	said  []string // the texts of what say made, to be echoed
	texts []string // what was answered, in words
	pongs []string // the payloads of pongs
	code  int      // of the bridge's close frame; 0 = there was none
	left  bool     // we have sent a close frame, or will not answer one
	bytes bool     // put sends a message a byte a fragment
}

// dialRaw makes the handshake, and connects in the bridge's own protocol.
func dialRaw(t testing.TB, addr string, header ...string) *rawConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := &rawConn{t: t, conn: conn, in: bufio.NewReader(conn)}
	fmt.Fprintf(conn, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: livebridge.v1\r\n%s\r\n", addr, strings.Join(append(header, ""), "\r\n"))
	resp, err := http.ReadResponse(c.in, nil)
	switch {
	case err != nil:
		t.Fatal(err)
	case resp.StatusCode != http.StatusSwitchingProtocols, resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=":
		t.Fatalf("handshake: %s %v", resp.Status, resp.Header)
	case resp.Header.Get("Sec-WebSocket-Extensions") != "" || resp.Header.Get("Sec-WebSocket-Protocol") != "livebridge.v1":
		t.Fatalf("agreed on %v", resp.Header)
	}
	c.send(wsFrame{op: opText, payload: `{"op":"connect"}`})
	if err := c.next(); err != nil || !slices.Equal(c.texts, []string{"connected"}) {
		t.Fatalf("connect: %v %v", c.texts, err)
	}
	c.texts = nil
	return c
}

// send writes frames in one piece. That the bridge has closed meanwhile is for the reader to find.
func (c *rawConn) send(frames ...wsFrame) {
	var all []byte
	for _, f := range frames {
		all = append(all, f.bytes()...)
	}
	_, _ = c.conn.Write(all)
}

// chop writes frames n bytes at a time.
func (c *rawConn) chop(n int, frames ...wsFrame) {
	for _, f := range frames {
		for part := range slices.Chunk(f.bytes(), n) {
			_, _ = c.conn.Write(part)
		}
	}
}

// each writes frame by frame.
func (c *rawConn) each(frames ...wsFrame) {
	for _, f := range frames {
		c.send(f)
	}
}

// put writes a message: whole, or a byte a fragment.
func (c *rawConn) put(message wsFrame) {
	if c.bytes {
		c.send(fragments(message, 1)...)
	} else {
		c.send(message)
	}
}

// fragments cuts a message into fragments of n bytes.
func fragments(message wsFrame, n int) (list []wsFrame) {
	for rest := message.payload; len(rest) > n; rest = rest[n:] {
		message.payload = rest[n:]
		list = append(list, wsFrame{op: message.op, payload: rest[:n], more: true})
		message.op = opMore
	}
	return append(list, message)
}

// cut is a message in fragments that end where the parts do.
func cut(op byte, parts ...string) (list []wsFrame) {
	for i, p := range parts {
		list = append(list, wsFrame{op: op, payload: p, more: i < len(parts)-1})
		op = opMore
	}
	return list
}

// say is a message whose text comes back: the name of a subscription that there is not.
func (c *rawConn) say(text string) wsFrame {
	c.said = append(c.said, text)
	return wsFrame{op: opText, payload: saying(text)}
}

func saying(text string) string { return `{"op":"unsubscribe","sub":"` + text + `"}` }

// next reads one frame.
func (c *rawConn) next() error {
	op, payload, err := c.frame()
	if err != nil {
		return err
	}
	if c.code != 0 {
		c.t.Errorf("after its close frame the bridge sends opcode %d, %q", op, payload)
	}
	switch op {
	case opText:
		for line := range strings.SplitSeq(payload, "\n") {
			c.texts = append(c.texts, c.word(line))
		}
	case opPong:
		c.pongs = append(c.pongs, payload)
	case opClose:
		if len(payload) < 2 || !utf8.ValidString(payload[2:]) {
			c.t.Fatalf("close frame %q", payload)
		}
		c.code = int(payload[0])<<8 | int(payload[1])
		if !c.left {
			c.leave()
		}
	case opPing:
	}
	return nil
}

// frame reads a frame, and checks what holds for every frame of a server.
func (c *rawConn) frame() (op byte, payload string, err error) {
	var head [2]byte
	if _, err = io.ReadFull(c.in, head[:]); err != nil {
		return 0, "", err
	}
	op = head[0] & 0x0F
	if head[0]&0xF0 != 0x80 || head[1] > 127 || !slices.Contains([]byte{opText, opClose, opPing, opPong}, op) {
		c.t.Fatalf("frame % x: only whole, unmasked texts and control frames are expected", head)
	}
	n := uint64(head[1])
	if n > 125 {
		var size [8]byte
		wide := map[uint64]int{126: 2, 127: 8}[n]
		if _, err = io.ReadFull(c.in, size[8-wide:]); err != nil {
			return 0, "", err
		}
		if n = binary.BigEndian.Uint64(size[:]); n < 126 || wide == 8 && n <= 0xFFFF || op > 7 {
			c.t.Fatalf("opcode %d with a length of %d in %d bytes", op, n, wide)
		}
	}
	b := make([]byte, n)
	if _, err = io.ReadFull(c.in, b); err == nil && op == opText && !utf8.Valid(b) {
		c.t.Fatalf("text that is not UTF-8: %q", b)
	}
	return op, string(b), err
}

// word is an answer of the bridge's protocol in a word.
func (c *rawConn) word(line string) string {
	var m struct {
		Op, Sub, Code string
		Payload       string
	}
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		c.t.Fatalf("%q: %v", line, err)
	}
	switch {
	case m.Op == "pong":
		return "answer"
	case m.Code == "unknown_sub" && len(c.said) > 0:
		text := c.said[0]
		if c.said = c.said[1:]; m.Sub == text {
			return "echo"
		}
		return fmt.Sprintf("%q in place of %q", m.Sub, text)
	case m.Op == "error":
		return "error `" + m.Code + "`"
	case m.Op == "event" && len(c.said) > 0 && m.Payload == c.said[0]:
		c.said = c.said[1:]
		return "echo"
	}
	return m.Op
}

// leave sends a close frame; nothing may be sent after it.
func (c *rawConn) leave() {
	c.left = true
	c.send(closeFrame(1000, ""))
}

// until reads until enough has come, or the connection is closed.
func (c *rawConn) until(enough func() bool) {
	c.t.Helper()
	for !enough() && c.code == 0 {
		if err := c.next(); err != nil {
			c.t.Fatalf("waiting: %v", err)
		}
	}
}

// rest reads to the end of the connection, and says what became of it.
func (c *rawConn) rest() string {
	c.t.Helper()
	for {
		err := c.next()
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			c.t.Fatalf("the connection does not end: %v, close code %d", c.texts, c.code)
		case c.code == 0:
			return "ends"
		default:
			return fmt.Sprint(c.code)
		}
	}
}

// answers is what came, in words: texts first, in their order, then pongs.
func (c *rawConn) answers() string {
	list := slices.Clone(c.texts)
	for _, p := range c.pongs {
		switch {
		case p == "":
			list = append(list, "pong")
		case len(p) < 20 && utf8.ValidString(p):
			list = append(list, fmt.Sprintf("pong `%s`", p))
		default:
			list = append(list, fmt.Sprintf("pong of %d bytes", len(p)))
		}
	}
	var out []string
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i] {
			n++
		}
		if word := list[i]; n > 1 {
			out = append(out, fmt.Sprintf("%s ×%d", word, n))
		} else {
			out = append(out, word)
		}
		i += n
	}
	return strings.Join(out, ", ")
}
