package main

import (
	"fmt"
	"log/slog"
	"sync"
)

// A natsLogger is the log of the NATS inside. Its notices, of which a start makes thirty, go to debug. A fatal error does not end the
// process, as it does in nats-server, but is kept for whoever started the server.
type natsLogger struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal string
}

func (l *natsLogger) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *natsLogger) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *natsLogger) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l *natsLogger) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *natsLogger) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }

func (l *natsLogger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		l.fatal = fmt.Sprintf(format, v...)
	}
}

// failed is the first fatal error, or "".
func (l *natsLogger) failed() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
