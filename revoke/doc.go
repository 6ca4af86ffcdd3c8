// Package revoke is the list of tokens that do not count any more, though they have not expired: a bucket of NATS's key-value store, to
// which a logout writes, and which every bridge holds in memory as a [List].
//
// What the bucket holds is open to every language:
//
//	key                        value                                    means
//	jti.<base64url of jti>     {} or {"until":1795626000}               the token with this jti
//	sub.<base64url of sub>     {} or {"before":1795622400,"until":…}    the tokens of this sub that were issued before a second
//
// Base64url is that of RFC 4648, section 5, without padding. Times are seconds since 1970. Without before, it is the second after that in
// which NATS stored the entry. After until the entry counts no more; the header Nats-TTL removes it from the bucket as well.
package revoke
