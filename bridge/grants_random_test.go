package bridge

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/livebridge/livebridge/internal/natstest"
	"github.com/livebridge/livebridge/revoke"
)

var (
	grantsSeed  = flag.Uint64("seed", 0, "what TestRandomGrants draws from; 0 = anything")
	grantsUsers = flag.Int("users", 1000, "how many users TestRandomGrants has")
)

// A person is a user of TestRandomGrants: what he may see by the model, and what he has open.
type person struct {
	*browser
	name   string
	model  *model
	token  string
	ask    string // the subscription that the stream has, too
	stream *stream
	first  *model // what the stream may show: it keeps the token that it began with
	gone   bool   // revoked
}

// A stream is an SSE connection that is read to its end.
type stream struct {
	mu      sync.Mutex
	numbers []int
	ended   chan struct{}
}

func (s *stream) got() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int{}, s.numbers...)
}

func (s *stream) read(t testing.TB, resp *http.Response) {
	defer close(s.ended)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && strings.Contains(data, `"payload"`) && !strings.Contains(data, last) {
			n := payload(t, data)
			s.mu.Lock()
			s.numbers = append(s.numbers, n)
			s.mu.Unlock()
		}
	}
}

func randomModel(rnd *rand.Rand) *model {
	m := &model{allow: append(patternsOf(rnd, 5), "end.>"), deny: patternsOf(rnd, 3), live: rnd.IntN(8) == 0, accepted: map[string]ask{}}
	m.deny = slices.DeleteFunc(m.deny, func(p string) bool { return hits(p, "end.end._") })
	return m
}

func (m *model) mint(t testing.TB, user string) string {
	live := claim{"subscribe": claim{"allow": m.allow, "deny": m.deny}}
	if m.live {
		live["history"] = "0s"
	}
	return mint(t, live, claim{"sub": user, "jti": "of " + user, "iat": time.Now().Unix()})
}

// of are the numbers of the events that reach a connection with these subscriptions.
func (m *model) of(subjects []string, from int, asks ...ask) []int {
	return indexes(subjects, from, func(s string) bool {
		return m.sees(s) && slices.ContainsFunc(asks, func(a ask) bool { return a.matches(s, false) })
	})
}

// No event ever reaches one whose grant does not cover it, and none that is covered is missing: a thousand users with random grants and
// random subscriptions, live, replayed, as history and over SSE, of whom some get other rights on the way, and some are revoked.
func TestRandomGrants(t *testing.T) {
	seed := *grantsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -args -seed %d -users %d", seed, *grantsUsers)
	rnd := rand.New(rand.NewPCG(seed, 0))
	r := guardedOn(t, natstest.Start(t), func(c *Config) { c.Outbox, c.Ping = 8<<20, time.Hour })
	people := make([]*person, *grantsUsers)
	asked, accepted := 0, 0
	for i := range people {
		people[i] = r.person(rnd, fmt.Sprint("user ", i))
		asked, accepted = asked+6, accepted+len(people[i].model.accepted)
	}
	t.Logf("%d of %d subscriptions accepted", accepted, asked)
	if accepted < asked/20 || accepted > asked*19/20 {
		t.Errorf("%d of %d accepted: this says little", accepted, asked)
	}

	const half = 600
	subjects := r.publishRandom(rnd, half, 0)
	for _, p := range people {
		p.liveIs(t, p.model.of(subjects, 0, slices.Collect(maps.Values(p.model.accepted))...))
		p.streamHas(t, subjects)
	}
	var logout []revoke.Entry
	for _, p := range people {
		switch rnd.IntN(6) {
		case 0, 1:
			p.renews(t, randomModel(rnd))
		case 2:
			p.gone = true
			logout = append(logout, revoke.Entry{ID: "of " + p.name})
		}
	}
	r.revoke(logout...)
	for _, p := range people {
		if p.gone {
			p.want(`"code":"unauthorized"`)
			p.wantClose(4401)
			if code, _ := r.get("/v1/events?resource=end", bearer(p.token)...); code != 401 {
				t.Errorf("%s reads history after the revocation: %d", p.name, code)
			}
		}
	}
	more := r.publishRandom(rnd, half, half)
	everything := slices.Concat(subjects, more)
	for _, p := range people {
		if !p.gone {
			p.liveIs(t, p.model.of(more, half, slices.Collect(maps.Values(p.model.accepted))...))
			p.streamHas(t, everything)
		}
	}
	for _, p := range people {
		if !p.gone {
			r.pastIs(t, p, everything)
		}
	}
	for _, p := range people { // by now, what must not come would have
		if want := p.streams(everything); p.stream != nil && p.gone {
			<-p.stream.ended
			want = p.streams(subjects)
			p.compare(t, "SSE until the revocation", want, p.stream.got())
		} else if p.stream != nil {
			p.compare(t, "SSE", want, p.stream.got())
		}
	}
}

