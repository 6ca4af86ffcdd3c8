package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/livebridge/livebridge/publish"
)

// Why an outbox. A handler that commits and then publishes loses the event if NATS is away, or if the process dies in between: the
// change is in the database and nobody is ever told. One that publishes first tells of changes that may never be committed. So the
// event is written into a table in the same transaction as the change, and one goroutine moves the rows to NATS, oldest first, and
// deletes each after JetStream has acknowledged it. A request does not wait for NATS, and works while NATS is away.
//
// What is left: if the process dies between the acknowledgement and the deletion, the event is published again. Its key is the same
// then, and JetStream stores a key once within the stream's duplicate window (2 minutes). Beyond that it would be told twice, which
// costs a page one needless refetch; it is never lost.

// retryAfter is how long to wait after JetStream did not take an event; the return of the connection cuts it short.
const retryAfter = time.Second

// wake tells the relay to look into the outbox.
func (s *store) wake() {
	select {
	case s.woken <- struct{}{}:
	default: // it has been told already
	}
}

// relay publishes what comes into the outbox until ctx ends.
func (s *store) relay(ctx context.Context, p *publish.Publisher, log *slog.Logger) {
	waiting := false
	for {
		err := s.empty(ctx, p, log)
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			again = time.After(retryAfter)
			if !waiting {
				log.Warn("events wait in the outbox", "error", err)
			}
		} else if waiting {
			log.Info("the outbox is empty again")
		}
		waiting = err != nil
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-again:
		}
	}
}

// empty publishes the events of the outbox in order, until there is none or JetStream does not take one.
func (s *store) empty(ctx context.Context, p *publish.Publisher, log *slog.Logger) error {
	for {
		id, event, err := s.oldest(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		_, err = p.Publish(ctx, event)
		var wrong *publish.EventError
		switch {
		case err == nil:
			_, err = s.db.ExecContext(ctx, `DELETE FROM outbox WHERE id = ?`, id)
		case errors.As(err, &wrong):
			// No later try could succeed, and the events behind it must not wait for ever: it stays in the table, marked.
			log.Error("an event cannot be published", "id", id, "error", err)
			_, err = s.db.ExecContext(ctx, `UPDATE outbox SET error = ? WHERE id = ?`, wrong.Error(), id)
		}
		if err != nil {
			return err
		}
	}
}

// oldest is the event to be published next.
func (s *store) oldest(ctx context.Context) (int64, publish.Event, error) {
	var (
		id            int64
		payload, meta string
		date          string
		e             publish.Event
	)
	row := s.db.QueryRowContext(ctx, `SELECT id, resource, type, record, payload, meta, origin, date FROM outbox WHERE error IS NULL ORDER BY id LIMIT 1`)
	if err := row.Scan(&id, &e.Resource, &e.Type, &e.ID, &payload, &meta, &e.Origin, &date); err != nil {
		return 0, e, err
	}
	e.Payload, e.Meta = json.RawMessage(payload), json.RawMessage(meta)
	e.Date, _ = time.Parse(time.RFC3339, date)
	e.Key = fmt.Sprintf("%s-%d", s.name, id) // ids are never used twice (AUTOINCREMENT)
	return id, e, nil
}

// pending is how many events wait to be published.
func (s *store) pending(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM outbox WHERE error IS NULL`).Scan(&n)
	return n, err
}
