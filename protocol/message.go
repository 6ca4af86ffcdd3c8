package protocol

import (
	"bytes"
	"iter"
	"unicode/utf8"
)

// An Op is what a client's object asks for.
type Op string

// The ops of a client.
const (
	OpConnect     Op = "connect"     // Message.Token
	OpSubscribe   Op = "subscribe"   // Message.Sub and Subscribe
	OpUnsubscribe Op = "unsubscribe" // Message.Sub
	OpPublish     Op = "publish"     // Message.Ref and Events
	OpToken       Op = "token"       // Message.Token
	OpPing        Op = "ping"
)

// A Message is one object from a client, checked. Fields that its Op does not
// use are zero. It shares no memory with the bytes it was read from.
type Message struct {
	Op        Op
	Token     string    // connect: "" = none; token: never empty
	Sub       string    // the client's name for a subscription, 1 to 64 characters
	Subscribe Subscribe // what to subscribe to
	Ref       string    // the client's name for a publish, 1 to 64 characters
	Events    []Publish // what to publish, never empty
}

// A Subscribe is what a subscription wants and where it starts.
type Subscribe struct {
	Resource string   // never empty; "*" = every resource
	Types    []string // nil = every type (missing, empty or with "*")
	IDs      []string // nil = every id; "*" is a literal here; events about no particular record match always
	Start    Start
}

const maxName = 64 // characters of sub and ref

