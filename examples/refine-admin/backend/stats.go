package main

import (
	"fmt"
	"net/http"
	"time"
)

const lowStock = 10

type stats struct {
	ID          string         `json:"id"`
	Revenue     Money          `json:"revenue"` // of the last 24 hours, without what was cancelled
	Orders      int            `json:"orders"`  // of the last 24 hours
	Open        int            `json:"open"`    // neither delivered nor cancelled
	LowStock    int            `json:"low_stock"`
	Products    int            `json:"products"`
	Status      map[string]int `json:"status"`      // how many orders are in each
	Hours       []int          `json:"hours"`       // orders in each of the last 24 hours, oldest first
	Unpublished int            `json:"unpublished"` // events that wait in the outbox
}

// getStats counts for the dashboard.
func (s *store) getStats(_ http.ResponseWriter, r *http.Request) (any, error) {
	ctx, now := r.Context(), time.Now()
	a := stats{ID: "now", Status: map[string]int{}, Hours: make([]int, 24)}
	since := stamp(now.Add(-24 * time.Hour))
	row := s.db.QueryRowContext(ctx, `SELECT
		(SELECT coalesce(sum(total), 0) FROM orders WHERE created_at > ? AND status != 'cancelled'), (SELECT count(*) FROM orders WHERE created_at > ?),
		(SELECT count(*) FROM products WHERE active AND stock < ?), (SELECT count(*) FROM products WHERE active)`, since, since, lowStock)
	if err := row.Scan(&a.Revenue, &a.Orders, &a.LowStock, &a.Products); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	rows, err := s.db.QueryContext(ctx, `SELECT status, count(*) FROM orders GROUP BY status
		UNION ALL SELECT CAST(hour AS TEXT), count(*) FROM (SELECT CAST((julianday(?) - julianday(created_at)) * 24 AS INTEGER) AS hour FROM orders WHERE created_at > ?) GROUP BY hour`, stamp(now), since)
	if err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var n, hour int
		if err := rows.Scan(&key, &n); err != nil {
			return nil, fmt.Errorf("statistics: %w", err)
		}
		if _, err := fmt.Sscan(key, &hour); err == nil {
			a.Hours[23-min(max(hour, 0), 23)] = n
			continue
		}
		a.Status[key] = n
		if key != "delivered" && key != "cancelled" {
			a.Open += n
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	a.Unpublished, err = s.pending(ctx)
	return a, err
}
