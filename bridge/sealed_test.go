package bridge

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livebridge/livebridge/internal/ws"
	"github.com/livebridge/livebridge/protocol"
)

// identity is a certificate for 127.0.0.1 and a client that trusts it.
var identity = sync.OnceValues(func() (server, client *tls.Config) {
	ts := httptest.NewTLSServer(nil)
	defer ts.Close()
	pool := x509.NewCertPool()
	pool.AddCert(ts.Certificate())
	return &tls.Config{Certificates: ts.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
})

// over makes ends that speak TLS as they do over a connection that ServeTLS has accepted.
func over(ends func(testing.TB) (net.Conn, net.Conn)) func(testing.TB) (net.Conn, net.Conn) {
	return func(t testing.TB) (net.Conn, net.Conn) {
		server, client := ends(t)
		return handshaken(t, &sealed{Conn: server}, client)
	}
}

// foreign makes ends that speak TLS over a socket, as crypto/tls has it: writing cannot be tried.
func foreign(t testing.TB) (net.Conn, net.Conn) {
	server, client := pair(t)
	return handshaken(t, server, client)
}

func handshaken(t testing.TB, server, client net.Conn) (net.Conn, net.Conn) {
	t.Helper()
	its, mine := identity()
	s, c := tls.Server(server, its), tls.Client(client, mine)
	shaken := make(chan error, 1)
	go func() { shaken <- s.Handshake() }()
	if err := errors.Join(c.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// A tlsPeer speaks the record layer of TLS 1.3 by itself once crypto/tls has done the handshake, because that asks for no new keys.
type tlsPeer struct {
	t       testing.TB
	net     net.Conn
	in      *bufio.Reader
	out, on half
}

// A half is one direction: RFC 8446, section 7.3, with SHA-256 and AES-128-GCM.
type half struct {
	secret []byte
	seq    uint64
}

func (h *half) label(label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len("tls13 ")+len(label))), "tls13 "+label...)
	out, _ := hkdf.Expand(sha256.New, h.secret, string(append(info, 0)), n)
	return out
}

func (h *half) aead() (cipher.AEAD, []byte) {
	block, _ := aes.NewCipher(h.label("key", 16))
	aead, _ := cipher.NewGCM(block)
	nonce := h.label("iv", 12)
	for i, b := range binary.BigEndian.AppendUint64(nil, h.seq) {
		nonce[4+i] ^= b
	}
	h.seq++
	return aead, nonce
}

func (h *half) update() { *h = half{secret: h.label("traffic upd", sha256.Size)} }

const (
	typeAlert, typeHandshake, typeData = 21, 22, 23
	// An update of keys that asks for one in return, and one that does not: RFC 8446, section 4.6.3.
	askForKeys, newKeys = "\x18\x00\x00\x01\x01", "\x18\x00\x00\x01\x00"
)

func (p *tlsPeer) send(kind byte, text string) error {
	head := binary.BigEndian.AppendUint16([]byte{typeData, 3, 3}, uint16(len(text)+1+16))
	aead, nonce := p.out.aead()
	_, err := p.net.Write(aead.Seal(head, nonce, append([]byte(text), kind), head))
	if kind == typeHandshake {
		p.out.update()
	}
	return err
}

// next is the next record. New keys are taken into use.
func (p *tlsPeer) next() (kind byte, text string) {
	p.t.Helper()
	head, err := p.in.Peek(5)
	if err != nil {
		p.t.Fatal(err)
	}
	record := make([]byte, 5+int(binary.BigEndian.Uint16(head[3:])))
	if _, err := io.ReadFull(p.in, record); err != nil {
		p.t.Fatal(err)
	}
	aead, nonce := p.on.aead()
	plain, err := aead.Open(nil, nonce, record[5:], record[:5])
	if err != nil {
		p.t.Fatalf("a record that is not the next one: %v", err)
	}
	kind, text = plain[len(plain)-1], string(plain[:len(plain)-1])
	if kind == typeHandshake && text == newKeys {
		p.on.update()
	}
	return kind, text
}

// data is the next n bytes that are no words of TLS's own.
func (p *tlsPeer) data(n int) string {
	p.t.Helper()
	var b strings.Builder
	for b.Len() < n {
		if kind, text := p.next(); kind == typeData {
			b.WriteString(text)
		}
	}
	return b.String()
}

// secrets collects what crypto/tls tells of its keys.
type secrets map[string][]byte

func (s secrets) Write(line []byte) (int, error) {
	f := strings.Fields(string(line))
	s[f[0]], _ = hex.DecodeString(f[2])
	return len(line), nil
}

// sealedPeer is a connection with TLS of ours, and its peer.
func sealedPeer(t testing.TB, outbox int) (*conn, *tlsPeer) {
	t.Helper()
	server, client := pair(t)
	its, mine := identity()
	its, mine = its.Clone(), mine.Clone()
	its.SessionTicketsDisabled = true
	told := secrets{}
	mine.KeyLogWriter = told
	mine.MinVersion = tls.VersionTLS13
	s, c := tls.Server(&sealed{Conn: server}, its), tls.Client(client, mine)
	shaken := make(chan error, 1)
	go func() { shaken <- s.Handshake() }()
	if err := errors.Join(c.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().CipherSuite; got != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("this machine prefers %s", tls.CipherSuiteName(got))
	}
	p := &tlsPeer{t: t, net: client, in: bufio.NewReader(client)}
	p.out.secret, p.on.secret = told["CLIENT_TRAFFIC_SECRET_0"], told["SERVER_TRAFFIC_SECRET_0"]
	conn := bare(t, outbox).newConn("s", s, wsFraming{}, visitor{})
	t.Cleanup(conn.cut)
	return conn, p
}