// SplitFrame yields the objects of a WebSocket text frame, which are separated by
// "\n", without the whitespace around them. Empty lines are passed over, so a
// frame of nothing but whitespace yields nothing. The slices lie in frame.
func SplitFrame(frame []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
			line = bytes.Trim(line, space)
			if len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// ParseMessage reads one object of a client. The error is bad_frame where it is
// not JSON or not an object (then the connection is closed with 4400), unknown_op,
// bad_request, too_many or too_large; its Sub and Ref are set where they could be read.
func ParseMessage(object []byte, lim Limits) (Message, *Error) {
	if err := checkJSON(object); err != nil {
		return Message{}, Errorf(BadFrame, "not JSON: %v: send JSON objects, one per line", err)
	}
	object = bytes.Trim(object, space)
	if object[0] != '{' {
		return Message{}, Errorf(BadFrame, "not an object but %s: send an object with an op", kind(object))
	}
	var f messageFields
	msg, err := f.parse(object, lim.WithDefaults())
	if err != nil {
		err.Sub, _ = name(f.sub)
		err.Ref, _ = name(f.ref)
		return Message{}, err
	}
	return msg, nil
}

// messageFields are the members of a client's object as they came; nil = missing.
type messageFields struct {
	op, token, sub, resource, types, ids, after, since, last, ref, events []byte
}

func (f *messageFields) slot(name string) *[]byte {
	switch name {
	case "op":
		return &f.op
	case "token":
		return &f.token
	case "sub":
		return &f.sub
	case "resource":
		return &f.resource
	case "types":
		return &f.types
	case "ids":
		return &f.ids
	case "after":
		return &f.after
	case "since":
		return &f.since
	case "last":
		return &f.last
	case "ref":
		return &f.ref
	case "events":
		return &f.events
	}
	return nil
}

func (f *messageFields) parse(object []byte, lim Limits) (msg Message, err *Error) {
	if err := members(object, f.slot); err != nil {
		return msg, err
	}
	if !utf8.Valid(object) {
		return msg, Errorf(BadRequest, "not valid UTF-8: send well-formed Unicode")
	}
	if f.op == nil {
		return msg, Errorf(BadRequest, "op is missing: send one of connect, subscribe, unsubscribe, publish, token, ping")
	}
	op, bad := text(f.op)
	if bad != nil {
		return msg, Errorf(BadRequest, "op %v", bad)
	}
	msg.Op = Op(op)
	switch msg.Op {
	case OpConnect, OpToken:
		msg.Token, err = f.parseToken(msg.Op)
	case OpSubscribe:
		if msg.Sub, err = f.parseName("sub", f.sub); err == nil {
			msg.Subscribe, err = f.parseSubscribe(lim)
		}
	case OpUnsubscribe:
		msg.Sub, err = f.parseName("sub", f.sub)
	case OpPublish:
		if msg.Ref, err = f.parseName("ref", f.ref); err == nil {
			msg.Events, err = f.parsePublish(lim)
		}
	case OpPing:
	default:
		err = Errorf(UnknownOp, "op %s is not known: send one of connect, subscribe, unsubscribe, publish, token, ping", show(op))
	}
	return msg, err
}

func (f *messageFields) parseToken(op Op) (string, *Error) {
	if f.token == nil && op == OpConnect {
		return "", nil
	}
	if f.token == nil {
		return "", Errorf(BadRequest, "token is missing: send the fresh token")
	}
	token, err := text(f.token)
	if err != nil {
		return "", Errorf(BadRequest, "token %v", err)
	}
	if token == "" && op == OpToken {
		return "", Errorf(BadRequest, "token is empty: send the fresh token")
	}
	return token, nil
}

func (f *messageFields) parseName(field string, value []byte) (string, *Error) {
	if value == nil {
		return "", Errorf(BadRequest, "%s is missing: name it with 1 to %d characters of your choice", field, maxName)
	}
	s, ok := name(value)
	if !ok {
		return "", Errorf(BadRequest, "%s must be a string of 1 to %d characters", field, maxName)
	}
	return s, nil
}

func name(value []byte) (string, bool) {
	if value == nil {
		return "", false
	}
	s, err := text(value)
	if n := utf8.RuneCountInString(s); err != nil || n < 1 || n > maxName {
		return "", false
	}
	return s, true
}

func (f *messageFields) parseSubscribe(lim Limits) (s Subscribe, err *Error) {
	if s.Resource, err = parseWord("resource", f.resource, "send its name, or * for all"); err != nil {
		return s, err
	}
	if s.Types, err = parseTypes(f.types); err != nil {
		return s, err
	}
	if f.ids != nil {
		if s.IDs, err = parseIDs(f.ids, lim.IDs); err != nil {
			return s, err
		}
	}
	s.Start, err = startOf(f.after, f.since, f.last, lim)
	return s, err
}

// parseWord reads a resource or a type.
func parseWord(field string, value []byte, remedy string) (string, *Error) {
	if value == nil {
		return "", Errorf(BadRequest, "%s is missing: %s", field, remedy)
	}
	s, err := text(value)
	if err != nil {
		return "", Errorf(BadRequest, "%s %v", field, err)
	}
	if s == "" {
		return "", Errorf(BadRequest, "%s is empty: %s", field, remedy)
	}
	return s, nil
}

func parseTypes(value []byte) (types []string, err *Error) {
	if value == nil {
		return nil, nil
	}
	if value[0] != '[' {
		return nil, Errorf(BadRequest, "types must be an array of strings, not %s", kind(value))
	}
	if n := count(value); n > MaxTypes {
		return nil, Errorf(TooMany, "%d types: the limit is %d; leave types out for all", n, MaxTypes)
	}
	all := false
	for element := range elements(value) {
		word, err := parseWord("types["+itoa(len(types))+"]", element, "send a type, or * for all")
		if err != nil {
			return nil, err
		}
		all = all || word == "*"
		types = append(types, word)
	}
	if all {
		return nil, nil
	}
	return types, nil
}

func parseIDs(value []byte, limit int) ([]string, *Error) {
	if value[0] != '[' {
		return nil, Errorf(BadRequest, "ids must be an array of strings or numbers, not %s", kind(value))
	}
	n := count(value)
	if n == 0 {
		return nil, nil
	}
	if n > limit {
		return nil, Errorf(TooMany, "%d ids: the limit is %d", n, limit)
	}
	ids := make([]string, 0, n)
	for element := range elements(value) {
		id, err := idText(element)
		if err != nil {
			return nil, Errorf(BadRequest, "ids[%d] %v", len(ids), err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
