package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// Money is an amount in cents; in JSON it is a number in whole units, such as 12.5.
type Money int64

// MarshalJSON writes it with two decimals.
func (m Money) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%02d", m/100, m%100), nil
}

// UnmarshalJSON reads a number and rounds it to cents. Negative amounts, and those beyond 10 million, are refused.
func (m *Money) UnmarshalJSON(data []byte) error {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if f < 0 || f > 1e7 {
		return fmt.Errorf("an amount is between 0 and 10,000,000, not %v", f)
	}
	*m = Money(math.Round(f * 100))
	return nil
}

type product struct {
	ID          int64  `json:"id"`
	SKU         string `json:"sku"`
	Name        string `json:"name"`
	Category    string `json:"category"`
	Price       Money  `json:"price"`
	Stock       int    `json:"stock"`
	Active      bool   `json:"active"`
	Description string `json:"description"`
	UpdatedAt   string `json:"updated_at"`
}

var products = table{
	name: "products", sort: []string{"id", "sku", "name", "category", "price", "stock", "updated_at"},
	filter: []string{"id", "category", "active"}, search: []string{"name", "sku"},
}

const productColumns = "id, sku, name, category, price, stock, active, description, updated_at"

type scanner interface{ Scan(...any) error }

func scanProduct(row scanner) (product, error) {
	var p product
	err := row.Scan(&p.ID, &p.SKU, &p.Name, &p.Category, &p.Price, &p.Stock, &p.Active, &p.Description, &p.UpdatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		err = problem(http.StatusNotFound, "this product does not exist, or no more")
	}
	return p, err
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func findProduct(ctx context.Context, q querier, id int64) (product, error) {
	return scanProduct(q.QueryRowContext(ctx, "SELECT "+productColumns+" FROM products WHERE id = ?", id))
}

func (p *product) check() error {
	p.SKU, p.Name, p.Category = strings.TrimSpace(p.SKU), strings.TrimSpace(p.Name), strings.TrimSpace(p.Category)
	switch {
	case p.Name == "" || p.SKU == "" || p.Category == "":
		return problem(http.StatusUnprocessableEntity, "name, SKU and category are required")
	case p.Stock < 0:
		return problem(http.StatusUnprocessableEntity, "the stock cannot be %d", p.Stock)
	}
	return nil
}

// save inserts or updates the product and tells what changed: {"title": "Moka pot", "change": {"price": [12.50, 13.00]}}.
func (c *change) save(before, p product) (product, error) {
	if err := p.check(); err != nil {
		return p, err
	}
	p.UpdatedAt = stamp(c.now)
	kind, payload := "updated", map[string]any{"title": p.Name}
	if before.ID == 0 {
		kind = "created"
		payload["price"] = p.Price
	} else if diff := p.diff(before); len(diff) > 0 {
		payload["change"] = diff
	} else {
		return before, nil // nothing changed, nothing to tell
	}
	var id any // NULL: the next one
	if before.ID != 0 {
		id = before.ID
	}
	err := c.QueryRowContext(c.ctx, `INSERT INTO products (`+productColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET sku = excluded.sku, name = excluded.name, category = excluded.category, price = excluded.price,
			stock = excluded.stock, active = excluded.active, description = excluded.description, updated_at = excluded.updated_at
		RETURNING id`, id, p.SKU, p.Name, p.Category, p.Price, p.Stock, p.Active, p.Description, p.UpdatedAt).Scan(&p.ID)
	if err != nil && strings.Contains(err.Error(), "products.sku") {
		return p, problem(http.StatusConflict, "another product has the SKU %s", p.SKU)
	}
	if err != nil {
		return p, fmt.Errorf("save product: %w", err)
	}
	return p, c.tell("products", kind, strconv.FormatInt(p.ID, 10), payload)
}

// diff is every field that differs, with its value before and now.
func (p product) diff(before product) map[string][2]any {
	d := map[string][2]any{}
	put := func(field string, a, b any) {
		if a != b {
			d[field] = [2]any{a, b}
		}
	}
	put("sku", before.SKU, p.SKU)
	put("name", before.Name, p.Name)
	put("category", before.Category, p.Category)
	put("price", before.Price, p.Price)
	put("stock", before.Stock, p.Stock)
	put("active", before.Active, p.Active)
	put("description", before.Description, p.Description)
	return d
}

func (s *store) listProducts(w http.ResponseWriter, r *http.Request) (any, error) {
	where, args := products.where(r.URL.Query())
	if err := s.count(w, r, products, where, args); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(r.Context(), "SELECT "+productColumns+" FROM products"+where+products.page(r.URL.Query()), args...)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	return collect(rows, scanProduct)
}

// collect reads all rows; no rows are an empty list.
func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func (s *store) getProduct(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	return findProduct(r.Context(), s.db, id)
}

func (s *store) createProduct(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := product{Active: true}
	if err := read(r, &p); err != nil {
		return nil, err
	}
	p.ID = 0
	err := s.change(r.Context(), causeOf(r), func(c *change) (err error) {
		p, err = c.save(product{}, p)
		return err
	})
	return p, err
}

func (s *store) updateProduct(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	var patch json.RawMessage // read before the transaction begins: a slow sender must not hold it open
	if err := read(r, &patch); err != nil {
		return nil, err
	}
	var p product
	err = s.change(r.Context(), causeOf(r), func(c *change) error {
		before, err := findProduct(c.ctx, c, id)
		if err != nil {
			return err
		}
		p = before
		if err := decode(bytes.NewReader(patch), &p); err != nil { // fields that the body does not have stay as they are
			return err
		}
		p.ID = id
		p, err = c.save(before, p)
		return err
	})
	return p, err
}

func (s *store) deleteProduct(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	var p product
	err = s.change(r.Context(), causeOf(r), func(c *change) (err error) {
		if p, err = findProduct(c.ctx, c, id); err != nil {
			return err
		}
		if _, err := c.Exec(`DELETE FROM products WHERE id = ?`, id); err != nil {
			return fmt.Errorf("delete product %d: %w", id, err)
		}
		return c.tell("products", "deleted", strconv.FormatInt(id, 10), map[string]any{"title": p.Name})
	})
	return p, err
}
