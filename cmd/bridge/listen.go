package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strconv"
	"syscall"
)

// listen opens an address, or says which one is taken and what to do. flag is where the address comes from, and why who may have it.
func listen(flag, why, addr string) (net.Listener, error) {
	// Connections that say nothing are found by the bridge's own heartbeats and time-outs.
	ln, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", addr)
	if err == nil {
		return ln, nil
	}
	another := "choose another port with " + flag + " " + nextPort(addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, failure(why+": stop it, or "+another, "%s: the port of %s is in use", flag, addr)
	case errors.Is(err, fs.ErrPermission):
		return nil, failure("ports below 1024 need special rights: "+another, "%s: this user may not listen on %s", flag, addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, failure("name an address of this machine, such as 127.0.0.1", "%s: this machine does not have the address %s", flag, addr)
	}
	return nil, failure("write host:port, such as 127.0.0.1:8080", "%s: %w", flag, err)
}

// nextPort is the address with the next port, as a suggestion.
func nextPort(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	if n < 1024 {
		n += 8000
	}
	return net.JoinHostPort(host, strconv.Itoa(min(n+1, 65535)))
}

// reachable is an address that a client on this machine can connect to.
func reachable(a address) string {
	if ip := net.ParseIP(a.host); a.host == "" || ip != nil && ip.IsUnspecified() {
		a.host = "127.0.0.1"
	}
	return a.String()
}
