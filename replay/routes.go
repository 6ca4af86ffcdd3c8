package replay

import "github.com/nats-io/nats-server/v2/server/gsl"

// routes finds the live subscriptions that an event's subject matches. Subjects are matched by NATS's own rules and code; equal patterns
// are one route, so that a pattern that a thousand browsers share is found once. It has no lock of its own: the log's lock guards it.
type routes struct {
	list  *gsl.GenericSublist[*route]
	byPat map[string]*route
}

// A route is one pattern and the subscriptions that have it.
type route struct {
	pattern string
	subs    []*Subscription
}

// A place says where a subscription stands in a route, so that it is removed without a search.
type place struct {
	route *route
	index int
}

func newRoutes() *routes {
	return &routes{list: gsl.NewSublist[*route](), byPat: make(map[string]*route)}
}

func (r *routes) add(s *Subscription) {
	for _, pattern := range s.set.Patterns() {
		rt := r.byPat[pattern]
		if rt == nil {
			rt = &route{pattern: pattern}
			if err := r.list.Insert(pattern, rt); err != nil {
				panic("replay: pattern " + pattern + ": " + err.Error()) // Patterns are valid subjects by construction
			}
			r.byPat[pattern] = rt
		}
		s.places = append(s.places, place{rt, len(rt.subs)})
		rt.subs = append(rt.subs, s)
	}
}

func (r *routes) remove(s *Subscription) {
	for _, p := range s.places {
		rt, last := p.route, len(p.route.subs)-1
		if moved := rt.subs[last]; p.index != last {
			rt.subs[p.index] = moved
			moved.moved(rt, last, p.index)
		}
		rt.subs[last] = nil
		rt.subs = rt.subs[:last]
		if last == 0 {
			_ = r.list.Remove(rt.pattern, rt)
			delete(r.byPat, rt.pattern)
		}
	}
	s.places = nil
}

// moved notes that the subscription now stands elsewhere in a route.
func (s *Subscription) moved(rt *route, from, to int) {
	for i := range s.places {
		if s.places[i].route == rt && s.places[i].index == from {
			s.places[i].index = to
			return
		}
	}
}

// deliver hands an event to every subscription that matches it.
func (r *routes) deliver(e *Event) {
	r.list.Match(e.Subject, func(rt *route) {
		for _, s := range rt.subs {
			if (s.exact || s.set.Match(e.Subject)) && s.view.shows(e.Subject) {
				s.sink.Live(e)
			}
		}
	})
}
