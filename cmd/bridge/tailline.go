package main

import (
	"bufio"
	"encoding/json"
	"strconv"
	"time"

	"github.com/livebridge/livebridge/protocol"
)

// printer is how events are written to stdout.
func (c *tailCmd) printer(p *program) func(*bufio.Writer, []byte) {
	if c.JSON {
		return func(out *bufio.Writer, frame []byte) {
			_, _ = out.Write(append(protocol.AppendObject(nil, frame), '\n')) // the writer keeps the error for Flush
		}
	}
	style := lineStyle{coloured: p.coloured(p.stdout), local: isTerminal(p.stdout)}
	return func(out *bufio.Writer, frame []byte) { _, _ = out.WriteString(style.line(frame, time.Now()) + "\n") }
}

// A lineStyle writes an event as a line for people.
type lineStyle struct {
	coloured bool
	local    bool // times as on the clock here, without the date of today
}

// The parts of a line, and what each type of event looks like.
const (
	dim, red, green, yellow, cyan, plain = "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[0m"
)

func typeColour(kind string) string {
	switch kind {
	case "created":
		return green
	case "updated":
		return yellow
	case "deleted":
		return red
	}
	return cyan
}

// line is the event without its cursor: time, resource, type, record, payload, and what else it has.
func (s lineStyle) line(frame []byte, now time.Time) string {
	var e struct {
		Resource, Type, ID, Raw, Origin string
		Date                            time.Time
		Payload, Meta                   json.RawMessage
	}
	if err := json.Unmarshal(frame, &e); err != nil {
		return printable(string(frame))
	}
	text := s.paint(dim, s.time(e.Date, now)) + "  " + word(e.Resource) + " " + s.paint(typeColour(e.Type), word(e.Type)) + " " + record(e.ID)
	switch {
	case e.Raw != "":
		text += "  " + s.paint(dim, "not JSON, base64: ") + e.Raw
	case string(e.Payload) != "{}":
		text += "  " + printable(string(e.Payload))
	}
	if len(e.Meta) > 0 {
		text += s.paint(dim, "  meta "+printable(string(e.Meta)))
	}
	if e.Origin != "" {
		text += s.paint(dim, "  origin "+word(e.Origin))
	}
	return text
}

func (s lineStyle) paint(colour, text string) string {
	if !s.coloured {
		return text
	}
	return colour + text + plain
}

func (s lineStyle) time(t, now time.Time) string {
	if !s.local {
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

// word is a name as one word: quoted if it is not one, or could be taken for another.
func word(text string) string {
	quoted := strconv.Quote(text)
	if text == "" || text == "_" || quoted != `"`+text+`"` {
		return quoted
	}
	for _, r := range text {
		if r == ' ' {
			return quoted
		}
	}
	return text
}

// record is an id; _ stands for no particular record, as it does in a subject.
func record(id string) string {
	if id == "" {
		return "_"
	}
	return word(id)
}
