package main

import (
	"slices"
	"strings"

	"github.com/livebridge/livebridge/bridge"
	"github.com/livebridge/livebridge/publish"
)

// check refuses settings that are wrong by themselves or contradict each other, before anything is started.
func (c *serveCmd) check(set sources) error {
	for _, check := range []func(sources) error{c.checkNATS, c.tokenFlags.check, c.checkAddresses, c.checkTLS, c.checkStream, c.checkLimits} {
		if err := check(set); err != nil {
			return err
		}
	}
	if err := bridge.CheckOrigins(c.Origins); err != nil {
		return usage("an origin is what a browser shows before the path of a page, without a slash at the end", "%s: %v", name(set, "origins"), err)
	}
	if err := bridge.CheckProxies(c.TrustedProxies); err != nil {
		return usage("list the proxies in front of this bridge, such as --trusted-proxies 127.0.0.1,10.0.0.0/8", "%s: %v", name(set, "trusted-proxies"), err)
	}
	return nil
}

// name is how a flag was given.
func name(set sources, flag string) string {
	if how, ok := set[flag]; ok {
		return how
	}
	return "--" + flag
}

// checkNATS keeps what is for the NATS inside apart from what is for one outside.
func (c *serveCmd) checkNATS(set sources) error {
	if c.NATSURL != "" {
		for _, flag := range []string{"nats-listen", "nats-config", "store-dir"} {
			if how, ok := set[flag]; ok {
				return usage("an external NATS has its own settings: leave out "+how+", or "+name(set, "nats-url")+" to run NATS inside",
					"%s and %s contradict each other", name(set, "nats-url"), how)
			}
		}
		return c.natsFlags.check(set)
	}
	for _, flag := range []string{"nats-ca", "nats-cert", "nats-key"} {
		if how, ok := set[flag]; ok {
			return usage("name the server too: --nats-url tls://host:4222", "%s is for an external NATS, but there is no --nats-url", how)
		}
	}
	for _, flag := range []string{"nats-creds", "nats-nkey", "nats-user", "nats-password-file"} {
		if how, ok := set[flag]; ok && c.NATSConfig == "" {
			return usage("name the server with --nats-url, or the configuration that knows this user with --nats-config",
				"%s is not needed for the built-in NATS configuration, which has no users", how)
		}
	}
	if c.Replicas > 1 {
		return usage("run a NATS cluster, and connect to it with --nats-url", "%s %d needs a cluster, but the NATS inside the bridge is one server", name(set, "replicas"), c.Replicas)
	}
	return c.natsFlags.check(set)
}

// check refuses halves of credentials, and more than one of them.
func (f *natsFlags) check(set sources) error {
	var given []string
	for _, who := range [][2]string{{"nats-creds", f.NATSCreds}, {"nats-nkey", f.NATSNkey}, {"nats-user", f.NATSUser}} {
		if who[1] != "" {
			given = append(given, name(set, who[0]))
		}
	}
	if len(given) > 1 {
		return usage("leave out one of them", "%s and %s both say who the bridge is", given[0], given[1])
	}
	if f.NATSInbox == "" || strings.ContainsAny(f.NATSInbox, "*> \t\r\n") || slices.Contains(strings.Split(f.NATSInbox, "."), "") {
		return usage("give the beginning of a subject, such as _INBOX.bridge", "%s %q is no beginning of a subject", name(set, "nats-inbox"), f.NATSInbox)
	}
	if err := pair(set, "nats-user", f.NATSUser, "nats-password-file", f.NATSPass); err != nil {
		return err
	}
	return pair(set, "nats-cert", f.NATSCert, "nats-key", f.NATSKey)
}

// pair refuses one of two flags without the other.
func pair(set sources, flag, value, other, otherValue string) error {
	switch {
	case value != "" && otherValue == "":
		return usage("give --"+other+" too", "%s is given without --%s", name(set, flag), other)
	case value == "" && otherValue != "":
		return usage("give --"+flag+" too", "%s is given without --%s", name(set, other), flag)
	}
	return nil
}

