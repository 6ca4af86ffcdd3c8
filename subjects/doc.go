// Package subjects names events: it turns a resource, a type and an id into one
// NATS subject and back, and says which subjects a subscription covers.
//
// A subject has exactly four tokens:
//
//	live.<resource>.<type>.<id>
//
// In a token the letters, digits, "-" and "_" of ASCII stand for themselves and
// every other byte of the UTF-8 text is written %XX in upper-case hexadecimal.
// So no text can add a token (".") or a wildcard ("*", ">") to a subject, and
// one text has exactly one token. The empty id means "no particular record" and
// is the token "_"; the literal text "_" is "%5F".
//
// A [Name] is one subject, a [Filter] is what a subscriber asks for, and a [Set]
// is the compiled filter: patterns for NATS and a matcher for everything else.
package subjects

const (
	// Root is the first token of every subject.
	Root = "live"

	// All is the NATS pattern of every subject.
	All = "live.*.*.*"

	// MaxLen is the greatest length of a subject, in bytes after escaping. NATS
	// itself reads protocol lines of 4,096 bytes by default.
	MaxLen = 1000

	// MaxPatterns is the greatest number of patterns that a [Set] gives to NATS;
	// a consumer with more filters than that is slow to create and to read.
	MaxPatterns = 64
)

// Wildcard as a resource or a type of a [Filter] stands for all of them. It is
// also the NATS wildcard for one token.
const Wildcard = "*"
