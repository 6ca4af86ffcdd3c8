//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// A dialect is how a client speaks to one kind of server.
type dialect struct {
	path    string                   // of the request
	headers string                   // more lines of the request
	start   func(at string) []string // what is sent once the connection stands; at is a position to resume from, "" = now
	query   func(at string) string   // … or what the path goes on with
	ready   string                   // what confirms the subscription
	sse     bool                     // an HTTP answer in chunks, and no WebSocket
	pong    func(said []byte) []byte // the answer to a ping of the dialect's own; nil = it was none
}

// livebridge is ours.
var livebridge = dialect{
	path: "/v1/ws", headers: "Sec-WebSocket-Protocol: livebridge.v1\r\n", ready: `{"op":"live"`,
	start: func(at string) []string {
		after := ""
		if at != "" {
			after = fmt.Sprintf(`,"after":%q`, at)
		}
		return []string{`{"op":"connect"}`, `{"op":"subscribe","sub":"a","resource":"bench"` + after + `}`}
	},
}

// centrifugo is its bidirectional protocol in JSON.
var centrifugo = dialect{
	path: "/connection/websocket", ready: `"subscribe":{`,
	start: func(at string) []string {
		recover := ""
		if at != "" {
			recover = `,"recover":true,` + at
		}
		return []string{`{"id":1,"connect":{}}`, `{"id":2,"subscribe":{"channel":"bench"` + recover + `}}`}
	},
	pong: func(said []byte) []byte {
		if bytes.Equal(said, []byte("{}")) {
			return []byte("{}")
		}
		return nil
	},
}

// natsWS is NATS over nats-server's own WebSocket. A client that resumes makes a consumer of its own, as NATS's libraries do.
var natsWS = dialect{
	path: "/", ready: "PONG",
	start: func(at string) []string {
		connect := `CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1}` + "\r\n"
		if at == "" {
			return []string{connect + "SUB live.bench.*.* 1\r\nPING\r\n"}
		}
		inbox := fmt.Sprintf("_INBOX.bench.%d", inboxes.Add(1))
		consumer := fmt.Sprintf(`{"stream_name":"LIVE","config":{"deliver_subject":%q,"deliver_policy":"by_start_sequence","opt_start_seq":%s,"ack_policy":"none",`+
			`"filter_subject":"live.bench.*.*","mem_storage":true,"num_replicas":1,"inactive_threshold":30000000000}}`, inbox, at)
		return []string{fmt.Sprintf("%sSUB %s 1\r\nPUB $JS.API.CONSUMER.CREATE.LIVE %s.made %d\r\n%s\r\nPING\r\n", connect, inbox, inbox, len(consumer), consumer)}
	},
	pong: func(said []byte) []byte {
		if bytes.Equal(said, []byte("PING\r\n")) {
			return []byte("PONG\r\n")
		}
		return nil
	},
}

var inboxes atomic.Int64

// mercure is Server-Sent Events.
var mercure = dialect{
	path: "/.well-known/mercure?topic=bench", ready: "\r\n\r\n", sse: true,
	query: func(at string) string {
		if at == "" {
			return ""
		}
		return "&lastEventID=" + at
	},
}

// handshake is the request that begins a connection, and what follows it once it is answered.
func (d dialect) handshake(at string) []byte {
	if d.sse {
		return fmt.Appendf(nil, "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s\r\n", d.path, d.query(at), d.headers)
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", d.path, d.headers)
}

// clientFrame is a masked WebSocket frame; the mask is zero.
func clientFrame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}
