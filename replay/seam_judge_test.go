package replay

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the property test takes for right and for wrong around a roll-back, in a stream of 9 events that lost its last 5 and stored 5 others
// in their places. Those of the newer life have a dash: "+5'" began before it, "5'" was replayed, "5'." was live; "^8" and "!9'" are
// after it. What stands before "|" was told before the roll-back.
func TestSeamJudgesRollBacks(t *testing.T) {
	const unknown = "not told that the stream is another one"
	for _, c := range []struct {
		told   string
		purged bool     // the events 1 to 8 of the newer life had left the stream before the last were told
		only   []string // the ids asked for, those of the newer life are 15 to 19; none = all
		wrong  string
	}{
		{"+1 1 2 3 4 5 6 7 8 ^8 !9'", false, nil, ""},
		{"+1 1 2 3 4 5' 6' 7 8 ^8 !9'", false, nil, ""},
		{"+1 1 2 3 4 5 6 7 8 ^8 9. !9'", false, nil, ""}, // brought to the tail before the roll-back
		{"+1 1 2 3 4 5 6 7 8 ^8 9'.", false, nil, unknown},
		{"+1 1 2 3 4 5 6 7 8 ^8 9'.", true, nil, ""},
		{"+1 1 2 3 4 5 6 7 8 ^8 9.", true, nil, "the end: " + unknown},
		{"+1 1 2 3 4 5' 6' 7' 8' ^8 9'.", false, nil, unknown},
		{"+1 1 2 3 4 5' 6' 7' 8' ^8 9'.", true, nil, ""},
		{"+5' ^8 9'.", true, nil, ""},                   // the others left before they were read
		{"+1 ^4 | 9'.", true, []string{"17", "19"}, ""}, // the tail was at 8
		{"+1 ^4 | 9'.", false, []string{"17", "19"}, "sequence 7 is missing"},
		{"+1 ^4 | 9'.", true, []string{"7", "17", "19"}, "sequence 7 is missing"},
		{"+1 1 2 3 4 5 6 8 ^8 !9'", false, nil, "sequence 7 is missing"},
		{"+1 1 2 3 4 5' 8 ^8 !9'", false, nil, unknown},
	} {
		m := rolledBack(c.purged)
		if err := m.settle(); err != nil {
			t.Fatal(err)
		}
		filter := everything
		filter.IDs = c.only
		s := &segment{set: set(t, filter), start: Start{Kind: First}, asked: 50, finished: true}
		before, after, both := strings.Cut(c.told, "|")
		if !both {
			before, after = "", c.told
		}
		s.items = append(m.items(t, before, 60), m.items(t, after, 200)...)
		_, err := m.check(s)
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s, purged %v: %v, want %q", c.told, c.purged, err, c.wrong)
		}
	}
}

// rolledBack is a model of a stream of 9 events that was put back to its first 4 at 100, and then stored 5 others.
func rolledBack(purged bool) *model {
	m := newModel(0)
	m.began = time.Now().Add(-time.Second)
	m.lives = []*life{{inc: 1}, {inc: 1, began: 100, base: 4}}
	for life := range m.lives {
		for seq := 1; seq <= 9; seq++ {
			n := seq
			if life == 1 && seq > 4 {
				n += 10
			}
			f := &fact{n: n, life: life, seq: uint64(seq), subject: fmt.Sprintf("live.products.updated.%d", n)}
			if life == 1 && seq <= 8 && purged {
				f.leaving, f.left, f.front = 150, 150, true
			}
			m.facts, m.stored[f.n] = append(m.facts, f), int64(f.n)
		}
	}
	return m
}

// items are what the words say, told at a time.
func (m *model) items(t *testing.T, words string, when int64) (items []item) {
	for _, word := range strings.Fields(words) {
		seq, err := strconv.Atoi(strings.Trim(word, "+^!'."))
		if err != nil {
			t.Fatal(err)
		}
		f := m.lives[strings.Count(word, "'")].facts[seq-1]
		it := item{when: when, seq: f.seq, n: f.n, at: Cursor{inc: 1, seq: f.seq, at: f.stored, before: word[0] == '+'}}
		switch it.notice.At = it.at; word[0] {
		case '+':
			it.notice.Recovered = true
		case '^':
			it.notice.Kind = Live
		case '!':
			it.notice.Kind, it.notice.Reason = Reset, ReasonStream
		default:
			it.kind, it.replayed = isEvent, !strings.HasSuffix(word, ".")
		}
		items = append(items, it)
	}
	return items
}
