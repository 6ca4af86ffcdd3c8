package abuse

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// revoke puts an entry into the list of revoked tokens, as a backend does at a logout, and waits until the bridge has it.
func (a *attack) revoke(kind, text, body string) {
	a.t.Helper()
	before := a.on.samples()["revocations"]
	a.publish("$KV.LIVE_REVOKED."+kind+"."+encode(text), body)
	a.on.eventually("the bridge has the entry", func() error {
		if n := a.on.samples()["revocations"]; n <= before {
			return fmt.Errorf("it has %v", n)
		}
		return nil
	})
}

// A revocable token is one that two kinds of entries can be about.
type revocable struct{ kind, text, token string }

// revocables are a token to be revoked by its jti, and one by its sub; each row has its own users.
func (a *attack) revocables(user string) []revocable {
	now := time.Now().Unix()
	return []revocable{
		{"jti", user + "-1", a.on.keys.token(fields{"sub": user + "-one", "jti": user + "-1", "iat": now})},
		{"sub", user, a.on.keys.token(fields{"sub": user, "jti": user + "-2", "iat": now})},
	}
}

// nextSecond waits until tokens are issued in another second than now.
func nextSecond() {
	time.Sleep(time.Until(time.Unix(time.Now().Unix()+1, 0))) // what is waited for is the time itself
}

// keyFile puts another secret in the place of the bridge's, and waits until the log says so.
func (a *attack) keyFile(content string, mode os.FileMode, says string) {
	a.t.Helper()
	path := a.on.secretFile + ".new"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		a.fail("%v", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		a.fail("%v", err)
	}
	if err := os.Rename(path, a.on.secretFile); err != nil {
		a.fail("%v", err)
	}
	a.on.eventually(says, func() error {
		if a.on.lineWith(says) == "" {
			return fmt.Errorf("it is not in the log")
		}
		return nil
	})
}

// wantOpen connects with a token, which has to count.
func (a *attack) wantOpen(token string) answer {
	a.t.Helper()
	return a.open(token).outcome()
}

// endedByRevocation are the metrics of n connections that a revocation ends.
func endedByRevocation(n int) []string {
	return []string{closed("4401", n), fmt.Sprintf("revoked_connections_total %d", n)}
}

