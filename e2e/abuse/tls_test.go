package abuse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// startTLS starts a bridge with a certificate that its clients know.
func startTLS(t *testing.T) *target {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	b := start(t, "--tls-cert", file(t, "cert.pem", certPEM), "--tls-key", file(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	b.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	b.tls.RootCAs.AppendCertsFromPEM(certPEM)
	return b
}

// ended reads to the end of a connection, and returns what came before.
func (a *attack) ended(c net.Conn) string {
	text, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		a.fail("the connection stays open")
	}
	return string(text)
}

// shakes tries handshakes, all of which are refused for this reason.
func (a *attack) shakes(why string, ways ...func(*tls.Config)) answer {
	for i, change := range ways {
		cfg := a.on.tls.Clone()
		change(cfg)
		c := a.tcp()
		if err := tls.Client(c, cfg).Handshake(); err == nil || !strings.Contains(err.Error(), why) {
			a.fail("handshake %d: %v, want %q", i, err, why)
		}
		a.ended(c)
		_ = c.Close()
	}
	return answer{}
}

// Records of TLS 1.2 and 1.3.
const (
	halfHello   = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	plainHello  = "\x16\x03\x03\x00\x04\x01\x00\x00\x00" // a ClientHello where one was already
	helloAsk    = "\x16\x03\x03\x00\x04\x00\x00\x00\x00" // HelloRequest
	noRecord    = "\x17\x03\x03\x00\x10AAAAAAAAAAAAAAAA" // which nobody has encrypted
	hugeRecord  = "\x17\x03\x03\xff\xff"
	fatalAlert  = "\x15\x03\x03\x00\x02\x02\x28"
	oldRecord   = "\x80\x2e\x01\x00\x02" // SSL 2
	unknownKind = "\x63\x03\x03\x00\x01\x00"
)

var overTLS = group{
	title: "TLS",
	text:  "Handshakes that are none, and records that nobody has encrypted. They end their own connection, without an answer of HTTP, and nobody else's.",
	rows: []row{
		{on: "tls", name: "plain HTTP and a plain WebSocket sent to the port of TLS; SSL 2, a shell's greeting, zeros",
			do: func(a *attack) answer {
				return all(a, []string{head(a.on.addr, "GET", "/v1/events?resource=products", ""), a.hello(), oldRecord + strings.Repeat("\x00", 64), "SSH-2.0-OpenSSH_9.6\r\n", strings.Repeat("\x00", 1000)}, func(text string) answer {
					c := a.tcp()
					defer c.Close()
					_, _ = io.WriteString(c, text)
					if got := a.ended(c); strings.Contains(got, "HTTP/1.1 2") || strings.Contains(got, "HTTP/1.1 101") {
						a.fail("answered %q", got)
					}
					return answer{}
				})
			}},
		{on: "tls", name: "a client that knows TLS 1.0 and 1.1 alone: told so by an alert",
			do: func(a *attack) answer {
				old := func(v uint16) func(*tls.Config) {
					return func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }
				}
				return a.shakes("protocol version not supported", old(tls.VersionTLS10), old(tls.VersionTLS11))
			}},
		{on: "tls", name: "ALPN that offers h2 alone, or nonsense: refused by an alert, and no other protocol is spoken",
			do: func(a *attack) answer {
				alpn := func(list ...string) func(*tls.Config) { return func(c *tls.Config) { c.NextProtos = list } }
				return a.shakes("no application protocol", alpn("h2"), alpn("h2", "h3", "spdy/3"), alpn("\x00"))
			}},
		{on: "tls", name: "handshakes that do not end, from 100 connections: nothing sent, half of a ClientHello, a byte a second; all are cut after 10 s",
			do: func(a *attack) answer {
				ways := []net.Conn{a.tcp()}
				for range 99 {
					c := a.tcp()
					_, _ = io.WriteString(c, halfHello)
					ways = append(ways, c)
				}
				stop, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					for {
						select {
						case <-time.After(time.Second):
							_, _ = ways[1].Write([]byte{0})
						case <-stop:
							return
						}
					}
				}()
				defer func() { close(stop); <-done }()
				for _, c := range ways {
					if got := a.ended(c); strings.HasPrefix(got, "HTTP") {
						a.fail("answered %q", got)
					}
					_ = c.Close()
				}
				return answer{}
			}},
		{on: "tls", name: "records that nobody has encrypted on an open WebSocket: a second ClientHello (renegotiation), a HelloRequest, data, an alert, one of 65,535 bytes, of an unknown kind; TLS 1.2 and 1.3",
			do: func(a *attack) answer {
				versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
				return all(a, versions, func(version uint16) answer {
					return all(a, []string{plainHello, helloAsk, noRecord, fatalAlert, hugeRecord, unknownKind}, func(record string) answer {
						cfg := a.on.tls.Clone()
						cfg.MinVersion, cfg.MaxVersion = version, version
						c := a.tcp()
						w := a.wire(tls.Client(c, cfg))
						w.say(a.hello())
						if r := w.hear(); r.status != 101 {
							a.fail("handshake: %d", r.status)
						}
						w.text(connect("")).until("connected")
						_, _ = io.WriteString(c, record)
						_, got := w.gone()
						return got
					})
				})
			}, status: 101, close: "cut"},
	},
}
