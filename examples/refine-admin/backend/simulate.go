package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

// simulationEnds is when a simulation that nobody turned off turns itself off.
const simulationEnds = 15 * time.Minute

// simulationSettings are a record like any other: they are told to all pages when they change.
type simulationSettings struct {
	ID        string `json:"id"`
	On        bool   `json:"on"`
	PerMinute int    `json:"per_minute"` // 1 to 120
	Until     string `json:"until"`      // when it turns itself off
}

var shopkeeper = cause{user: "Simulation"}

func (s *store) simulationNow(ctx context.Context, q querier) (simulationSettings, error) {
	now := simulationSettings{ID: "simulation", PerMinute: 30}
	var text string
	err := q.QueryRowContext(ctx, `SELECT value FROM shop WHERE key = 'simulation'`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return now, nil
	}
	if err != nil {
		return now, fmt.Errorf("settings of the simulation: %w", err)
	}
	return now, json.Unmarshal([]byte(text), &now)
}

// turn changes the settings and tells everybody.
func (s *store) turn(ctx context.Context, by cause, f func(*simulationSettings) error) (now simulationSettings, err error) {
	err = s.change(ctx, by, func(c *change) (err error) {
		if now, err = s.simulationNow(ctx, c); err != nil {
			return err
		}
		before := now
		if err = f(&now); err != nil || now == before {
			return err
		}
		text, err := json.Marshal(now)
		if err != nil {
			return err
		}
		if _, err = c.Exec(`INSERT INTO shop (key, value) VALUES ('simulation', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, string(text)); err != nil {
			return fmt.Errorf("settings of the simulation: %w", err)
		}
		return c.tell("settings", "updated", "simulation", map[string]any{"title": "Simulated activity", "on": now.On, "per_minute": now.PerMinute})
	})
	select {
	case s.turned <- struct{}{}:
	default:
	}
	return now, err
}

func (s *store) getSimulation(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.simulationNow(r.Context(), s.db)
}

func (s *store) updateSimulation(_ http.ResponseWriter, r *http.Request) (any, error) {
	var body struct {
		On        *bool `json:"on"`
		PerMinute *int  `json:"per_minute"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	return s.turn(r.Context(), causeOf(r), func(now *simulationSettings) error {
		if body.On != nil {
			now.On, now.Until = *body.On, ""
		}
		if body.PerMinute != nil {
			now.PerMinute = *body.PerMinute
		}
		if now.PerMinute < 1 || now.PerMinute > 120 {
			return problem(http.StatusUnprocessableEntity, "per_minute is 1 to 120")
		}
		if now.On && now.Until == "" {
			now.Until = stamp(time.Now().Add(simulationEnds))
		}
		return nil
	})
}

func off(now *simulationSettings) error {
	now.On, now.Until = false, ""
	return nil
}

// simulate lets customers come in while it is turned on. It is off when the program starts.
func (s *store) simulate(ctx context.Context, log *slog.Logger) {
	now, err := s.turn(ctx, shopkeeper, off)
	for ctx.Err() == nil {
		if err != nil {
			log.Error("simulation", "error", err)
		}
		var tick <-chan time.Time
		if now.On {
			tick = time.After(time.Duration(float64(time.Minute) / float64(now.PerMinute) * (0.5 + rand.Float64())))
		}
		select {
		case <-ctx.Done():
			return
		case <-s.turned:
			now, err = s.simulationNow(ctx, s.db)
		case <-tick:
			if now.Until < stamp(time.Now()) {
				now, err = s.turn(ctx, shopkeeper, off)
			} else {
				err = s.change(ctx, shopkeeper, (*change).step)
			}
		}
	}
}

// step is one thing that happens in a shop.
func (c *change) step() error {
	switch n := rand.IntN(100); {
	case n < 40:
		o, err := c.sample()
		if errors.Is(err, errSoldOut) {
			return c.restockOne()
		}
		if err == nil {
			_, err = c.place(o)
		}
		return err
	case n < 85:
		return c.advanceOne()
	default:
		return c.restockOne()
	}
}

var errSoldOut = problem(http.StatusConflict, "everything is sold out")

// sample is an order of a random customer for what is in stock.
func (c *change) sample() (order, error) {
	o := order{Customer: pick(firstNames) + " " + pick(lastNames), City: pick(cities)}
	rows, err := c.QueryContext(c.ctx, `SELECT `+productColumns+` FROM products WHERE active AND stock > 3 ORDER BY random() LIMIT ?`, 1+rand.IntN(3))
	if err != nil {
		return o, fmt.Errorf("choose products: %w", err)
	}
	list, err := collect(rows, scanProduct)
	for _, p := range list {
		o.Items = append(o.Items, item{ProductID: p.ID, Quantity: 1 + rand.IntN(3)})
	}
	if err == nil && len(list) == 0 {
		err = errSoldOut
	}
	return o, err
}

func (c *change) advanceOne() error {
	var id int64
	var status string
	err := c.QueryRowContext(c.ctx, `SELECT id, status FROM (SELECT id, status FROM orders WHERE status NOT IN ('delivered', 'cancelled') ORDER BY updated_at LIMIT 8)
		ORDER BY random() LIMIT 1`).Scan(&id, &status)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("choose an order: %w", err)
	}
	to := next[status][0]
	if status == "new" && rand.IntN(12) == 0 {
		to = "cancelled"
	}
	_, err = c.advance(id, to)
	return err
}

// restockOne brings a delivery for one of the products of which the least is left.
func (c *change) restockOne() error {
	before, err := scanProduct(c.QueryRowContext(c.ctx, `SELECT `+productColumns+` FROM (SELECT * FROM products WHERE active ORDER BY stock LIMIT 4) ORDER BY random() LIMIT 1`))
	if err != nil {
		return nil //nolint:nilerr // no product is left: nothing to do
	}
	after := before
	after.Stock += 12 + 6*rand.IntN(6)
	_, err = c.save(before, after)
	return err
}

func pick(list []string) string { return list[rand.IntN(len(list))] }
