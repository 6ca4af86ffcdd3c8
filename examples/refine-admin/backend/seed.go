package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

var (
	firstNames = []string{"Ines", "Jonas", "Maya", "Luca", "Freya", "Tomasz", "Aisha", "Noah", "Clara", "Mateo", "Yuki", "Elif", "Oskar", "Nadia", "Hugo", "Priya"}
	lastNames  = []string{"Costa", "Lindqvist", "Moreau", "Okafor", "Bianchi", "Novak", "Fischer", "Tanaka", "Silva", "Yilmaz", "Jensen", "Kowalski", "Dubois", "Haddad"}
	cities     = []string{"Lisbon", "Malmö", "Lyon", "Turin", "Kraków", "Hamburg", "Ghent", "Graz", "Porto", "Aarhus", "Bilbao", "Leeds"}
)

var sampleProducts = []product{
	{SKU: "GRD-101", Name: "Burr grinder Nord", Category: "Grinders", Price: 18900, Stock: 24, Description: "Conical 48 mm steel burrs, 30 settings, 35 g hopper."},
	{SKU: "GRD-102", Name: "Hand grinder Kvarn", Category: "Grinders", Price: 7450, Stock: 41, Description: "Folding handle, ceramic burrs, fits a carry-on."},
	{SKU: "GRD-103", Name: "Grinder brush", Category: "Grinders", Price: 890, Stock: 120, Description: "Boar bristles, oiled beech."},
	{SKU: "BRW-201", Name: "Moka pot, 3 cups", Category: "Brewers", Price: 3490, Stock: 56, Description: "Cast aluminium, for gas and electric hobs."},
	{SKU: "BRW-202", Name: "Moka pot, 6 cups", Category: "Brewers", Price: 4290, Stock: 9, Description: "Cast aluminium, for gas and electric hobs."},
	{SKU: "BRW-203", Name: "Pour-over dripper", Category: "Brewers", Price: 2650, Stock: 73, Description: "Stoneware, 60° cone, 1 to 4 cups."},
	{SKU: "BRW-204", Name: "French press, 1 l", Category: "Brewers", Price: 5400, Stock: 32, Description: "Double-walled steel, four-part filter."},
	{SKU: "BRW-205", Name: "Cold brew bottle", Category: "Brewers", Price: 2990, Stock: 6, Description: "750 ml of glass with a nylon filter."},
	{SKU: "KTL-301", Name: "Gooseneck kettle", Category: "Kettles", Price: 8900, Stock: 18, Description: "0.9 l, holds 40 to 100 °C for half an hour."},
	{SKU: "KTL-302", Name: "Stovetop kettle", Category: "Kettles", Price: 4950, Stock: 27, Description: "1.2 l of brushed steel with a thermometer."},
	{SKU: "SCL-401", Name: "Scale with timer", Category: "Accessories", Price: 5990, Stock: 35, Description: "0.1 g up to 2 kg, USB-C."},
	{SKU: "ACC-402", Name: "Paper filters, 100", Category: "Accessories", Price: 690, Stock: 340, Description: "Oxygen-bleached, size 02."},
	{SKU: "ACC-403", Name: "Tamper, 58 mm", Category: "Accessories", Price: 3400, Stock: 22, Description: "Walnut handle, flat steel base."},
	{SKU: "ACC-404", Name: "Milk jug, 350 ml", Category: "Accessories", Price: 2150, Stock: 4, Description: "Steel with a sharp spout."},
	{SKU: "CUP-501", Name: "Espresso cups, set of 4", Category: "Cups", Price: 3200, Stock: 47, Description: "Stoneware, 70 ml, glazed by hand."},
	{SKU: "CUP-502", Name: "Travel mug", Category: "Cups", Price: 2790, Stock: 64, Description: "340 ml, tight, keeps hot for six hours."},
	{SKU: "BNS-601", Name: "Espresso roast, 1 kg", Category: "Beans", Price: 2480, Stock: 88, Description: "Brazil and India: hazelnut, dark chocolate."},
	{SKU: "BNS-602", Name: "Filter roast, 250 g", Category: "Beans", Price: 1190, Stock: 95, Description: "Ethiopia, washed: bergamot, apricot."},
	{SKU: "BNS-603", Name: "Decaf, 250 g", Category: "Beans", Price: 1290, Stock: 38, Description: "Colombia, sugar-cane process: caramel, plum."},
}

const sampleOrders = 64

// seed fills a new database: products, and orders of the last two days in every status. The feed shall not be empty at first either, so
// what happened in the last hours is told, with the time at which it happened.
func (s *store) seed() error {
	return s.change(context.Background(), cause{}, func(c *change) error {
		now := c.now
		if _, err := c.Exec(`INSERT INTO shop (key, value) VALUES ('name', ?)`, s.name); err != nil {
			return err
		}
		if _, err := c.Exec(`INSERT INTO sqlite_sequence (name, seq) VALUES ('orders', 1000)`); err != nil { // the first order is 1001
			return err
		}
		c.now = now.Add(-72 * time.Hour)
		for _, p := range sampleProducts {
			p.Active = true
			if _, err := c.save(product{}, p); err != nil {
				return err
			}
		}
		at := now.Add(-44 * time.Hour)
		for n := range sampleOrders {
			at = at.Add(time.Duration(float64(now.Sub(at)) / float64(sampleOrders-n+1) * min(rand.ExpFloat64(), 4)))
			if err := c.history(at, now); err != nil {
				return fmt.Errorf("sample order %d: %w", n, err)
			}
		}
		return c.keepNews(now.Add(-3 * time.Hour))
	})
}

// keepNews leaves in the outbox what happened to orders since then, in order of time, and nothing else.
func (c *change) keepNews(since time.Time) error {
	var last int64
	if err := c.QueryRowContext(c.ctx, `SELECT max(id) FROM outbox`).Scan(&last); err != nil {
		return err
	}
	_, err := c.Exec(`INSERT INTO outbox (resource, type, record, payload, meta, origin, date) SELECT resource, type, record, payload, meta, origin, date
		FROM outbox WHERE resource = 'orders' AND date >= ? ORDER BY date`, stamp(since))
	if err == nil {
		_, err = c.Exec(`DELETE FROM outbox WHERE id <= ?`, last)
	}
	return err
}

// history places an order at a time of the past and lets happen what would have happened to it since.
func (c *change) history(at, now time.Time) error {
	c.now, c.cause = at, cause{user: "Web shop"}
	o, err := c.sample()
	if err == nil {
		o, err = c.place(o)
	}
	if err != nil {
		return err
	}
	for _, status := range []string{"paid", "packed", "shipped", "delivered"} {
		at = at.Add(time.Duration(20+rand.IntN(400)) * time.Minute)
		if at.After(now) {
			return nil
		}
		c.now, c.cause = at, cause{user: pick([]string{"Eva", "Tom"})}
		if status == "paid" {
			c.cause.user = "Web shop"
		}
		if status == "paid" && rand.IntN(14) == 0 {
			_, err := c.advance(o.ID, "cancelled")
			return err
		}
		if _, err := c.advance(o.ID, status); err != nil {
			return err
		}
	}
	return nil
}
