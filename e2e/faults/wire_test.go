//go:build linux

package faults

import (
	"encoding/json"
	"fmt"
)

// A frame is any object that a bridge sends.
type frame struct {
	Op, Sub, Cursor, Reason, Code, Message string
	Recovered                              bool
	Resource, Type, ID                     string
	Payload                                struct{ N int }
	Ping                                   float64
}

// A closing is the end of a connection that the bridge has explained.
type closing struct {
	code int
	text string
}

func (c *closing) Error() string { return fmt.Sprintf("closed with %d %s", c.code, c.text) }

// final says whether a client does not come back after it.
func (c *closing) final() bool {
	switch c.code {
	case 1003, 1007, 1009, 4400, 4401, 4403:
		return true
	}
	return false
}

// subscribe is the frame with which a record begins or resumes.
func (r *record) subscribe() []byte {
	m := map[string]any{"op": "subscribe", "sub": r.name, "resource": r.resource}
	if r.types != nil {
		m["types"] = r.types
	}
	if r.ids != nil {
		m["ids"] = r.ids
	}
	if r.cursor != "" {
		m["after"] = r.cursor
	}
	b, _ := json.Marshal(m)
	return b
}
