package abuse

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A kind is how a bridge under attack was started.
type kind struct {
	name, help string
	start      func(t *testing.T) *target
}

var kinds = []kind{
	{"open", "nothing but where to listen: loopback, no tokens", func(t *testing.T) *target { return start(t) }},
	{"secret", "`--jwt-secret-file` (HS256), `--jwt-issuer`, `--jwt-audience`, `--origins https://good.example,https://*.apps.example`", startSecret},
	{"key", "`--jwt-key-file` (an RSA key)", startKey},
	{"keyset", "`--jwks-url` (an RSA and an EC key)", startKeySet},
	{"strict", "`--frame-rate 0.001 --frame-burst 20`, so that frames can be counted, and `--byte-rate 1 --max-connections-per-address 10`", func(t *testing.T) *target {
		return start(t, "--frame-rate", "0.001", "--frame-burst", "20", "--byte-rate", "1", "--max-connections-per-address", "10")
	}},
	{"crowd", "`--jwt-secret-file`, `--trusted-proxies 127.0.0.1 --max-connections-per-address 5 --max-connections-per-user 3`", func(t *testing.T) *target {
		k := newKeys(t, "HS256")
		b := start(t, "--jwt-secret-file", file(t, "jwt.secret", k.secret), "--trusted-proxies", "127.0.0.1", "--max-connections-per-address", "5", "--max-connections-per-user", "3")
		b.keys, k.b = k, b
		b.secret(string(k.secret))
		return b
	}},
	{"quick", "`--connect-timeout 500ms --ping 500ms --max-connections 20 --max-outbox 64KiB --max-replay 50`", func(t *testing.T) *target {
		return start(t, "--connect-timeout", "500ms", "--ping", "500ms", "--max-connections", "20", "--max-outbox", "64KiB", "--max-replay", "50")
	}},
	{"patient", "`--window-bytes 1MiB`, so that replays read from JetStream; for what takes ten seconds", func(t *testing.T) *target { return start(t, "--window-bytes", "1MiB") }},
	{"tls", "`--tls-cert`, `--tls-key`", startTLS},
	{"users", "`--nats-config` with the users `shop`, who may publish `live.products.>`, and `ops`, who may everything", startUsers},
}

func startSecret(t *testing.T) *target {
	k := newKeys(t, "HS256")
	secret := file(t, "jwt.secret", append(k.secret, '\n'))
	b := start(t, "--jwt-secret-file", secret, "--jwt-issuer", issuer, "--jwt-audience", audience, "--origins", "https://good.example,https://*.apps.example")
	b.keys, k.b, b.secretFile = k, b, secret
	b.secret(string(k.secret))
	return b
}

func startKey(t *testing.T) *target {
	k := newKeys(t, "RS256")
	b := start(t, "--jwt-key-file", file(t, "public.pem", k.public()))
	b.keys, k.b = k, b
	return b
}

// A keySet is a login service's page with its keys.
type keySet struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []fields
	fetched int
	last    time.Time // when it was fetched
	to      string    // where it redirects to; "" = it answers
}

func newKeySet(t *testing.T, keys ...fields) *keySet {
	s := &keySet{keys: keys}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fetched, s.last = s.fetched+1, time.Now()
		if s.to != "" {
			w.Header().Set("Location", s.to)
			w.WriteHeader(http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(fields{"keys": s.keys})
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keySet) set(keys ...fields) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

// due waits until the bridge may fetch the set again.
func (s *keySet) due() {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	time.Sleep(time.Until(last.Add(10 * time.Second))) // what is waited for is the time itself
}

func (s *keySet) redirect(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
}

func (s *keySet) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched
}

func startKeySet(t *testing.T) *target {
	k := newKeys(t, "RS256")
	k.kid = "one"
	k.set = newKeySet(t, jwk("one", &k.rsa.PublicKey), ecJWK("ec", &k.ec.PublicKey))
	b := start(t, "--jwks-url", k.set.URL+"/jwks.json")
	b.keys, k.b = k, b
	return b
}
