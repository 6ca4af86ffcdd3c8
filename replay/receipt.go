package replay

import (
	"strconv"
	"strings"
)

// A receipt is what the reply subject of a delivered message says of it.
type receipt struct {
	position        // in the stream
	seq      uint64 // the consumer's own
	pending  uint64 // messages that matched and were not delivered yet
}

// parseReceipt reads a reply subject. It is that of NATS ADR-15, in both forms:
//
//	$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>[.<more>…]
//
// It is read here, and not by nats.go's Metadata, since that allocates, for every message.
func parseReceipt(reply string) (r receipt, ok bool) {
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return r, false
	}
	const short = 7 // tokens after the prefix
	before := 3
	switch n := strings.Count(rest, ".") + 1; {
	case n >= short+2:
		before = 5
	case n != short:
		return r, false
	}
	for range before {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var numbers [4]uint64
	for i := range numbers {
		var token string
		var err error
		token, rest, _ = strings.Cut(rest, ".")
		if numbers[i], err = strconv.ParseUint(token, 10, 64); err != nil {
			return r, false
		}
	}
	return receipt{position{numbers[0], int64(numbers[2])}, numbers[1], numbers[3]}, true
}
