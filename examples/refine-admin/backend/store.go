package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite", in pure Go
)

const schema = `
CREATE TABLE IF NOT EXISTS shop (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS products (
	id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, category TEXT NOT NULL, price INTEGER NOT NULL CHECK (price >= 0),
	stock INTEGER NOT NULL CHECK (stock >= 0), active INTEGER NOT NULL, description TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (
	id INTEGER PRIMARY KEY AUTOINCREMENT, customer TEXT NOT NULL, city TEXT NOT NULL, status TEXT NOT NULL, total INTEGER NOT NULL,
	created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS order_items (
	order_id INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE, product_id INTEGER NOT NULL, name TEXT NOT NULL, quantity INTEGER NOT NULL, price INTEGER NOT NULL,
	PRIMARY KEY (order_id, product_id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL, type TEXT NOT NULL, record TEXT NOT NULL, payload TEXT NOT NULL, meta TEXT NOT NULL,
	origin TEXT NOT NULL, date TEXT NOT NULL, error TEXT) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (created_at);
`

// A store is the shop's database. It is safe for concurrent use.
type store struct {
	db     *sql.DB
	name   string        // of this database, in the keys of its events
	woken  chan struct{} // tells the relay that there is something in the outbox
	turned chan struct{} // tells the simulation that its settings changed
}

// open opens the database, and makes it if it is not there yet.
func open(path string) (*store, error) {
	// _txlock: a transaction takes the right to write at once, so that none fails half-way because another was faster.
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s := &store{db: db, woken: make(chan struct{}, 1), turned: make(chan struct{}, 1)}
	if err := s.prepare(); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return s, nil
}

func (s *store) prepare() error {
	if _, err := s.db.Exec(schema); err != nil {
		return err
	}
	err := s.db.QueryRow(`SELECT value FROM shop WHERE key = 'name'`).Scan(&s.name)
	if errors.Is(err, sql.ErrNoRows) {
		s.name = "shop-" + rand.Text()[:10]
		return s.seed()
	}
	return err
}

func (s *store) close() { _ = s.db.Close() }

// A cause is who changed something. Both may be "".
type cause struct {
	user   string // shown in the activity feed
	origin string // the session of the browser's Livebridge client, by which it knows its own echo
}

// A change is one transaction: what it writes and the events that tell of it are committed together, or neither is.
type change struct {
	*sql.Tx
	ctx   context.Context
	cause cause
	now   time.Time
}

// change runs f in a transaction and commits it if f returns nil.
func (s *store) change(ctx context.Context, by cause, f func(*change) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if err := f(&change{Tx: tx, ctx: ctx, cause: by, now: time.Now()}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.wake()
	return nil
}

// tell puts an event into the outbox, in the change's transaction.
func (c *change) tell(resource, kind, id string, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("payload of %s %s %s: %w", resource, kind, id, err)
	}
	meta := []byte("null") // none
	if c.cause.user != "" {
		meta, _ = json.Marshal(map[string]string{"user": c.cause.user})
	}
	_, err = c.Exec(`INSERT INTO outbox (resource, type, record, payload, meta, origin, date) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		resource, kind, id, string(body), string(meta), c.cause.origin, stamp(c.now))
	return err
}

// Exec is that of the transaction, with the change's context.
func (c *change) Exec(query string, args ...any) (sql.Result, error) {
	return c.ExecContext(c.ctx, query, args...)
}

// stamp is a time as the database keeps it: RFC 3339 in UTC, of one width, so that texts sort as times do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
