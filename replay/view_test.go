package replay

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What a view does not show is delivered nowhere: live, replayed, or as history.
func TestViewAllows(t *testing.T) {
	for _, memory := range []int{64 << 20, 1} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			_, nc := env(t)
			l := openLog(t, nc, Config{WindowBytes: memory})
			view := View{Allows: func(subject string) bool { return !strings.HasSuffix(subject, ".2") }}
			live := record()
			s, err := l.Subscribe(live, SubscribeOptions{Set: set(t, everything), View: view})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			publishIDs(t, nc, 1, 4)
			if got := live.until(t, "4."); got != "+ ^ 1. 3. 4." {
				t.Errorf("live: %q", got)
			}
			for _, start := range []Start{{Kind: First}, {Kind: Last, Last: 3}, {Kind: Since, Since: time.Unix(1, 0)}} {
				r := record()
				s, err := l.Subscribe(r, SubscribeOptions{Set: set(t, everything), Start: start, View: view})
				if err != nil {
					t.Fatal(err)
				}
				if got := r.until(t, "^"); got != "+ 1 3 4 ^" {
					t.Errorf("replay from %v: %q", start, got)
				}
				s.Close()
			}
			page, err := l.History(t.Context(), set(t, everything), view, Start{Kind: First}, 10, 1<<20)
			if err != nil || len(page.Events) != 3 {
				t.Errorf("history: %d events, %v", len(page.Events), err)
			}
		})
	}
}

// Nothing stored before a view's time is replayed; a cursor from before it is told to read again if something was stored in between.
func TestViewNotBefore(t *testing.T) {
	for _, memory := range []int{64 << 20, 1} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			_, nc := env(t)
			l := openLog(t, nc, Config{WindowBytes: memory})
			cursorOf(t, l, publishIDs(t, nc, 1, 6)) // the tail has read them
			c1, c3, c4 := cursorOf(t, l, 1), cursorOf(t, l, 3), cursorOf(t, l, 4)
			view := View{NotBefore: time.Unix(0, c4.at)}
			for _, tc := range []struct {
				name  string
				start Start
				want  string
			}{
				{"first", Start{Kind: First}, "+ 4 5 6 ^"},
				{"last 5", Start{Kind: Last, Last: 5}, "+ 4 5 6 ^"},
				{"since ever", Start{Kind: Since, Since: time.Unix(1, 0)}, "+ 4 5 6 ^"},
				{"after an event that lies before, with nothing between", Start{Kind: After, After: c3}, "+ 4 5 6 ^"},
				{"after an event that lies before", Start{Kind: After, After: c1}, "- !expired"},
				{"after the head", Start{Kind: After, After: l.Head()}, "+ ^"},
			} {
				t.Run(tc.name, func(t *testing.T) {
					r := record()
					s, err := l.Subscribe(r, SubscribeOptions{Set: set(t, everything), Start: tc.start, View: view})
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					end := tc.want[strings.LastIndex(tc.want, " ")+1:]
					if got := r.until(t, end); got != tc.want {
						t.Errorf("got %q, want %q", got, tc.want)
					}
				})
			}
		})
	}
}
