package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

type order struct {
	ID        int64  `json:"id"`
	Customer  string `json:"customer"`
	City      string `json:"city"`
	Status    string `json:"status"`
	Total     Money  `json:"total"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Items     []item `json:"items,omitempty"` // not in lists
}

type item struct {
	ProductID int64  `json:"product_id"`
	Name      string `json:"name"`
	Quantity  int    `json:"quantity"`
	Price     Money  `json:"price"` // of one piece, when it was ordered
}

var orders = table{
	name: "orders", sort: []string{"id", "customer", "city", "status", "total", "created_at", "updated_at"},
	filter: []string{"id", "status"}, search: []string{"customer", "city", "id"},
}

const orderColumns = "id, customer, city, status, total, created_at, updated_at"

// next is what may become of an order in each status.
var next = map[string][]string{
	"new":       {"paid", "cancelled"},
	"paid":      {"packed", "cancelled"},
	"packed":    {"shipped"},
	"shipped":   {"delivered"},
	"delivered": {},
	"cancelled": {},
}

func scanOrder(row scanner) (order, error) {
	var o order
	err := row.Scan(&o.ID, &o.Customer, &o.City, &o.Status, &o.Total, &o.CreatedAt, &o.UpdatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		err = problem(http.StatusNotFound, "this order does not exist")
	}
	return o, err
}

func scanItem(row scanner) (item, error) {
	var i item
	err := row.Scan(&i.ProductID, &i.Name, &i.Quantity, &i.Price)
	return i, err
}

// findOrder reads an order with its items.
func findOrder(ctx context.Context, q querier, id int64) (order, error) {
	o, err := scanOrder(q.QueryRowContext(ctx, "SELECT "+orderColumns+" FROM orders WHERE id = ?", id))
	if err != nil {
		return o, err
	}
	rows, err := q.QueryContext(ctx, `SELECT product_id, name, quantity, price FROM order_items WHERE order_id = ? ORDER BY name`, id)
	if err != nil {
		return o, fmt.Errorf("items of order %d: %w", id, err)
	}
	o.Items, err = collect(rows, scanItem)
	return o, err
}

func (o order) title() string { return fmt.Sprintf("Order %d, %s", o.ID, o.Customer) }

// place stores an order and takes its items out of stock: one event for the order and one for every product.
func (c *change) place(o order) (order, error) {
	if o.Customer == "" || o.City == "" || len(o.Items) == 0 {
		return o, problem(http.StatusUnprocessableEntity, "an order needs customer, city and items")
	}
	o.Status, o.Total, o.CreatedAt, o.UpdatedAt = "new", 0, stamp(c.now), stamp(c.now)
	err := c.QueryRowContext(c.ctx, `INSERT INTO orders (customer, city, status, total, created_at, updated_at) VALUES (?, ?, ?, 0, ?, ?) RETURNING id`,
		o.Customer, o.City, o.Status, o.CreatedAt, o.UpdatedAt).Scan(&o.ID)
	if err != nil {
		return o, fmt.Errorf("place order: %w", err)
	}
	for n := range o.Items {
		if err := c.take(o.ID, &o.Items[n]); err != nil {
			return o, err
		}
		o.Total += o.Items[n].Price * Money(o.Items[n].Quantity)
	}
	if _, err := c.Exec(`UPDATE orders SET total = ? WHERE id = ?`, o.Total, o.ID); err != nil {
		return o, fmt.Errorf("place order: %w", err)
	}
	return o, c.tell("orders", "created", strconv.FormatInt(o.ID, 10), map[string]any{"title": o.title(), "total": o.Total})
}

// take moves one item from the stock into the order.
func (c *change) take(order int64, i *item) error {
	before, err := findProduct(c.ctx, c, i.ProductID)
	if err != nil {
		return err
	}
	if i.Quantity < 1 || i.Quantity > before.Stock {
		return problem(http.StatusUnprocessableEntity, "%d × %s cannot be ordered: %d in stock", i.Quantity, before.Name, before.Stock)
	}
	i.Name, i.Price = before.Name, before.Price
	after := before
	after.Stock -= i.Quantity
	if _, err := c.save(before, after); err != nil {
		return err
	}
	_, err = c.Exec(`INSERT INTO order_items (order_id, product_id, name, quantity, price) VALUES (?, ?, ?, ?, ?)`, order, i.ProductID, i.Name, i.Quantity, i.Price)
	if err != nil {
		return problem(http.StatusUnprocessableEntity, "%s is in the order twice: give its quantity instead", i.Name)
	}
	return nil
}

// advance moves an order to another status. An order that has it already is left alone, so that two clicks at once are no error.
func (c *change) advance(id int64, status string) (order, error) {
	o, err := findOrder(c.ctx, c, id)
	if err != nil || o.Status == status {
		return o, err
	}
	if !slices.Contains(next[o.Status], status) {
		return o, problem(http.StatusUnprocessableEntity, "an order that is %s cannot become %s", o.Status, status)
	}
	was := o.Status
	o.Status, o.UpdatedAt = status, stamp(c.now)
	if _, err := c.Exec(`UPDATE orders SET status = ?, updated_at = ? WHERE id = ?`, o.Status, o.UpdatedAt, id); err != nil {
		return o, fmt.Errorf("update order %d: %w", id, err)
	}
	return o, c.tell("orders", "updated", strconv.FormatInt(id, 10), map[string]any{"title": o.title(), "change": map[string]any{"status": [2]string{was, status}}})
}

func (s *store) listOrders(w http.ResponseWriter, r *http.Request) (any, error) {
	where, args := orders.where(r.URL.Query())
	if err := s.count(w, r, orders, where, args); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(r.Context(), "SELECT "+orderColumns+" FROM orders"+where+orders.page(r.URL.Query()), args...)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return collect(rows, scanOrder)
}

func (s *store) getOrder(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	return findOrder(r.Context(), s.db, id)
}

// createOrder places the order of the body; {"sample": true} places one at random.
func (s *store) createOrder(_ http.ResponseWriter, r *http.Request) (any, error) {
	var body struct {
		Customer string `json:"customer"`
		City     string `json:"city"`
		Items    []item `json:"items"`
		Sample   bool   `json:"sample"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	o := order{Customer: body.Customer, City: body.City, Items: body.Items}
	err := s.change(r.Context(), causeOf(r), func(c *change) (err error) {
		if body.Sample {
			if o, err = c.sample(); err != nil {
				return err
			}
		}
		o, err = c.place(o)
		return err
	})
	return o, err
}

func (s *store) updateOrder(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Status string `json:"status"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	var o order
	err = s.change(r.Context(), causeOf(r), func(c *change) (err error) {
		o, err = c.advance(id, body.Status)
		return err
	})
	return o, err
}
