package replay

import (
	"fmt"
	"testing"
	"time"
)

// Where the server's clock was set back while the log watched, a time still leads to the first event that was stored at or after it, and
// to all that follow it in the stream.
func TestSinceWhereTheClockWasSetBack(t *testing.T) {
	for _, memory := range []int{64 << 20, 1} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			s, nc := env(t)
			openLog(t, nc, Config{}).Close() // makes the stream
			store := s.Restore(s.Backup("LIVE"))
			l := openLog(t, nc, Config{WindowBytes: memory})
			noon := time.Now().Add(-10 * time.Hour).Truncate(time.Hour)
			minutes := []int{0, 10, 20, -60, -50, -40, 5, 15, 30} // of events 1 to 9
			for i, m := range minutes {
				if err := store.StoreRawMsg(fmt.Sprintf("live.products.updated.%d", i+1), nil, []byte("x"), uint64(i+1), noon.Add(time.Duration(m)*time.Minute).UnixNano(), 0, false); err != nil {
					t.Fatal(err)
				}
			}
			publishIDs(t, nc, 10, 10)
			if err := l.reach(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			for minute, first := range map[int]int{-90: 1, -55: 1, 0: 1, 5: 2, 15: 3, 20: 3, 25: 9, 40: 10} {
				want := "+"
				for id := first; id <= 10; id++ {
					want += fmt.Sprintf(" %d", id)
				}
				r := subscribe(t, l, everything, Start{Kind: Since, Since: noon.Add(time.Duration(minute) * time.Minute)})
				if got := r.until(t, "^"); got != want+" ^" {
					t.Errorf("since minute %d: %q, want %q", minute, got, want)
				}
			}
		})
	}
}