var revoked = group{
	title: "Revocation and rotation",
	text:  "Tokens that were good, and count no more: revoked by `jti` or by `sub`, expired in the middle of something, or of a secret that is gone.",
	rows: []row{
		{on: "secret", name: "revoked by `jti`, and by `sub`, while a WebSocket is open: closed, and no event comes after",
			do: func(a *attack) answer {
				return all(a, a.revocables("ann"), func(r revocable) answer {
					w := a.open(r.token)
					w.text(subscribe(`"resource":"products"`)).until("live")
					a.revoke(r.kind, r.text, "")
					events, got := w.gone()
					if len(events) > 0 {
						a.fail("%d events", len(events))
					}
					return got
				})
			}, status: 101, code: "unauthorized", close: "4401", metric: endedByRevocation(2)},
		{on: "secret", name: "a revoked token in `connect`",
			do: func(a *attack) answer {
				return all(a, a.revocables("ben"), func(r revocable) answer {
					a.revoke(r.kind, r.text, "{}")
					return refused(a, r.token)
				})
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "a fresh token on an open connection that is revoked itself: the connection is closed",
			do: func(a *attack) answer {
				fresh := a.on.keys.token(fields{"sub": "cat", "jti": "cat-2"})
				w := a.open(a.on.keys.token(fields{"sub": "cat", "jti": "cat-1"}))
				a.revoke("jti", "cat-2", "")
				return w.text(`{"op":"token","token":` + quote(fresh) + `}`).outcome()
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(1)},
		{on: "secret", name: "revoked while a stream of SSE is open: the event `error`, then the end",
			do: func(a *attack) answer {
				return all(a, a.revocables("dan"), func(r revocable) answer {
					w := a.dial().say(head(a.on.addr, "GET", "/v1/sse?resource=products", "", bearer(r.token)))
					got := w.hear().answer()
					a.revoke(r.kind, r.text, "")
					body, err := io.ReadAll(w.in)
					if err != nil || !strings.Contains(string(body), "event: error\ndata: {\"error\":{\"code\":\"unauthorized\"") {
						a.fail("%v %q", err, body)
					}
					got.code = "unauthorized"
					return got
				})
			}, status: 200, code: "unauthorized", metric: endedByRevocation(2)},
		{on: "secret", name: "a revoked token in every request over HTTP: nothing is read, stored or given for it",
			do: func(a *attack) answer {
				return all(a, a.revocables("eli"), func(r revocable) answer {
					a.revoke(r.kind, r.text, "")
					return a.storesNothing(func() answer {
						return all(a, []string{"GET /v1/sse?resource=products", "GET /v1/events?resource=products", "POST /v1/events", "POST /v1/ticket"}, func(what string) answer {
							method, target, _ := strings.Cut(what, " ")
							return a.request(method, target, event, bearer(r.token), "Content-Type: application/json").answer()
						})
					})
				})
			}, status: 401, code: "unauthorized", metric: []string{told("unauthorized", 8)}},
		{on: "secret", name: "a ticket that was given before its token was revoked, and is not used yet",
			do: func(a *attack) answer {
				return all(a, a.revocables("fay"), func(r revocable) answer {
					ticket := a.ticket(r.token)
					w := a.open(r.token)
					a.revoke(r.kind, r.text, "")
					w.gone()
					return a.request("GET", "/v1/sse?resource=products&ticket="+ticket, "").answer()
				})
			}, status: 401, code: "unauthorized", metric: append([]string{told("unauthorized", 2)}, endedByRevocation(2)...)},
		{on: "secret", name: "garbage in the list of revoked tokens as the value: cut JSON, a list, text, a date that is none, bytes: it revokes every token of that `sub`, also those that are issued later",
			do: func(a *attack) answer {
				garbage := []string{"{", "[]", `"all"`, `{"before":"yesterday"}`, `{"before":1e300}`, `{"until":-1`, "\x00\xff"}
				for i, body := range garbage {
					a.revoke("sub", fmt.Sprintf("gus%d", i), body)
				}
				nextSecond()
				now := time.Now().Unix()
				var list []string
				for i := range garbage {
					list = append(list, a.on.keys.token(fields{"sub": fmt.Sprintf("gus%d", i), "iat": now}))
				}
				return refused(a, list...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(7)},
		{on: "secret", name: "garbage in the list of revoked tokens as the key: no kind, another kind, no base64url, padding, one too long: logged, and nobody's; a value over 1 kB is refused by NATS",
			do: func(a *attack) answer {
				before := a.on.samples()["revocations"]
				for _, key := range []string{"alice", "user." + encode("alice"), "jti", "jti.!", "sub." + encode("alice") + "=", "sub.a.b", "sub." + strings.Repeat("A", 500) + "B"} {
					a.publish("$KV.LIVE_REVOKED."+key, "")
				}
				if m, err := a.on.nc.Request("$KV.LIVE_REVOKED.sub."+encode("alice"), make([]byte, 2<<10), patience); err != nil || !strings.Contains(string(m.Data), "error") {
					a.fail("a value of 2 kB: %v %s", err, m.Data)
				}
				a.revoke("jti", "hal", "")
				if n := a.on.samples()["revocations"]; n != before+1 {
					a.fail("%v entries, before it were %v", n, before)
				}
				return a.wantOpen(a.on.keys.token(nil))
			}, status: 101, close: "none"},
		{on: "secret", name: "whoever was revoked by `sub` logs in again, a second later: the new token counts, the old one does not",
			do: func(a *attack) answer {
				old := a.on.keys.token(fields{"sub": "ida", "iat": time.Now().Unix()})
				a.revoke("sub", "ida", "")
				refused(a, old)
				nextSecond()
				got := a.wantOpen(a.on.keys.token(fields{"sub": "ida", "iat": time.Now().Unix()}))
				refused(a, old, a.on.keys.token(fields{"sub": "ida"}))
				return got
			}, status: 101, close: "none", metric: refusedToken(3)},
		{on: "secret", name: "a ticket used at another bridge of the same stream: refused there, and still good here",
			do: func(a *attack) answer {
				k := a.on.keys
				target := "/v1/sse?resource=products&ticket=" + a.ticket(k.token(nil))
				other := a.on.also("--jwt-secret-file", file(a.t, "jwt.secret", k.secret))
				there := &attack{t: a.t, on: other}
				defer there.leave()
				got := there.request("GET", target, "").answer()
				if r := a.request("GET", target, ""); r.status != ok {
					a.fail("here: %d %s", r.status, r.body)
				}
				return got
			}, status: 401, code: "unauthorized"},
		{on: "secret", name: "a fresh token that expires in the middle of a replay which its client does not take: the replay ends with it, and never comes to `live`",
			do: func(a *attack) answer {
				const n = 100
				for i := range n {
					a.publish(fmt.Sprintf("live.products.updated.big-%d", i), quote(strings.Repeat("x", 60000)))
				}
				a.known()
				w := a.open(a.on.keys.token(nil)).narrow()
				w.deaf = true
				before := a.on.samples()[`closes_total{code="4401"}`]
				w.text(subscribe(`"resource":"products","last":` + fmt.Sprint(n)))
				w.text(`{"op":"token","token":` + quote(a.on.keys.token(fields{"exp": time.Now().Unix() + 2})) + `}`)
				a.on.eventually("the token has expired", func() error {
					if a.on.samples()[`closes_total{code="4401"}`] == before {
						return fmt.Errorf("the connection is open")
					}
					return nil
				})
				events, got := w.gone()
				if len(events) >= n {
					a.fail("all %d events came", len(events))
				}
				return got
			}, status: 101, close: "4401", metric: []string{closed("4401", 1)}},
		{on: "secret", name: "the secret is replaced while the bridge runs: a token of the old one is refused from then on, by whatever way; one of the new one counts",
			do: func(a *attack) answer {
				k, fresh := a.on.keys, newKeys(a.t, "HS256")
				old := k.token(nil)
				a.wantOpen(old)
				a.keyFile(a.on.secret(string(fresh.secret)), 0o600, "the key file has changed")
				k.secret = fresh.secret
				a.wantOpen(k.token(nil))
				if r := a.request("GET", "/v1/events?resource=products", "", bearer(old)); r.status != http.StatusUnauthorized {
					a.fail("history: %d", r.status)
				}
				return refused(a, old)
			}, status: 101, code: "unauthorized", close: "4401", metric: []string{told("unauthorized", 2), closed("4401", 1)}},
		{on: "secret", name: "the secret is replaced by one of 31 bytes, by one that everybody may read, by nothing: logged as an error, and the one before counts on",
			do: func(a *attack) answer {
				k := a.on.keys
				short := *k
				short.secret = []byte(strings.Repeat("s", 31))
				a.keyFile(string(short.secret), 0o600, "31 bytes")
				got := refused(a, short.token(nil))
				a.wantOpen(k.token(nil))
				a.keyFile(string(newKeys(a.t, "HS256").secret), 0o644, "mode 0644")
				a.wantOpen(k.token(nil))
				a.keyFile("", 0o600, "give exactly one of a secret")
				a.wantOpen(k.token(nil))
				a.keyFile(string(k.secret), 0o600, "holds again what it held before")
				return got
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(1)},
	},
}
