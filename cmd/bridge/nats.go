package main

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// How a connection to NATS behaves.
const (
	natsTimeout = 5 * time.Second // to connect, each server
	natsPing    = 5 * time.Second // a server that does not answer two of them is gone
	natsWait    = 250 * time.Millisecond
)

// natsOptions are common to all connections: they come back for ever, buffer nothing meanwhile (what is published while NATS is away is
// refused, not sent later), and tell the log what goes wrong, what the server forbids included. closed is called if the connection ends for
// good without our having closed it.
func natsOptions(log *slog.Logger, closed func(error)) []nats.Option {
	var told atomic.Bool // since the last connection; a server that refuses says so several times a second
	refused := func(err error) bool {
		if refusedUser(err) && !told.Swap(true) {
			log.Error("NATS does not let this user in any more: trying again until it does", "error", err)
		}
		return refusedUser(err)
	}
	return []nats.Option{
		nats.Name("livebridge"),
		nats.Timeout(natsTimeout), nats.RetryOnFailedConnect(false), nats.NoCallbacksAfterClientClose(),
		nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectWait(natsWait), nats.ReconnectJitter(natsWait, natsWait),
		nats.ReconnectBufSize(-1), nats.PingInterval(natsPing), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				log.Warn("the connection to NATS is lost, connecting again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			told.Store(false)
			log.Info("connected to NATS again", "url", nc.ConnectedUrlRedacted())
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if !refused(err) {
				log.Debug("connecting to NATS", "error", err)
			}
		}),
		nats.ErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
			if refused(err) {
				return
			}
			attrs := []any{"error", err}
			if sub != nil {
				attrs = append(attrs, "subject", sub.Subject)
			}
			log.Error("NATS", attrs...)
		}),
		nats.LameDuckModeHandler(func(nc *nats.Conn) { log.Info("the NATS server is about to stop", "url", nc.ConnectedUrlRedacted()) }),
		nats.ClosedHandler(func(nc *nats.Conn) { closed(nc.LastError()) }),
	}
}

// options are those that say who we are. Files with secrets are refused where others may read them; they are read again for each
// connection, so that they can be renewed.
func (f *natsFlags) options() ([]nats.Option, error) {
	opts := []nats.Option{nats.CustomInboxPrefix(f.NATSInbox)}
	for _, file := range [][2]string{{"--nats-creds", f.NATSCreds}, {"--nats-nkey", f.NATSNkey}, {"--nats-password-file", f.NATSPass}} {
		if file[1] == "" {
			continue
		}
		if _, err := readSecret(file[0], file[1]); err != nil {
			return nil, err
		}
	}
	for _, file := range [][2]string{{"--nats-ca", f.NATSCA}, {"--nats-cert", f.NATSCert}, {"--nats-key", f.NATSKey}} {
		if file[1] == "" {
			continue
		}
		if _, err := readFile(file[0], file[1]); err != nil {
			return nil, err
		}
	}
	if f.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(f.NATSCreds))
	}
	if f.NATSNkey != "" {
		opt, err := nats.NkeyOptionFromSeed(f.NATSNkey)
		if err != nil {
			return nil, failure("the file holds a user's seed, which begins with SU", "--nats-nkey %s: %w", f.NATSNkey, err)
		}
		opts = append(opts, opt)
	}
	if f.NATSUser != "" {
		opts = append(opts, nats.UserInfoHandler(func() (string, string) {
			password, _ := readSecret("", f.NATSPass) // without it the server refuses, which is told
			return f.NATSUser, string(password)
		}))
	}
	if f.NATSCA != "" {
		opts = append(opts, nats.RootCAs(f.NATSCA))
	}
	if f.NATSCert != "" {
		opts = append(opts, nats.ClientCert(f.NATSCert, f.NATSKey))
	}
	return opts, nil
}

// connect connects to a NATS server elsewhere, or says within seconds why it cannot.
func (f *natsFlags) connect(servers, hint string, opts []nats.Option) (*nats.Conn, error) {
	who, err := f.options()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(servers, append(opts, who...)...)
	if err != nil {
		return nil, connectError("at "+redacted(servers), hint, err)
	}
	return nc, nil
}

// connectError says what to do about a server that cannot be used.
func connectError(where, hint string, err error) error {
	var unknown x509.UnknownAuthorityError
	text := "NATS %s cannot be reached: %w"
	var address *url.Error
	switch {
	case errors.As(err, &address): // whose text has parts of the password
		hint, err = "write nats://host:4222; characters such as / and % in a password are written %XX", errors.New("that is no address")
	case refusedUser(err):
		text, hint = "NATS %s does not let this user in: %w", "say who it is: --nats-creds FILE, --nats-nkey FILE, or --nats-user NAME --nats-password-file FILE"
	case errors.As(err, &unknown):
		hint = "if its certificate is signed by an authority of your own, name that with --nats-ca FILE"
	case errors.Is(err, nats.ErrSecureConnWanted):
		hint = "the server does not speak TLS: write nats:// in place of tls://, and leave out --nats-ca"
	case errors.Is(err, nats.ErrSecureConnRequired), strings.Contains(err.Error(), "tls:"), strings.Contains(err.Error(), "tls error:"), strings.Contains(err.Error(), "x509:"):
		hint = "the server asks for TLS: check --nats-ca, --nats-cert and --nats-key, and that the URL names the host of its certificate"
	}
	return failure(hint, text, where, err)
}

// refusedUser says whether a server does not let the user in.
func refusedUser(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) ||
		errors.Is(err, nats.ErrAccountAuthExpired) || errors.Is(err, nats.ErrNkeysNotSupported)
}

// redacted is a list of URLs without their passwords.
func redacted(servers string) string {
	list := strings.Split(servers, ",")
	for i, s := range list {
		s = strings.TrimSpace(s)
		u, err := url.Parse(s)
		switch {
		case err != nil && strings.Contains(s, "@"):
			list[i] = "…@" + s[strings.LastIndex(s, "@")+1:]
		case err != nil:
			list[i] = s
		default:
			if _, password := u.User.Password(); u.User != nil && !password {
				u.User = url.User("xxxxx") // a token
			}
			list[i] = u.Redacted()
		}
	}
	return strings.Join(list, ",")
}
