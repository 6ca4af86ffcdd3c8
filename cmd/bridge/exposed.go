package main

import (
	"cmp"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// A listener of the NATS inside, by which others could come.
type listener struct {
	name    string // in the configuration
	at      address
	guarded bool   // nobody gets in without credentials
	clients bool   // those who come are users, with a user's rights
	risk    string // what whoever gets in may do
}

const allEvents = "could read, publish and delete every event"

// listeners are all that the configuration opens. Hosts are as nats-server has them by default.
func (e *embedded) listeners() (list []listener) {
	o := e.opts
	host := cmp.Or(o.Host, server.DEFAULT_HOST)
	add := func(open bool, l listener) {
		if open {
			l.at.host = cmp.Or(l.at.host, server.DEFAULT_HOST)
			list = append(list, l)
		}
	}
	at := func(host string, port int) address { return address{host, max(port, 0)} }
	users := e.guarded()
	add(!o.DontListen, listener{"listen", at(host, cmp.Or(o.Port, server.DEFAULT_PORT)), users, true, allEvents})
	ws := &o.Websocket
	add(ws.Port != 0, listener{"websocket", at(ws.Host, ws.Port), (users || ws.Username != "" || ws.Token != "") && ws.NoAuthUser == "", true, allEvents})
	mq := &o.MQTT
	add(mq.Port != 0, listener{"mqtt", at(mq.Host, mq.Port), (users || mq.Username != "" || mq.Token != "") && mq.NoAuthUser == "", true, allEvents})
	leaf := &o.LeafNode
	add(leaf.Port != 0, listener{"leafnodes", at(leaf.Host, leaf.Port), users || leaf.Username != "" || leaf.Nkey != "" || len(leaf.Users) > 0, false, allEvents})
	add(o.Cluster.Port != 0, listener{"cluster", at(o.Cluster.Host, o.Cluster.Port), o.Cluster.Username != "" || o.Cluster.TLSConfig != nil, false, allEvents})
	add(o.Gateway.Port != 0, listener{"gateway", at(o.Gateway.Host, o.Gateway.Port), o.Gateway.Username != "" || o.Gateway.TLSConfig != nil, false, allEvents})
	const inside = "could see users, addresses and subjects"
	monitor := cmp.Or(o.HTTPHost, host)
	add(o.HTTPPort != 0, listener{"http", at(monitor, o.HTTPPort), false, false, inside})
	add(o.HTTPSPort != 0, listener{"https", at(monitor, o.HTTPSPort), false, false, inside})
	add(o.ProfPort != 0, listener{"prof_port", at(host, o.ProfPort), false, false, "could see what is in the bridge's memory"})
	return list
}

// checkExposed refuses listeners on public addresses that let everybody in, or let users do everything without having said so.
func (e *embedded) checkExposed(c *serveCmd, set sources) error {
	if c.Insecure {
		return nil
	}
	public := false
	for _, l := range e.listeners() {
		if l.at.loopback() {
			continue
		}
		from := c.NATSConfig + ": " + l.name
		if _, ok := set["nats-listen"]; l.name == "listen" && (ok || c.NATSConfig == "") {
			from = name(set, "nats-listen")
		}
		public = public || l.clients
		switch {
		case l.guarded:
		case l.clients || l.risk == allEvents:
			return usage("give it users (authorization, in a --nats-config FILE), or add --insecure where the network is trusted",
				"%s %s is a public address without credentials: everybody who reaches it %s", from, l.at, l.risk)
		default:
			return usage("let it listen on 127.0.0.1, or add --insecure where the network is trusted",
				"%s %s is a public address, and asks nobody who he is: everybody who reaches it %s", from, l.at, l.risk)
		}
	}
	if who := e.unlimited(); public && who != "" {
		return usage(`say what it may: permissions: { publish: ["live.products.>"], subscribe: ["_INBOX.>"] }; one that may everything: { publish: ">", subscribe: ">" }`,
			"%s: %s has no permissions, and so may read, publish and delete every event, from a public address", c.NATSConfig, who)
	}
	return nil
}

// unlimited is a user of whom the configuration does not say what he may, "" if there is none. Those of the system's account have nothing
// to do with events.
func (e *embedded) unlimited() string {
	o := e.opts
	system := func(a *server.Account) bool {
		return a != nil && (a.Name == o.SystemAccount || a.Name == server.DEFAULT_SYSTEM_ACCOUNT)
	}
	for _, u := range o.Users {
		if u.Permissions == nil && !system(u.Account) {
			return fmt.Sprintf("user %q", u.Username)
		}
	}
	for _, u := range o.Nkeys {
		if u.Permissions == nil && !system(u.Account) {
			return "nkey " + u.Nkey
		}
	}
	switch {
	case o.Authorization != "":
		return "the token"
	case o.Username != "":
		return fmt.Sprintf("user %q", o.Username)
	case o.Websocket.Username != "", o.Websocket.Token != "":
		return "the user of websocket"
	case o.MQTT.Username != "", o.MQTT.Token != "":
		return "the user of mqtt"
	}
	return ""
}
