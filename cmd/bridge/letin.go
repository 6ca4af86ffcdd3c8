package main

import (
	"slices"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// asks says whether the configuration asks every client who it is.
func (e *embedded) asks() bool {
	o := e.opts
	return o.Username != "" || o.Authorization != "" || len(o.Users) > 0 || len(o.Nkeys) > 0 ||
		len(o.TrustedOperators) > 0 || len(o.TrustedKeys) > 0 || o.AuthCallout != nil
}

// guarded says whether nobody gets in without credentials.
func (e *embedded) guarded() bool { return (e.asks() || e.opts.TLSVerify) && e.opts.NoAuthUser == "" }

// letIn lets the bridge connect to its own server where that asks for credentials: with --nats-creds, --nats-nkey or --nats-user where one is given,
// and otherwise as a user with a key that is made here, and known to nobody else.
func (e *embedded) letIn(c *serveCmd) error {
	o := e.opts
	if c.NATSCreds != "" || c.NATSNkey != "" || c.NATSUser != "" {
		var err error
		e.self, err = c.natsFlags.options()
		return err
	}
	if !e.asks() {
		return nil
	}
	hint := "give the bridge a user of the account that has the stream: --nats-creds FILE or --nats-nkey FILE"
	if len(o.TrustedOperators) > 0 || len(o.TrustedKeys) > 0 || o.AuthCallout != nil {
		return failure(hint, "--nats-config %s: users are not listed there, so the bridge does not know whose part to take", c.NATSConfig)
	}
	account, ok := e.account()
	if !ok {
		return failure(hint, "--nats-config %s: it has several accounts, and does not say which is the bridge's", c.NATSConfig)
	}
	if o.Authorization != "" {
		e.self = []nats.Option{nats.Token(o.Authorization)}
		return nil
	}
	if o.Username != "" { // one user becomes a list of users, to which another can be added
		o.Users = append(o.Users, &server.User{Username: o.Username, Password: o.Password})
		o.Username, o.Password = "", ""
	}
	key, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	public, err := key.PublicKey()
	if err != nil {
		return err
	}
	o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: public, Account: account})
	e.self = []nats.Option{nats.Nkey(public, key.Sign)}
	return nil
}

// account is the only account of the configuration besides that of the system: nil stands for the global one.
func (e *embedded) account() (*server.Account, bool) {
	accounts := slices.DeleteFunc(slices.Clone(e.opts.Accounts), func(a *server.Account) bool {
		return a.Name == e.opts.SystemAccount || a.Name == server.DEFAULT_SYSTEM_ACCOUNT || a.Name == server.DEFAULT_GLOBAL_ACCOUNT
	})
	switch len(accounts) {
	case 0:
		return nil, true
	case 1:
		return accounts[0], true
	default:
		return nil, false
	}
}
