package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/livebridge/livebridge/subjects"
)

// parsePattern reads what to tail: a NATS subject pattern over the tokens of resource, type and id, with or without live. in front. What is
// left off at the end is any.
func parsePattern(text string) (*subjects.Set, error) {
	tokens := strings.Split(text, ".")
	if len(tokens) == 4 && tokens[0] == subjects.Root {
		tokens = tokens[1:]
	}
	if len(tokens) > 3 {
		return nil, fmt.Errorf("it has %d parts, but an event has resource, type and id: a dot within one of them is written %%2E", len(tokens))
	}
	if last := len(tokens) - 1; tokens[last] == ">" {
		tokens = tokens[:last]
	}
	filter := subjects.Filter{Resource: subjects.Wildcard}
	for i, token := range tokens {
		if token == subjects.Wildcard {
			continue
		}
		text, err := subjects.Unescape(token)
		if err != nil {
			return nil, err
		}
		switch {
		case i < 2 && text == subjects.Wildcard:
			return nil, errors.New("a resource or type that is literally * cannot be picked out: use * for any")
		case i == 0:
			filter.Resource = text
		case i == 1:
			filter.Types = []string{text}
		default:
			filter.IDs = []string{text}
		}
	}
	return filter.Compile()
}
