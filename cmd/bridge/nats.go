package main

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
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
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("connected to NATS again", "url", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { log.Debug("connecting to NATS", "error", err) }),
		nats.ErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
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

// options are those that say who we are.
func (f *natsFlags) options() ([]nats.Option, error) {
	var opts []nats.Option
	for _, file := range []struct{ flag, path string }{
		{"--nats-creds", f.NATSCreds}, {"--nats-nkey", f.NATSNkey}, {"--nats-ca", f.NATSCA}, {"--nats-cert", f.NATSCert}, {"--nats-key", f.NATSKey},
	} {
		if file.path == "" {
			continue
		}
		if _, err := os.ReadFile(file.path); err != nil {
			return nil, failure("give a file that this user can read", "%s: %w", file.flag, err)
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
		return nil, connectError(redacted(servers), hint, err)
	}
	return nc, nil
}

// connectError says what to do about a server that cannot be used.
func connectError(servers, hint string, err error) error {
	var unknown x509.UnknownAuthorityError
	text := "NATS at %s cannot be reached: %w"
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrNkeysNotSupported):
		text, hint = "NATS at %s does not let this user in: %w", "say who it is: --nats-creds FILE, --nats-nkey FILE, or nats://user:password@host:4222"
	case errors.As(err, &unknown):
		hint = "if its certificate is signed by an authority of your own, name that with --nats-ca FILE"
	case errors.Is(err, nats.ErrSecureConnWanted):
		hint = "the server does not speak TLS: write nats:// in place of tls://, and leave out --nats-ca"
	case errors.Is(err, nats.ErrSecureConnRequired), strings.Contains(err.Error(), "tls:"), strings.Contains(err.Error(), "x509:"):
		hint = "the server asks for TLS: check --nats-ca, --nats-cert and --nats-key, and that the URL names the host of its certificate"
	}
	return failure(hint, text, servers, err)
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