func (c *serveCmd) checkTLS(set sources) error {
	return pair(set, "tls-cert", c.TLSCert, "tls-key", c.TLSKey)
}

func (c *serveCmd) checkAddresses(set sources) error {
	if !c.Listen.loopback() && !c.Insecure && !c.asked() {
		return usage("ask for tokens (--jwt-secret-file, --jwt-key-file or --jwks-url), listen on 127.0.0.1 behind a reverse proxy that checks who comes, or add --insecure where the network is trusted",
			"%s %s is a public address: everybody who reaches it could read and publish every event", name(set, "listen"), c.Listen)
	}
	used := map[address]string{}
	for _, a := range []struct {
		flag string
		addr address
	}{{"listen", c.Listen}, {"admin-listen", c.AdminListen}, {"nats-listen", c.NATSListen}} {
		if a.addr.port == 0 || a.flag == "nats-listen" && c.NATSURL != "" {
			continue
		}
		if other, ok := used[a.addr]; ok {
			return usage("give them different ports", "%s and %s are the same address, %s", name(set, other), name(set, a.flag), a.addr)
		}
		used[a.addr] = a.flag
	}
	return nil
}

func (c *serveCmd) checkStream(set sources) error {
	if err := checkStreamName(set, c.Stream); err != nil {
		return err
	}
	if c.Replicas < 1 || c.Replicas > 5 {
		return usage("JetStream keeps 1 to 5 copies", "%s is %d", name(set, "replicas"), c.Replicas)
	}
	return nil
}

func checkStreamName(set sources, stream string) error {
	if stream == "" || strings.ContainsAny(stream, ".*>/\\ \t\r\n") {
		return usage("a stream's name has no space and none of . * > / \\", "%s %q is not the name of a stream", name(set, "stream"), stream)
	}
	return nil
}

func (c *serveCmd) checkLimits(set sources) error {
	for _, l := range []struct {
		flag string
		ok   bool
	}{
		{"max-connections", c.MaxConnections > 0}, {"max-subscriptions", c.MaxSubscriptions > 0}, {"max-ids", c.MaxIDs > 0},
		{"max-ids-per-connection", c.MaxIDsPerConnection > 0}, {"max-replays", c.MaxReplays > 0}, {"max-replays-per-connection", c.MaxReplaysPerConnection > 0},
		{"max-replay", c.MaxReplay > 0}, {"max-frame", c.MaxFrame > 0}, {"max-payload", c.MaxPayload > 0}, {"max-publish", c.MaxPublish > 0},
		{"frame-rate", c.FrameRate > 0}, {"frame-burst", c.FrameBurst > 0}, {"byte-rate", c.ByteRate > 0}, {"max-outbox", c.MaxOutbox > 0}, {"window-bytes", c.WindowBytes > 0},
		{"ping", c.Ping > 0}, {"connect-timeout", c.ConnectTimeout > 0}, {"request-timeout", c.RequestTimeout > 0}, {"drain-timeout", c.DrainTimeout > 0},
	} {
		if !l.ok {
			return usage("a limit cannot be switched off: give a great one", "%s must be above zero", name(set, l.flag))
		}
	}
	for _, l := range []struct {
		flag  string
		value int
	}{{"max-connections-per-address", c.MaxConnectionsPerAddress}, {"max-connections-per-user", c.MaxConnectionsPerUser}} {
		if l.value < 0 {
			return usage("0 is any number", "%s must not be below zero", name(set, l.flag))
		}
	}
	if c.MaxPublish > publish.MaxMessages {
		return usage("JetStream stores so many at once, all or none", "%s is %d, but may be %d at most", name(set, "max-publish"), c.MaxPublish, publish.MaxMessages)
	}
	return nil
}
