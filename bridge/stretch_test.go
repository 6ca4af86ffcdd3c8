package bridge

import (
	"bytes"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/livebridge/livebridge/protocol"
	"github.com/livebridge/livebridge/replay"
)

func replayed(n, size int) (events []*replay.Event) {
	for i := range n {
		events = append(events, &replay.Event{Seq: uint64(i + 1), Frame: *event(size + i%7)})
	}
	return events
}

func headOf(name string) []byte { return protocol.AppendTagged(nil, name, []byte(protocol.EventHead)) }

func split(cs *stretches, head []byte, events []*replay.Event) (list []*stretch) {
	cs.split(head, events, func(s *stretch) { list = append(list, s) })
	return list
}

// A client is sent the same, whether or not another has been sent it, too; and what it would be sent event by event.
func TestStretchesSayTheSame(t *testing.T) {
	for _, size := range []int{200, 3000, 70_000} {
		events, sub := replayed(600, size), &subscription{name: "a", head: headOf("a")}
		var items, first, second []item
		var cs stretches
		for _, e := range events {
			items = append(items, item{text: &e.Frame, sub: sub})
		}
		for _, s := range split(&cs, sub.head, events) {
			first = append(first, item{stretch: s})
		}
		want := onWire(t, items)
		if got := onWire(t, first); !slices.Equal(got, want) {
			t.Errorf("%d bytes: not what is sent event by event", size)
		}
		for _, s := range split(&cs, sub.head, slices.Clone(events)) {
			second = append(second, item{stretch: s})
		}
		if len(cs.recent) >= len(first) && !slices.Equal(first, second) {
			t.Errorf("%d bytes: the second client does not share the frames of the first", size)
		}
		if got := onWire(t, second); !slices.Equal(got, want) {
			t.Errorf("%d bytes: a shared frame says something else", size)
		}
	}
}

// onWire puts items on the wire, a few at a time, and reads the payloads' lines from it.
func onWire(t *testing.T, items []item) (list []string) {
	t.Helper()
	for len(items) > 0 {
		wire, n, _ := wsFraming{}.appendItems(nil, items, writeMax)
		items = items[n:]
		for len(wire) > 0 {
			head, size := 2, int(wire[1])
			switch size {
			case 126:
				head, size = 4, int(wire[2])<<8|int(wire[3])
			case 127:
				head, size = 10, int(wire[7])<<16|int(wire[8])<<8|int(wire[9])
			}
			for line := range bytes.SplitSeq(wire[head:head+size], []byte("\n")) {
				list = append(list, string(line))
			}
			wire = wire[head+size:]
		}
	}
	return list
}

// Only what is the same is shared, and only while it is new.
func TestStretchesAreTold(t *testing.T) {
	var cs stretches
	events := replayed(50, 300)
	first := split(&cs, headOf("a"), events)
	other := replayed(50, 300)
	for name, again := range map[string][]*stretch{
		"another name":   split(&cs, headOf("b"), events),
		"other events":   split(&cs, headOf("a"), other),
		"one is another": split(&cs, headOf("a"), append(slices.Clone(events[:25]), append([]*replay.Event{other[25]}, events[26:]...)...)),
		"one less":       split(&cs, headOf("a"), events[1:]),
	} {
		if again[0] == first[0] {
			t.Errorf("%s: shared", name)
		}
	}
	if split(&cs, headOf("a"), events)[0] != first[0] {
		t.Error("the same is not shared")
	}
	cs.forget(time.Now())
	if split(&cs, headOf("a"), events)[0] != first[0] {
		t.Error("forgotten at once")
	}
	cs.forget(time.Now().Add(time.Minute))
	if split(&cs, headOf("a"), events)[0] == first[0] {
		t.Error("remembered for ever")
	}
	for i := range 200 { // others push it out
		split(&cs, headOf(strconv.Itoa(i)), events)
	}
	if split(&cs, headOf("a"), events)[0] == first[0] {
		t.Error("more is remembered than there is room for")
	}
}
