package abuse

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	shopPassword = "the-password-of-the-shop"
	opsPassword  = "the-password-of-operations"
)

// startUsers starts a bridge whose NATS asks who comes.
func startUsers(t *testing.T) *target {
	b := &target{t: t, addr: loopback(t), admin: loopback(t), nats: loopback(t)}
	users := fmt.Sprintf(`
authorization { users: [
	{ user: shop, password: %q, permissions: { publish: ["live.products.>"], subscribe: ["_INBOX.>"] } }
	{ user: ops, password: %q, permissions: { publish: ">", subscribe: ">" } }
] }
`, b.secret(shopPassword), b.secret(opsPassword))
	b.launch("--nats-listen", b.nats, "--store-dir", filepath.Join(t.TempDir(), "store"), "--nats-config", natsConf(t, users))
	b.join(nats.UserInfo("ops", opsPassword))
	return b
}

// shop connects as a service with the right to publish alone. What NATS refuses comes through the channel.
func (a *attack) shop() (*nats.Conn, chan error) {
	a.t.Helper()
	refused := make(chan error, 100)
	nc, err := nats.Connect("nats://"+a.on.nats, nats.UserInfo("shop", shopPassword), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		a.fail("connect: %v", err)
	}
	a.t.Cleanup(nc.Close)
	return nc, refused
}

// violates waits until NATS has refused something for lack of the right.
func (a *attack) violates(what string, refused chan error) {
	a.t.Helper()
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			a.fail("%s: %v", what, err)
		}
	case <-time.After(patience):
		a.fail("%s: NATS says nothing", what)
	}
}

var withUsers = group{
	title: "NATS with users",
	text:  "The NATS inside, where its configuration names users: who comes without a password, and a service that may publish, and tries more. The bridge lets itself in.",
	rows: []row{
		{on: "users", name: "no credentials, a wrong password, a user who does not exist, no password, the token of a user's password",
			do: func(a *attack) answer {
				w := a.watch("products")
				for _, opts := range [][]nats.Option{{}, {nats.UserInfo("shop", "wrong")}, {nats.UserInfo("bridge", shopPassword)}, {nats.UserInfo("shop", "")}, {nats.UserInfo("", "")}, {nats.Token(shopPassword)}} {
					if nc, err := nats.Connect("nats://"+a.on.nats, opts...); !errors.Is(err, nats.ErrAuthorization) {
						nc.Close()
						a.fail("%v, want %v", err, nats.ErrAuthorization)
					}
				}
				return w.outcome()
			}, status: 101, close: "none"},
		{on: "users", name: "a service deletes and purges the stream, its messages and its consumers, changes and reads it, empties the list of revoked tokens, and publishes what is not its: NATS refuses each, and nothing happens",
			do: func(a *attack) answer {
				w := a.watch("*")
				nc, refused := a.shop()
				return a.storesNothing(func() answer {
					for _, subject := range []string{"$JS.API.STREAM.DELETE.LIVE", "$JS.API.STREAM.PURGE.LIVE", "$JS.API.STREAM.UPDATE.LIVE", "$JS.API.STREAM.MSG.DELETE.LIVE", "$JS.API.STREAM.MSG.GET.LIVE",
						"$JS.API.DIRECT.GET.LIVE", "$JS.API.STREAM.SNAPSHOT.LIVE", "$JS.API.CONSUMER.CREATE.LIVE", "$JS.API.CONSUMER.LIST.LIVE", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.DELETE.KV_LIVE_REVOKED",
						"$KV.LIVE_REVOKED.sub." + encode("alice"), "live.orders.updated.1", "live.bystander.updated.1", "$SYS.REQ.SERVER.PING"} {
						if err := nc.PublishRequest(subject, nc.NewInbox(), []byte("{}")); err != nil {
							a.fail("%s: %v", subject, err)
						}
						a.violates(subject, refused)
					}
					return w.outcome()
				})
			}, status: 101, close: "none"},
		{on: "users", name: "a service subscribes to `live.>`, `>`, the API of JetStream, the list of revoked tokens, the system's events: refused, and it hears nothing. What it may publish arrives",
			do: func(a *attack) answer {
				w := a.watch("products")
				nc, refused := a.shop()
				heard := make(chan *nats.Msg, 100)
				for _, subject := range []string{"live.>", "live.products.>", ">", "*.>", "$JS.API.>", "$JS.EVENT.>", "$KV.>", "$SYS.>"} {
					if _, err := nc.ChanSubscribe(subject, heard); err != nil {
						a.fail("%s: %v", subject, err)
					}
					a.violates(subject, refused)
				}
				if _, err := nc.Request("live.products.updated.1", nil, patience); err != nil {
					a.fail("publish: %v", err)
				}
				w.until("event")
				if err := nc.Flush(); err != nil {
					a.fail("flush: %v", err)
				}
				if len(heard) > 0 {
					a.fail("it hears %s", (<-heard).Subject)
				}
				return w.outcome()
			}, status: 101, close: "none"},
	},
}
