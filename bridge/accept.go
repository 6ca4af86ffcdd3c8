package bridge

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// A patientListener waits where a connection cannot be accepted for now, most of all because no file descriptor is free. The HTTP server
// takes every error but a time-out for the end of its listener, and with it of the bridge and all who are connected.
type patientListener struct {
	net.Listener
	log    *slog.Logger
	once   sync.Once
	closed chan struct{}
}

func newPatientListener(ln net.Listener, log *slog.Logger) *patientListener {
	return &patientListener{Listener: ln, log: log, closed: make(chan struct{})}
}

const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Accept returns the next connection, or an error that is not going to pass.
func (l *patientListener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		c, err := l.Listener.Accept()
		var passing interface{ Temporary() bool } // net/http decides by it, too
		if err == nil || !errors.As(err, &passing) || !passing.Temporary() {
			return c, err
		}
		if pause == 0 {
			l.log.Error("no connection can be accepted for now: raise the limit of open files (ulimit -n, LimitNOFILE), or lower --max-connections", "error", err)
		}
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		select {
		case <-time.After(pause):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

// Close ends an Accept that waits, too.
func (l *patientListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
