//go:build linux

package faults

import (
	"encoding/base64"
	"encoding/binary"
	"testing"
)

// text is the cursor of a position.
func (p position) text() string {
	raw := make([]byte, 27)
	raw[0] = 1
	binary.BigEndian.PutUint64(raw[1:], p.inc)
	binary.BigEndian.PutUint64(raw[9:], p.seq)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// The judges are judged: what a client is told in each case, and what has to be found wrong with it.
func TestJudges(t *testing.T) {
	at := func(seq uint64) string { return position{1, seq}.text() }
	event := func(n int, seq uint64) func(*record) error {
		return func(r *record) error {
			f := &frame{Cursor: at(seq), Resource: "r1", Type: "updated", ID: "7"}
			f.Payload.N = n
			return r.event(f)
		}
	}
	wasReset := func(seq uint64) func(*record) error {
		return func(r *record) error { return r.wasReset("expired", at(seq)) }
	}
	ping := func(seq uint64) func(*record) error { return func(r *record) error { return r.told(at(seq)) } }
	foreign := func(r *record) error {
		f := &frame{Cursor: at(99), Resource: "r2", Type: "updated", ID: "7"}
		f.Payload.N = 77
		return r.event(f)
	}
	type steps = []func(*record) error
	for _, c := range []struct {
		name                                       string
		steps                                      steps
		policy                                     policy
		lost, away, duplicated, reordered, unasked int
	}{
		{name: "everything", steps: steps{event(0, 11), event(1, 12), event(2, 13)}},
		{name: "a gap", steps: steps{event(0, 11), event(2, 13)}, lost: 1},
		{name: "a gap at the end", steps: steps{event(0, 11), event(1, 12)}, lost: 1},
		{name: "twice", steps: steps{event(0, 11), event(1, 12), event(1, 12), event(2, 13)}, duplicated: 1},
		{name: "twice, under another cursor", steps: steps{event(0, 11), event(1, 12), event(2, 13), event(1, 14)}, duplicated: 1, reordered: 1},
		{name: "exchanged", steps: steps{event(1, 12), event(0, 11), event(2, 13)}, reordered: 1},
		{name: "a wrong cursor", steps: steps{event(0, 10), event(1, 12), event(2, 13)}, reordered: 2},
		{name: "not asked for", steps: steps{event(0, 11), event(1, 12), event(2, 13), foreign}, unasked: 1},
		{name: "told too early", steps: steps{event(0, 11), ping(13), event(1, 12), event(2, 13)}, reordered: 2},
		{name: "reset", steps: steps{event(0, 11), wasReset(13)}, policy: told, away: 2},
		{name: "reset, and lost after it", steps: steps{event(0, 11), wasReset(12)}, policy: told, lost: 1, away: 1},
		{name: "reset, and again what was there", steps: steps{event(0, 11), wasReset(10), event(0, 11), event(1, 12), event(2, 13)}, policy: told},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &record{filter: filter{resource: "r1"}, name: "r"}
			if err := r.subscribed(at(10), true); err != nil {
				t.Fatal(err)
			}
			for _, step := range c.steps {
				if err := step(r); err != nil {
					t.Fatal(err)
				}
			}
			entries := []*entry{}
			tr := &truth{end: position{1, 14}, stored: map[int]uint64{}}
			for n := range 3 {
				entries = append(entries, &entry{resource: "r1", typ: "updated", id: "7", acked: true, seq: uint64(11 + n)})
				tr.stored[n] = uint64(11 + n)
			}
			v := r.judge(entries, tr, c.policy)
			got := [...]int{v.lost, v.away, r.duplicated, r.reordered, r.unasked}
			if want := [...]int{c.lost, c.away, c.duplicated, c.reordered, c.unasked}; got != want {
				t.Errorf("lost, away, duplicated, reordered, unasked: %v, want %v\n%q", got, want, r.notes)
			}
		})
	}
}

// What was acknowledged and is not stored: whether that may be depends on the fault.
func TestJudgesWhatIsGone(t *testing.T) {
	for _, c := range []struct {
		name       string
		policy     policy
		told       bool
		lost, away int
	}{
		{"nothing may be taken", exact, false, 1, 0},
		{"taken and not told", told, false, 1, 0},
		{"taken and told", told, true, 0, 1},
		{"taken before it was seen", gone, false, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &record{filter: filter{resource: "*"}, first: position{1, 10}, at: position{1, 10}}
			if c.told {
				r.resets = []reset{{"stream", position{1, 10}}}
			}
			v := r.judge([]*entry{{resource: "r1", acked: true, seq: 11}}, &truth{end: position{1, 10}, stored: map[int]uint64{}}, c.policy)
			if v.lost != c.lost || v.away != c.away {
				t.Errorf("%+v", v)
			}
		})
	}
}
