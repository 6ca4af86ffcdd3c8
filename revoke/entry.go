package revoke

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// An Entry says which tokens do not count any more. Exactly one of ID and Subject is set.
type Entry struct {
	ID      string // the token with this jti
	Subject string // the tokens with this sub that were issued (iat) before Before, and those that do not say when they were issued

	// Before is a whole second. Zero = the second after that in which NATS stores the entry: tokens carry whole seconds, so those of the
	// very second of a logout do not count, and those of the next do.
	Before time.Time
	// Until is when the entry may be forgotten, in whole seconds: no token that it is about expires later. Zero = never.
	Until time.Time
}

// Words that keys begin with.
const (
	ofID      = "jti."
	ofSubject = "sub."
)

// maxText is how many bytes jti and sub may have: as many as auth lets through.
const maxText = 256

// Key is the entry's key in the bucket.
func (e Entry) Key() (string, error) {
	kind, text := ofID, e.ID
	switch {
	case (e.ID == "") == (e.Subject == ""):
		return "", errors.New("an entry is about one jti or one sub, and it is not empty")
	case e.ID == "":
		kind, text = ofSubject, e.Subject
	}
	if len(text) > maxText {
		return "", fmt.Errorf("%s has %d bytes: no token is accepted with more than %d", kind[:3], len(text), maxText)
	}
	return kind + base64.RawURLEncoding.EncodeToString([]byte(text)), nil
}

// value is what is stored under the key.
type value struct {
	Before *int64 `json:"before,omitempty"`
	Until  *int64 `json:"until,omitempty"`
}

func (e Entry) value() []byte {
	var v value
	for _, at := range []struct {
		time time.Time
		into **int64
	}{{e.Before, &v.Before}, {e.Until, &v.Until}} {
		if !at.time.IsZero() {
			*at.into = new(ceil(at.time))
		}
	}
	b, _ := json.Marshal(v) // numbers alone
	return b
}

// ceil is the first whole second that is not before t.
func ceil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// forever stands for a time that does not come.
var forever = time.Unix(math.MaxInt32*100, 0)

// parse reads what was stored under a key at a time. What is not understood revokes more rather than less: then the entry is returned
// together with the error. No entry is returned for a key that can be no token's.
func parse(key string, text []byte, stored time.Time) (e Entry, ok bool, err error) {
	kind := key[:min(len(ofID), len(key))]
	name, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(key, kind))
	if err != nil || len(name) == 0 || kind != ofID && kind != ofSubject {
		return e, false, fmt.Errorf("key %q: want jti. or sub. and the text in base64url, without padding", key)
	}
	var v value
	if len(text) > 0 {
		if err = json.Unmarshal(text, &v); err != nil {
			err = fmt.Errorf("key %q: its value is not understood, so the entry counts for every token, and for ever: %w", key, err)
			v = value{Before: new(forever.Unix())}
		}
	}
	if v.Until != nil {
		e.Until = time.Unix(*v.Until, 0)
	}
	if kind == ofID {
		e.ID = string(name)
		return e, true, err
	}
	e.Subject, e.Before = string(name), time.Unix(stored.Unix()+1, 0)
	if v.Before != nil {
		e.Before = time.Unix(*v.Before, 0)
	}
	return e, true, err
}

// over says whether the entry counts no more.
func (e Entry) over(now time.Time) bool { return !e.Until.IsZero() && !now.Before(e.Until) }
