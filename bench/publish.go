//go:build linux

package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsStream publishes to JetStream, many messages at once, each acknowledged.
type natsStream struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	acks []jetstream.PubAckFuture // that are waited for
	ids  int                      // how many ids the events are about
}

// pending is how many messages may be on their way to JetStream.
const pending = 1000

func natsPublisher(addr string) (*natsStream, error) {
	nc, js, err := jetStream(addr, jetstream.WithPublishAsyncMaxPending(2*pending))
	return &natsStream{nc: nc, js: js, ids: 1000}, err
}

// jetStream connects to a server's JetStream.
func jetStream(addr string, opts ...jetstream.JetStreamOpt) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect("nats://" + addr)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc, opts...)
	return nc, js, err
}

func (p *natsStream) send(n, size int) error {
	ack, err := p.js.PublishAsync("live.bench.updated."+strconv.Itoa(n%p.ids), body(n, size))
	if err != nil {
		return err
	}
	if p.acks = append(p.acks, ack); len(p.acks) < pending {
		return nil
	}
	return p.await(1)
}

// await waits for the oldest acknowledgements.
func (p *natsStream) await(n int) error {
	for _, ack := range p.acks[:n] {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return err
		case <-time.After(time.Minute):
			return errors.New("JetStream did not acknowledge in a minute")
		}
	}
	p.acks = append(p.acks[:0], p.acks[n:]...)
	return nil
}

func (p *natsStream) flood(size int, more func(int) bool) (n int, err error) {
	if n, err = sendAll(p, size, more); err != nil {
		return n, err
	}
	return n, p.await(len(p.acks))
}

// sendAll sends one event after another, as long as more says so.
func sendAll(p publisher, size int, more func(int) bool) (n int, err error) {
	for ; more(n); n++ {
		if err := p.send(n, size); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (p *natsStream) close() error {
	defer p.nc.Close()
	return p.await(len(p.acks))
}

// httpSender publishes single events over several connections.
type httpSender struct {
	http *http.Client

	busy sync.WaitGroup
	err  atomic.Pointer[error]
}

// begin does post in the background.
func (h *httpSender) begin(do func() error) error {
	h.busy.Go(func() {
		if err := do(); err != nil {
			h.err.CompareAndSwap(nil, &err)
		}
	})
	if err := h.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (h *httpSender) close() error {
	h.busy.Wait()
	h.http.CloseIdleConnections()
	if err := h.err.Load(); err != nil {
		return *err
	}
	return nil
}

func httpClient(conns int) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, DisableCompression: true}}
}

func post(c *http.Client, to, kind, text, token string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`))) {
		err = fmt.Errorf("%s: %s: %.200s", to, resp.Status, answer)
	}
	return answer, err
}

// centrifugoAPI publishes by Centrifugo's HTTP API: one event a request, or in batches, one after another, so that their order is kept.
type centrifugoAPI struct {
	httpSender
	url string
}

func (p *centrifugoAPI) send(n, size int) error {
	event := fmt.Sprintf(`{"channel":"bench","data":%s}`, body(n, size))
	return p.begin(func() error {
		_, err := post(p.http, p.url+"/publish", "application/json", event, "")
		return err
	})
}

func (p *centrifugoAPI) flood(size int, more func(int) bool) (n int, err error) {
	const most = 32 // less than more lets wait
	for going := true; going; {
		var batch strings.Builder
		for i := 0; i < most; i++ {
			if going = more(n); !going {
				break
			}
			fmt.Fprintf(&batch, `,{"publish":{"channel":"bench","data":%s}}`, body(n, size))
			n++
		}
		if batch.Len() > 0 {
			if _, err := post(p.http, p.url+"/batch", "application/json", `{"commands":[`+batch.String()[1:]+`]}`, ""); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// mercureHub publishes to Mercure, which takes one event a request.
type mercureHub struct {
	httpSender
	url string
}

func (p *mercureHub) post(n, size int) error {
	_, err := post(p.http, p.url, "application/x-www-form-urlencoded", "topic=bench&data="+url.QueryEscape(string(body(n, size))), mercureToken())
	return err
}

func (p *mercureHub) send(n, size int) error {
	return p.begin(func() error { return p.post(n, size) })
}

func (p *mercureHub) flood(size int, more func(int) bool) (n int, err error) {
	slots := make(chan struct{}, 16)
	for ; more(n); n++ {
		slots <- struct{}{}
		if err := p.begin(func() error {
			defer func() { <-slots }()
			return p.post(n, size)
		}); err != nil {
			return n, err
		}
	}
	p.busy.Wait()
	if err := p.err.Load(); err != nil {
		return n, *err
	}
	return n, nil
}

const mercureKey = "a-key-of-the-benchmark-that-is-long-enough"

// mercureToken is a JWT that may publish everything.
var mercureToken = sync.OnceValue(func() string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"mercure":{"publish":["*"]}}`))
	sum := hmac.New(sha256.New, []byte(mercureKey))
	sum.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
})