// The answers to updates of keys go between what is sent, in the order in which they were encrypted, however much is under way.
func TestKeyUpdatesWhileWriting(t *testing.T) {
	c, p := sealedPeer(t, 64<<20)
	const events, updates = 2000, 300
	read := make(chan int, 1)
	go func() { // what the session's reader does
		n := 0
		for b := make([]byte, 512); ; {
			got, err := c.net.Read(b)
			if n += got; err != nil {
				read <- n
				return
			}
		}
	}()
	sent, open := make(chan error, 1), make(chan struct{}, 50) // a few at a time: more would be a flood
	go func() {
		for range updates {
			open <- struct{}{}
			if err := errors.Join(p.send(typeHandshake, askForKeys), p.send(typeData, "x")); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	text := event(1000)
	go func() {
		for range events {
			c.out.push(item{text: text})
		}
	}()
	var wire strings.Builder
	got, answers := 0, 0
	for got < events || answers < updates {
		kind, data := p.next()
		switch kind {
		case typeHandshake:
			answers++
			<-open
		case typeData:
			const mark = `"op":"event"`
			last := wire.String()[max(0, wire.Len()-len(mark)+1):]
			wire.WriteString(data)
			got += strings.Count(last+data, mark)
		default:
			t.Fatalf("record of kind %d", kind)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	l := lines{in: bufio.NewReader(strings.NewReader(wire.String()))}
	for i := range events {
		if line, code := l.next(t); line != string(*text) {
			t.Fatalf("event %d: %.80q %d", i, line, code)
		}
	}
	// And where nothing else is to be written.
	await(t, "all is written", c.out.idle)
	if err := p.send(typeHandshake, askForKeys); err != nil {
		t.Fatal(err)
	}
	if kind, text := p.next(); kind != typeHandshake || text != newKeys {
		t.Errorf("got %d %q", kind, text)
	}
	c.out.push(item{text: text})
	if kind, data := p.next(); kind != typeData || !strings.Contains(data, `"op":"event"`) {
		t.Errorf("got %d %q", kind, data)
	}
	// The other side is told of the end.
	await(t, "all is written", c.out.idle)
	c.cut()
	if kind, text := p.next(); kind != typeAlert || text != "\x01\x00" {
		t.Errorf("got %d %q, want that it closes", kind, text)
	}
	if n := <-read; n != updates {
		t.Errorf("%d bytes were read, want %d", n, updates)
	}
}

// A peer that asks for keys without end and reads nothing costs a bounded buffer, and then its connection.
func TestKeyUpdateFlood(t *testing.T) {
	c, p := sealedPeer(t, 1<<20)
	go ignore(c.net)
	for !c.out.ending() { // its socket takes no more, and a goroutine waits
		c.out.push(item{text: event(10_000)})
	}
	held := func() int {
		c.sealed.mu.Lock()
		defer c.sealed.mu.Unlock()
		return len(c.sealed.out)
	}
	for range 1000 {
		if err := errors.Join(p.send(typeHandshake, askForKeys), p.send(typeData, "x")); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the answers are no longer taken", func() bool { return held() > asideMax-100 })
	if n := held(); n > asideMax {
		t.Errorf("%d bytes wait", n)
	}
	if _, err := c.net.Write([]byte("x")); err == nil {
		t.Error("it goes on")
	}
}

// A record that was tampered with ends the connection, with an alert.
func TestBadRecord(t *testing.T) {
	c, p := sealedPeer(t, 1<<20)
	read := make(chan error, 1)
	go func() {
		_, err := c.net.Read(make([]byte, 512))
		read <- err
	}()
	p.out.seq++
	if err := p.send(typeData, "x"); err != nil {
		t.Fatal(err)
	}
	if kind, text := p.next(); kind != typeAlert || text != "\x02\x14" { // fatal, bad_record_mac
		t.Errorf("got %d %q", kind, text)
	}
	if err := <-read; err == nil {
		t.Error("it was read")
	}
	c.out.push(item{text: event(100)})
	await(t, "the writer finds out", c.out.ending)
}

// Sealed, a whole connection is as without: the close frame is the last, and then TLS closes too.
func TestSealedClose(t *testing.T) {
	c, p := sealedPeer(t, 1<<20)
	go ignore(c.net)
	c.out.push(item{text: event(100)})
	c.out.close(protocol.CloseGoingAway)
	c.peerClosed.Store(true)
	want := len(*event(100)) + 2 + 2 + 2 + len("going away")
	if len(*event(100)) > 125 {
		want += 2
	}
	in := bufio.NewReader(strings.NewReader(p.data(want)))
	for _, op := range []ws.Op{ws.Text, ws.Close} {
		if got, _, err := readFrame(in); got != op || err != nil {
			t.Errorf("got %d %v, want %d", got, err, op)
		}
	}
	c.out.settle()
	if kind, text := p.next(); kind != typeAlert || text != "\x01\x00" {
		t.Errorf("got %d %q, want that it closes", kind, text)
	}
	_ = p.net.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := p.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after that: %v", err)
	}
}
