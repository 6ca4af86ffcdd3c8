package protocol

import (
	"strings"
	"testing"
	"time"
)

func TestParseStart(t *testing.T) {
	utc := time.Date(2026, 11, 25, 14, 0, 0, 500_000_000, time.UTC)
	for _, test := range []struct {
		after, since, last string
		want               Start
	}{
		{"", "", "", Start{}},
		{"5kQ2-1-a", "", "", Start{Kind: After, After: "5kQ2-1-a"}},
		{"", "2026-11-25T14:00:00.5Z", "", Start{Kind: Since, Since: utc}},
		{"", "2026-11-25T19:30:00.5+05:30", "", Start{Kind: Since, Since: utc}},
		{"", "-15m", "", Start{Kind: Since, Ago: 15 * time.Minute}},
		{"", "-1h30m", "", Start{Kind: Since, Ago: 90 * time.Minute}},
		{"", "-2d", "", Start{Kind: Since, Ago: 48 * time.Hour}},
		{"", "-1d12h", "", Start{Kind: Since, Ago: 36 * time.Hour}},
		{"", "-0d1ns", "", Start{Kind: Since, Ago: 1}},
		{"", "", "1", Start{Kind: Last, Last: 1}},
		{"", "", "100", Start{Kind: Last, Last: 100}},
	} {
		got, err := ParseStart(test.after, test.since, test.last, Limits{Replay: 100})
		if err != nil || got != test.want {
			t.Errorf("ParseStart(%q, %q, %q) = %+v, %v, want %+v", test.after, test.since, test.last, got, err, test.want)
		}
	}
}

func TestParseStartRefuses(t *testing.T) {
	for _, test := range []struct{ after, since, last, says string }{
		{"a", "-1m", "", "more than one"},
		{"a", "", "1", "more than one"},
		{"", "-1m", "1", "more than one"},
		{"", "", "101", `last is "101": send a whole number from 1 to 100`},
		{"", "", "0", "from 1 to 100"},
		{"", "", "-5", "from 1 to 100"},
		{"", "", "1e1", "from 1 to 100"},
		{"", "", "99999999999999999999", "from 1 to 100"},
		{"", "now", "", `since "now" is not a time: write RFC 3339`},
		{"", "15m", "", "is not a time"},
		{"", "2026-11-25", "", "is not a time"},
		{"", "2026-11-25 14:00:00Z", "", "is not a time"},
		{"", "0000-01-01T00:00:00+01:00", "", "is not a time"},
		{"", "-", "", `since "-" is not a duration above zero: write for example -15m`},
		{"", "-0s", "", "not a duration"},
		{"", "-0d", "", "not a duration"},
		{"", "-5", "", "not a duration"},
		{"", "--5m", "", "not a duration"},
		{"", "-+5m", "", "not a duration"},
		{"", "-1d-1h", "", "not a duration"},
		{"", "-1d2d", "", "not a duration"},
		{"", "-106752d", "", "not a duration"},
		{"", "-106751d24h", "", "not a duration"},
		{"", "-9999999h", "", "not a duration"},
		{"", "-" + strings.Repeat("9", 100) + "d", "", "not a duration"},
	} {
		_, err := ParseStart(test.after, test.since, test.last, Limits{Replay: 100})
		if err == nil || err.Code != BadRequest || !strings.Contains(err.Message, test.says) {
			t.Errorf("ParseStart(%q, %q, %q): %v, want bad_request: …%s…", test.after, test.since, test.last, err, test.says)
		}
	}
}

func TestStartTime(t *testing.T) {
	now := at("2026-11-25T14:00:00Z")
	if got := (Start{Kind: Since, Ago: time.Hour}).Time(now); !got.Equal(at("2026-11-25T13:00:00Z")) {
		t.Errorf("an hour ago is %v", got)
	}
	if got := (Start{Kind: Since, Since: now}).Time(now.Add(time.Hour)); !got.Equal(now) {
		t.Errorf("since %v is %v", now, got)
	}
}
