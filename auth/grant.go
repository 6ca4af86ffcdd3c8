package auth

import (
	"slices"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

// A Grant is what one token allows. It never changes and may be used concurrently.
type Grant struct {
	Subject string    // the token's sub: whose it is; "" = not said
	ID      string    // the token's jti; "" = not said
	Issued  time.Time // the token's iat, in whole seconds; zero = not said
	Expires time.Time // the token's exp, in whole seconds; never zero, and up to 5 seconds ago when the token has just been verified

	Subscribe Rules
	Publish   Rules
	// History is how far back events may be replayed. Negative = as far as they are stored; 0 = not at all, only live.
	History time.Duration
}

// MaySubscribe says whether a filter lies inside what is allowed. It never allows a part: every type and every id that is asked for has to
// be allowed. What is denied is held back by [Grant.Deliver], unless it is all that is asked for: then the filter is refused too.
//
// A filter by ids also matches events about no particular record. They are not looked at here, unless nothing else is asked for: they are
// delivered where the rules allow them. Whether the names in the filter are valid is for [subjects.Filter.Compile] to say.
func (g *Grant) MaySubscribe(f subjects.Filter) bool {
	resource := any3
	if f.Resource != subjects.Wildcard {
		resource = subjects.Escape(f.Resource)
	}
	types, ids := typeTokens(f.Types), idTokens(f.IDs)
	return g.Subscribe.allow.coverAll(resource, types, ids) && !g.Subscribe.deny.coverAll(resource, types, ids)
}

func typeTokens(texts []string) []string {
	if len(texts) == 0 || slices.Contains(texts, subjects.Wildcard) {
		return []string{any3}
	}
	return escaped(texts)
}

// idTokens are the tokens of ids: an id may be a star.
func idTokens(texts []string) []string {
	if len(texts) == 0 {
		return []string{any3}
	}
	tokens := escaped(texts)
	if i := slices.Index(tokens, subjects.None); i >= 0 && len(tokens) > 1 {
		return slices.Delete(tokens, i, i+1)
	}
	return tokens
}

// escaped are the tokens of texts, each once.
func escaped(texts []string) []string {
	tokens := make([]string, len(texts))
	for i, text := range texts {
		tokens[i] = subjects.Escape(text)
	}
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// Deliver returns what says whether an event may be delivered to a subscription that [Grant.MaySubscribe] has allowed; nil = every one.
// It takes the event's subject, allocates nothing, and may be called concurrently.
func (g *Grant) Deliver() func(subject string) bool {
	if g.Subscribe.all() {
		return nil
	}
	return g.Subscribe.Matches
}

// MayPublish says whether an event may be published. An event whose name is not valid may not.
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