// person opens what a user has open, and checks what he is refused.
func (r *rig) person(rnd *rand.Rand, name string) *person {
	m := randomModel(rnd)
	p := &person{name: name, model: m, first: m, token: m.mint(r.t, name)}
	p.browser = r.as(p.token)
	p.send(`{"op":"subscribe","sub":"end","resource":"end"}`)
	p.want("subscribed")
	p.want("live")
	for i := range 6 {
		a, sub := randomAsk(rnd), fmt.Sprint(i)
		p.send(a.frame(sub, ""))
		if !m.may(a) {
			p.want(`"op":"error","sub":"`+sub+`","code":"forbidden"`, "")
			continue
		}
		p.want(`"op":"subscribed"`)
		p.want(`"op":"live"`)
		m.accepted[sub], p.ask = a, sub
	}
	if p.ask != "" && rnd.IntN(3) == 0 {
		resp := r.open("GET", "/v1/sse?"+m.accepted[p.ask].query(), "", bearer(p.token)...)
		if resp.StatusCode != 200 {
			r.t.Fatalf("%s: SSE: %d", name, resp.StatusCode)
		}
		head := bufio.NewReader(resp.Body)
		for line := ""; line != ": live\n"; {
			var err error
			if line, err = head.ReadString('\n'); err != nil {
				r.t.Fatalf("%s: SSE: %v", name, err)
			}
		}
		p.stream = &stream{ended: make(chan struct{})}
		resp.Body = struct {
			*bufio.Reader
			closer
		}{head, resp.Body.Close}
		go p.stream.read(r.t, resp)
		r.t.Cleanup(func() {
			_ = resp.Body.Close()
			<-p.stream.ended
		})
	}
	return p
}

type closer func() error

func (c closer) Close() error { return c() }

// compare says what is wrong with a list of events.
func (p *person) compare(t *testing.T, what string, want, got []int) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (%+v), %s: %s", p.name, *p.model, what, d)
	}
}

func (p *person) liveIs(t *testing.T, want []int) {
	t.Helper()
	p.compare(t, "live", want, p.numbers(t, last))
}

// streams is what the stream shows.
func (p *person) streams(subjects []string) []int {
	return p.first.of(subjects, 0, p.first.accepted[p.ask])
}

// streamHas waits until the stream has shown as many events as it should.
func (p *person) streamHas(t *testing.T, subjects []string) {
	t.Helper()
	if p.stream == nil {
		return
	}
	want := p.streams(subjects)
	await(t, p.name+"'s stream", func() bool { return len(p.stream.got()) >= len(want) })
	p.compare(t, "SSE", want, p.stream.got())
}

// renews gives the connection a token with other rights, which ends what it does not cover any more.
func (p *person) renews(t *testing.T, m *model) {
	t.Helper()
	p.token = m.mint(t, p.name)
	p.renew(p.token)
	p.want(`"op":"connected"`)
	for _, sub := range slices.Sorted(maps.Keys(p.model.accepted)) {
		if a := p.model.accepted[sub]; m.may(a) {
			m.accepted[sub] = a
			continue
		}
		p.want(`{"op":"error","sub":"` + sub + `","code":"forbidden"`)
		p.want(`{"op":"unsubscribed","sub":"` + sub + `"}`)
	}
	p.model = m
}

// pastIs checks what a user may replay and read: of every subscription that he may have now.
func (r *rig) pastIs(t *testing.T, p *person, subjects []string) {
	t.Helper()
	for i, sub := range slices.Sorted(maps.Keys(p.model.accepted)) {
		a := p.model.accepted[sub]
		want, start := p.model.of(subjects, 0, a), `,"since":"-1h"`
		if p.model.live {
			p.send(a.frame("deep "+sub, start))
			p.want(`"sub":"deep `+sub+`","code":"forbidden"`, "")
			want, start = []int{}, `,"last":1000`
		}
		p.send(a.frame("past "+sub, start))
		p.want(`"op":"subscribed"`)
		p.compare(t, fmt.Sprintf("%+v replayed", a), want, p.numbers(t, `"op":"live"`))
		if i == 0 {
			p.compare(t, fmt.Sprintf("%+v as history", a), want, r.everything(p.token, a))
		}
	}
}
