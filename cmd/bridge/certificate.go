package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// lookEvery is how often the certificate's files are looked at. It is a variable for tests.
var lookEvery = 5 * time.Second

// A certificate is what --tls-cert and --tls-key name, as it is now: the files are read every few seconds, whatever way they are
// replaced in (written, renamed over, a link that leads elsewhere), and new handshakes get what is in them. A pair that cannot be used
// changes nothing.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	serves atomic.Pointer[tls.Certificate]
	read   [sha256.Size]byte // of the files as they are served
	failed string            // what was wrong when they were last looked at
	told   string            // what the log has been told of it

	stop context.CancelFunc
	done sync.WaitGroup
}

// openCertificate loads the pair, and follows its files until close.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.load(); err != nil {
		return nil, failure("give a certificate and its private key, both as PEM", "--tls-cert %s, --tls-key %s: %w", certFile, keyFile, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.done.Go(func() { c.follow(ctx) })
	return c, nil
}

func (c *certificate) close() {
	c.stop()
	c.done.Wait()
}

// config is that of a server with this certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.serves.Load(), nil }}
}

// load reads the files, and serves what is in them if that is new. It says whether it was.
func (c *certificate) load() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, err
	}
	h := sha256.New()
	_, _ = h.Write(cert)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(key)
	sum := [sha256.Size]byte(h.Sum(nil))
	if sum == c.read {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, err
	}
	c.read = sum
	c.serves.Store(&pair)
	leaf := pair.Leaf
	if now := time.Now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		c.log.Warn("the certificate is not valid now: clients will refuse it", "file", c.certFile, "from", leaf.NotBefore, "to", leaf.NotAfter)
	}
	return true, nil
}

func (c *certificate) follow(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

// look loads what has changed. What is wrong is told once, and only if it is still so the next time: the two files are not replaced in
// the same moment.
func (c *certificate) look() {
	changed, err := c.load()
	if err == nil {
		if changed {
			c.log.Info("the certificate was loaded anew", "file", c.certFile, "expires", c.expires())
		}
		c.failed, c.told = "", ""
		return
	}
	text := err.Error()
	if text == c.failed && text != c.told {
		c.told = text
		c.log.Error("the certificate cannot be loaded: the one before is served on", "cert", c.certFile, "key", c.keyFile, "error", err, "expires", c.expires())
	}
	c.failed = text
}

func (c *certificate) expires() time.Time { return c.serves.Load().Leaf.NotAfter }

// metric is when the certificate that is served expires; never, where there is none.
func (c *certificate) metric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "livebridge_tls_certificate_expires_seconds", Help: "When the certificate that is served expires, in seconds since 1970. +Inf without TLS.",
	}, func() float64 {
		if c == nil {
			return math.Inf(1)
		}
		return float64(c.expires().Unix())
	})
}
