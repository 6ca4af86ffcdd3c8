package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// newCertificate writes a certificate for 127.0.0.1 and its key.
func newCertificate(t testing.TB) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))), pool
}

// steps fails the test where one of the steps that prepare it failed.
func steps(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	steps(t, err)
	return text
}

// A renewed certificate is served without a restart, however its files are replaced; what is connected stays.
func TestCertificateIsRenewed(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, dir, cert, key string){
		"renamed over": func(t *testing.T, dir, cert, key string) { // cert-manager's file writers, acme.sh
			for name, from := range map[string]string{"cert.pem": cert, "key.pem": key} {
				steps(t, os.WriteFile(filepath.Join(dir, "new"), content(t, from), 0o600), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name)))
			}
		},
		"links of their own": func(t *testing.T, dir, cert, key string) { // certbot: live/x/fullchain.pem leads to archive/x/fullchain2.pem
			for name, to := range map[string]string{"cert.pem": cert, "key.pem": key} {
				steps(t, os.Remove(filepath.Join(dir, name)), os.Symlink(to, filepath.Join(dir, name)))
			}
		},
		"a link to the folder": func(t *testing.T, dir, cert, key string) { // secrets of Kubernetes: cert.pem leads to ..data/cert.pem
			next := filepath.Join(t.TempDir(), "next")
			steps(t, os.Mkdir(next, 0o700), os.WriteFile(filepath.Join(next, "cert.pem"), content(t, cert), 0o600), os.WriteFile(filepath.Join(next, "key.pem"), content(t, key), 0o600),
				os.Symlink(next, dir+"..tmp"), os.Rename(dir+"..tmp", filepath.Join(dir, "..data")))
		},
		"written": func(t *testing.T, dir, cert, key string) {
			steps(t, os.WriteFile(filepath.Join(dir, "cert.pem"), content(t, cert), 0o600), os.WriteFile(filepath.Join(dir, "key.pem"), content(t, key), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key, old := newCertificate(t)
			newer, newerKey, pool := newCertificate(t)
			dir, first := t.TempDir(), t.TempDir()
			steps(t, os.WriteFile(filepath.Join(first, "cert.pem"), content(t, cert), 0o600), os.WriteFile(filepath.Join(first, "key.pem"), content(t, key), 0o600))
			if name == "a link to the folder" {
				steps(t, os.Symlink(first, filepath.Join(dir, "..data")), os.Symlink("..data/cert.pem", filepath.Join(dir, "cert.pem")), os.Symlink("..data/key.pem", filepath.Join(dir, "key.pem")))
			} else {
				steps(t, os.Rename(filepath.Join(first, "cert.pem"), filepath.Join(dir, "cert.pem")), os.Rename(filepath.Join(first, "key.pem"), filepath.Join(dir, "key.pem")))
			}
			b := serve(t, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
			ws := dial(t, &websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: old}}, "wss"+strings.TrimPrefix(b.URL, "https"))
			replace(t, dir, newer, newerKey)
			b.stderr.wait(t, "the certificate was loaded anew")
			dial(t, &websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: pool}}, "wss"+strings.TrimPrefix(b.URL, "https"))
			if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"ping"}`)); err != nil {
				t.Fatal(err)
			}
			if _, frame, err := ws.ReadMessage(); err != nil || string(frame) != `{"op":"pong"}` {
				t.Errorf("the connection from before: %s %v", frame, err)
			}
		})
	}
}

// A pair that cannot be used is told once, and changes nothing; nor does half of one. The metric is about what is served.
func TestBrokenCertificateIsNotServed(t *testing.T) {
	cert, key, pool := newCertificate(t)
	other, otherKey, otherPool := newCertificate(t)
	b := serve(t, "--tls-cert", cert, "--tls-key", key)
	page := func(pool *x509.CertPool) (string, error) {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
		resp, err := c.Get(b.URL + "/metrics")
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	before, err := page(pool)
	steps(t, err)
	block, _ := pem.Decode(content(t, cert))
	leaf, err := x509.ParseCertificate(block.Bytes)
	steps(t, err)
	if want := fmt.Sprintf("livebridge_tls_certificate_expires_seconds %v\n", float64(leaf.NotAfter.Unix())); !strings.Contains(before, want) {
		t.Errorf("metrics lack %s", want)
	}
	for text, write := range map[string]func() error{
		"private key does not match": func() error { return os.WriteFile(cert, content(t, other), 0o600) },
		"failed to find any PEM":     func() error { return os.WriteFile(cert, []byte("nonsense"), 0o600) },
		"no such file":               func() error { return os.Remove(cert) },
	} {
		steps(t, write())
		if line := b.stderr.wait(t, text); !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, cert) {
			t.Errorf("it says %s", line)
		}
		if _, err := page(pool); err != nil {
			t.Errorf("%s: the one before is not served: %v", text, err)
		}
	}
	if n := strings.Count(b.stderr.String(), "the certificate cannot be loaded"); n != 3 {
		t.Errorf("it was told %d times: %s", n, b.stderr)
	}
	steps(t, os.WriteFile(key, content(t, otherKey), 0o600), os.WriteFile(cert, content(t, other), 0o600))
	b.stderr.wait(t, "the certificate was loaded anew")
	if _, err := page(otherPool); err != nil {
		t.Error(err)
	}
}

// What is older than TLS 1.2 is not spoken, and nothing but HTTP/1.1.
func TestTLSVersions(t *testing.T) {
	cert, key, pool := newCertificate(t)
	b := serve(t, "--tls-cert", cert, "--tls-key", key)
	addr := strings.TrimPrefix(b.URL, "https://")
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			if got := c.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("%s: agreed on %q", tls.VersionName(version), got)
			}
			_ = c.Close()
		}
	}
	if _, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}}); err == nil {
		t.Error("HTTP/2 is agreed on")
	}
}
