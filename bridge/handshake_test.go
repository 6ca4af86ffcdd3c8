package bridge

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/livebridge/livebridge/internal/ws"
)

// response reads an HTTP answer.
func (w *wire) response(t testing.TB) (status int, body string) {
	t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// hello is a handshake; replace "old" by "new" in it for each pair.
func hello(pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace("GET /v1/ws HTTP/1.1\r\nHost: bridge.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: livebridge.v1\r\n\r\n")
}

// websocketAccept is the answer to a key (RFC 6455, section 4.2.2).
func websocketAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// masked is a client's frame, masked with zeros.
func masked(op ws.Op, payload string) string {
	head := ws.AppendHeader(nil, op, len(payload))
	head[1] |= 0x80
	return string(head) + "\x00\x00\x00\x00" + payload
}

func TestHandshake(t *testing.T) {
	r := start(t, nil)
	const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	for _, tc := range []struct {
		name, request string
		status        int
	}{
		{"as it should be", hello(), 101},
		{"other cases", hello("Connection: Upgrade", "connection: keep-alive, upgrade", "websocket\r", "WebSocket\r"), 101},
		{"no subprotocol", hello("Sec-WebSocket-Protocol: livebridge.v1\r\n", ""), 101},
		{"one of several subprotocols", hello("livebridge.v1", "graphql-ws, livebridge.v1"), 101},
		{"compression offered", hello("Sec-WebSocket-Version", "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version"), 101},
		{"a page of its own", hello("Connection", "Origin: http://bridge.example\r\nConnection"), 101},
		{"a foreign page", hello("Connection", "Origin: http://evil.example\r\nConnection"), 403},
		{"a page of nowhere", hello("Connection", "Origin: null\r\nConnection"), 403},
		{"cookies, and no page", hello("Connection", "Cookie: session=1\r\nConnection"), 403},
		{"cookies, and a page of its own", hello("Connection", "Cookie: session=1\r\nOrigin: http://bridge.example\r\nConnection"), 101},
		{"a browser, and no page", hello("Connection", "Sec-Fetch-Site: same-origin\r\nConnection"), 403},
		{"an image on a foreign page", "GET /v1/sse?resource=x HTTP/1.1\r\nHost: x\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403},
		{"no Upgrade", "GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n", 426},
		{"no Connection", hello("Connection: Upgrade\r\n", ""), 426},
		{"another upgrade", hello("Upgrade: websocket", "Upgrade: h2c"), 426},
		{"an old version", hello("Version: 13", "Version: 8"), 426},
		{"no version", hello("Sec-WebSocket-Version: 13\r\n", ""), 426},
		{"no key", hello(key, ""), 400},
		{"a short key", hello("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"), 400},
		{"a long key", hello("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 400},
		{"a key of something else", hello("AAAAAAAAAAAAAAAAAAAAAA==", "!!!!!!!!!!!!!!!!!!!!!!=="), 400},
		{"two keys", hello(key, key+key), 400},
		{"foreign subprotocols", hello("livebridge.v1", "graphql-ws, livebridge.v2"), 400},
		{"HTTP/1.0", hello("HTTP/1.1", "HTTP/1.0"), 400},
		{"a connection that does not stay", hello("Connection: Upgrade", "Connection: Upgrade, close"), 400},
		{"a body", hello("Connection: U", "Content-Length: 2\r\nConnection: U") + "{}", 400},
		{"a chunked body", hello("Connection: U", "Transfer-Encoding: chunked\r\nConnection: U") + "2\r\n{}\r\n0\r\n\r\n", 400},
		{"POST", hello("GET", "POST", "Host", "Content-Length: 0\r\nHost"), 405},
		{"large headers", hello("Connection", "X: "+strings.Repeat("x", 17<<10)+"\r\nConnection"), 431},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := r.wire(tc.request, 0)
			status, body := w.response(t)
			if status != tc.status {
				t.Errorf("%d %s, want %d", status, body, tc.status)
			}
			if status != 101 {
				wantError(t, status, body, tc.status, map[bool]string{true: "forbidden", false: "bad_request"}[status == 403], "")
			}
			_ = w.Close()
		})
	}
	await(t, "all have gone", func() bool { return r.connections() == 0 })
}

// What a handshake is answered with is all that was asked for, and nothing else.
func TestHandshakeAnswer(t *testing.T) {
	r := start(t, nil)
	w := r.wire(hello("livebridge.v1", "x, livebridge.v1", "Connection", "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection"), 0)
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Sec-WebSocket-Accept": websocketAccept("AAAAAAAAAAAAAAAAAAAAAA=="), "Sec-WebSocket-Protocol": "livebridge.v1", "Sec-WebSocket-Extensions": "", "Upgrade": "websocket",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A client may send its first frames together with the handshake.
func TestFramesWithTheHandshake(t *testing.T) {
	r := start(t, nil)
	w := r.wire(hello()+masked(ws.Text, `{"op":"connect"}`)+masked(ws.Text, `{"op":"ping"}`), 0)
	if status, _ := w.response(t); status != 101 {
		t.Fatal(status)
	}
	var got string
	for !strings.Contains(got, `{"op":"pong"}`) {
		_, payload := w.frame(t)
		got += payload + "\n"
	}
	if !strings.HasPrefix(got, `{"op":"connected"`) {
		t.Error(got)
	}
}

// frame reads one of the server's frames.
func (w *wire) frame(t testing.TB) (ws.Op, string) {
	t.Helper()
	op, payload, err := readFrame(w.in)
	if err != nil {
		t.Fatal(err)
	}
	return op, string(payload)
}

// readFrame reads one frame of a server: unmasked, final, its length no longer than need be.
func readFrame(in *bufio.Reader) (ws.Op, []byte, error) {
	head, err := in.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	n, extra := int(head[1]), 0
	switch n {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	whole, err := in.Peek(2 + extra)
	if err != nil {
		return 0, nil, err
	}
	if extra > 0 {
		n = 0
		for _, b := range whole[2:] {
			n = n<<8 | int(b)
		}
	}
	op := ws.Op(whole[0] & 0x0F)
	if whole[0]&0xF0 != 0x80 || string(ws.AppendHeader(nil, op, n)) != string(whole) {
		return 0, nil, &ws.Error{Code: ws.CodeProtocol, Reason: "not a frame of a server"}
	}
	_, _ = in.Discard(2 + extra)
	payload := make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return op, payload, err
}
