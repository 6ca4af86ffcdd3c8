package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

// A Grant is what one token allows. It never changes and may be used concurrently.
type Grant struct {
	Subject string    // the token's sub: whose it is; "" = not said
	ID      string    // the token's jti; "" = not said
	Expires time.Time // never zero

	Subscribe Rules
	Publish   Rules
	// History is how far back events may be replayed. Negative = as far as they are stored; 0 = not at all, only live.
	History time.Duration
}

// MaySubscribe says whether a filter lies inside what is allowed. It never allows a part: a subscription that would silently lack something
// is refused. Events about no particular record, which a filter by ids also asks for, are not looked at here: they are delivered where the
// rules allow them.
func (g *Grant) MaySubscribe(f subjects.Filter) bool {
	types, ids := orAny(f.Types, true), orAny(f.IDs, false)
	resource := any3
	if f.Resource != subjects.Wildcard {
		resource = subjects.Escape(f.Resource)
	}
	for _, t := range types {
		for _, id := range ids {
			if !g.Subscribe.includes(pattern{resource, t, id}) {
				return false
			}
		}
	}
	return true
}

// orAny are the tokens of texts, or the wildcard where there are none. Whether * is one depends on the list: an id may be a star.
func orAny(texts []string, wild bool) []string {
	if len(texts) == 0 {
		return []string{any3}
	}
	tokens := make([]string, len(texts))
	for i, t := range texts {
		if tokens[i] = subjects.Escape(t); wild && t == subjects.Wildcard {
			tokens[i] = t
		}
	}
	return tokens
}

// Deliver returns what says whether an event may be delivered to a subscription that [Grant.MaySubscribe] has allowed; nil = every one.
func (g *Grant) Deliver() func(subject string) bool {
	if g.Subscribe.all() {
		return nil
	}
	return g.Subscribe.Matches
}

// MayPublish says whether an event may be published.
func (g *Grant) MayPublish(n subjects.Name) bool {
	subject, err := n.Subject()
	return err == nil && g.Publish.Matches(subject)
}

// NotBefore is the time before which nothing may be replayed; zero = no such time.
func (g *Grant) NotBefore(now time.Time) time.Time {
	if g.History < 0 {
		return time.Time{}
	}
	return now.Add(-g.History)
}

// parseClaim reads the claim `live`. It is refused as a whole where anything in it is not understood.
func (g *Grant) parseClaim(claim json.RawMessage) error {
	var c struct {
		Subscribe rulesClaim `json:"subscribe"`
		Publish   rulesClaim `json:"publish"`
		History   *string    `json:"history"`
	}
	if len(claim) == 0 {
		return errors.New("the claim live is missing: a token without it has no rights")
	}
	if err := strict(claim, &c); err != nil {
		return fmt.Errorf("claim live: %w", err)
	}
	g.Subscribe, g.Publish, g.History = c.Subscribe.Rules, c.Publish.Rules, -1
	if c.History != nil {
		d, err := parseHistory(*c.History)
		if err != nil {
			return fmt.Errorf("claim live: history %q: %w", *c.History, err)
		}
		g.History = d
	}
	return nil
}

func parseHistory(text string) (time.Duration, error) {
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) && days >= 0 && days < 1e5 {
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("write a duration such as 15m, 24h or 7d")
	}
	return d, nil
}

// rulesClaim is {"allow":[…],"deny":[…]}, or an array, which means allow.
type rulesClaim struct{ Rules }

// UnmarshalJSON implements [json.Unmarshaler].
func (r *rulesClaim) UnmarshalJSON(b []byte) error {
	var lists struct{ Allow, Deny []string }
	var err error
	if bytes.HasPrefix(b, []byte("[")) {
		err = strict(b, &lists.Allow)
	} else {
		err = strict(b, &lists)
	}
	if err == nil {
		r.Rules, err = NewRules(lists.Allow, lists.Deny)
	}
	return err
}

// strict decodes JSON that may hold nothing unknown.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
