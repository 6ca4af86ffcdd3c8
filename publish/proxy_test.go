package publish

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a client and NATS. It can keep back what the server says,
// and cut the connections.
type proxy struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	mute   bool
	onMute func(kept []byte) // called with what was kept back
}

func startProxy(t testing.TB, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: strings.TrimPrefix(url, "nats://")}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.work.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.work.Go(func() { p.copy(server, client, false) })
		p.work.Go(func() { p.copy(client, server, true) })
	}
}

func (p *proxy) copy(to, from net.Conn, answers bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !(answers && p.keeps(buf[:n])) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) keeps(data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mute && p.onMute != nil {
		p.onMute(data)
	}
	return p.mute
}

// loseAck keeps back the server's words up to and with the next acknowledgement
// that names a sequence; then it calls done.
func (p *proxy) loseAck(done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
	p.onMute = func(kept []byte) {
		if bytes.Contains(kept, []byte(`"seq":`)) {
			p.onMute = nil
			done()
		}
	}
}

func (p *proxy) unmute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = false
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}
