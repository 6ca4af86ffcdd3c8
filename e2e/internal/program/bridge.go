package program

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A Bridge is the program, which can be killed and started again with the same arguments. The zero Process is one that was not started.
type Bridge struct {
	*Process
	Bin  string   // what Build returned
	Addr string   // where it listens
	NATS string   // the address of its NATS
	Args []string // besides --listen
	Env  []string
}

// Embedded is a bridge with NATS inside. It is not started.
func Embedded(t testing.TB, bin, store string, more ...string) *Bridge {
	b := &Bridge{Bin: bin, Addr: Addr(t), NATS: Addr(t)}
	b.Args = append([]string{"--nats-listen", b.NATS, "--store-dir", store, "--log-level", "warn"}, more...)
	return b
}

// Beside is a bridge that uses NATS servers of their own, each given as host:port. It is not started.
func Beside(t testing.TB, bin string, servers []string, more ...string) *Bridge {
	b := &Bridge{Bin: bin, Addr: Addr(t), NATS: servers[0]}
	b.Args = append([]string{"--nats-url", "nats://" + strings.Join(servers, ",nats://"), "--log-level", "warn"}, more...)
	return b
}

// Start starts the bridge and does not wait.
func (b *Bridge) Start(t testing.TB) {
	t.Helper()
	b.Process = Spawn(t, b.Env, b.Bin, append([]string{"--listen", b.Addr}, b.Args...)...)
}

// Up starts the bridge and waits until it is ready.
func (b *Bridge) Up(t testing.TB) {
	t.Helper()
	b.Start(t)
	Eventually(t, 20*time.Second, b.Ready)
}

// Ready returns nil while /readyz says that the bridge can do its work.
func (b *Bridge) Ready() error {
	code, body, err := b.Get("/readyz")
	if err == nil && code != http.StatusOK {
		err = errors.New(body)
	}
	return err
}

// Get asks the bridge for a path.
func (b *Bridge) Get(path string) (status int, body string, err error) { return b.Do("GET", path, "") }

// Do sends a request to the bridge. header holds names and values by turns.
func (b *Bridge) Do(method, path, body string, header ...string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.Addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
