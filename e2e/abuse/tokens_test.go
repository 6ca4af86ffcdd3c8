package abuse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// refused connects with each token and is refused.
func refused(a *attack, list ...string) answer {
	return all(a, list, func(token string) answer { return a.shake().text(connect(token)).outcome() })
}

// bearer is the header with a token.
func bearer(token string) string { return "Authorization: Bearer " + token }

// changed are tokens with one claim changed each; the key signs all of them.
func (k *keys) changed(claim string, values ...any) (list []string) {
	for _, v := range values {
		list = append(list, k.token(fields{claim: v}))
	}
	return list
}

// headed are tokens with the header changed.
func (k *keys) headed(changes ...fields) (list []string) {
	for _, c := range changes {
		list = append(list, k.mint(k.header(c), claims(nil)))
	}
	return list
}

// ticket asks for a ticket, which the bridge must not show again.
func (a *attack) ticket(token string) string {
	w := a.dial().say(head(a.on.addr, "POST", "/v1/ticket", "", bearer(token)))
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil || resp.StatusCode != ok {
		a.fail("ticket: %v %v", resp, err)
	}
	var body struct{ Ticket string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Ticket == "" {
		a.fail("ticket: %v", err)
	}
	return a.on.secret(body.Ticket)
}

// refusedToken are the metrics of n refused connects.
func refusedToken(n int) []string {
	return []string{fmt.Sprintf(`client_errors_total{code="unauthorized"} %d`, n), fmt.Sprintf(`closes_total{code="4401"} %d`, n)}
}

var tokens = group{
	title: "Tokens",
	text: "Whoever has no good token is told `unauthorized` and no more; why is in the log, without the token. " +
		"Unless a row says otherwise, each token is handed in as `connect` of a WebSocket of its own.",
	rows: []row{
		{on: "secret", name: "no token", do: func(a *attack) answer { return refused(a, "") }, status: 101, code: "unauthorized", close: "4401",
			metric: refusedToken(1)},
		{on: "secret", name: "garbage: words, empty parts, 5,000 dots, base64 of nothing, a JSON object, a token with a line break in it",
			do: func(a *attack) answer {
				good := a.on.keys.token(nil)
				return refused(a, "x", "..", "a.b.c", strings.Repeat(".", 5000), "e30.e30.e30", `{"alg":"none"}`, good[:20]+"\n"+good[20:], good+"\r\n")
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(8)},
		{on: "secret", name: "forged: signed with another secret, rights changed after signing, signature left out, cut, or of another token",
			do: func(a *attack) answer {
				k := a.on.keys
				other := newKeys(a.t, "HS256")
				other.b = a.on
				good := strings.Split(k.token(nil), ".")
				more := segment(claims(fields{"live": fields{"subscribe": []string{">"}}}))
				return refused(a, other.token(nil), good[0]+"."+more+"."+good[2], good[0]+"."+good[1]+".", strings.Join(good, ".")[:len(strings.Join(good, "."))-2],
					good[0]+"."+good[1]+"."+strings.Split(k.token(fields{"sub": "bob"}), ".")[2])
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(5)},
		{on: "secret", name: "`alg` none, None, nOnE, empty, missing, a number; with and without a signature",
			do: func(a *attack) answer {
				k := a.on.keys
				list := k.headed(fields{"alg": "none"}, fields{"alg": "None"}, fields{"alg": "nOnE"}, fields{"alg": ""}, fields{"alg": nil}, fields{"alg": 256})
				signed := strings.Split(k.token(nil), ".")
				return refused(a, append(list, segment(fields{"alg": "none"})+"."+signed[1]+"."+signed[2])...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(7)},
		{on: "secret", name: "another algorithm: HS512 with the right secret, RS256 and ES256 with keys of the attacker's",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.headed(fields{"alg": "HS512"}, fields{"alg": "RS256"}, fields{"alg": "ES256"})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(3)},
		{on: "key", name: "HS256 signed with the public key as the secret: as in its file, without its last line break, and as DER",
			do: func(a *attack) answer {
				k := a.on.keys
				pem := k.public()
				var list []string
				for _, secret := range [][]byte{pem, pem[:len(pem)-1], der(pem)} {
					k.secret = secret
					list = append(list, k.headed(fields{"alg": "HS256"})...)
				}
				return refused(a, list...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(3)},
		{on: "key", name: "the token brings its own key (`jwk`, `x5c`), or says where it is (`jku`, `x5u`): nothing is fetched",
			do: func(a *attack) answer {
				evil := newKeys(a.t, "RS256")
				evil.b = a.on
				set := newKeySet(a.t, jwk("evil", &evil.rsa.PublicKey))
				got := refused(a, evil.headed(fields{"jwk": jwk("evil", &evil.rsa.PublicKey)}, fields{"x5c": []string{"MIIB"}},
					fields{"jku": set.URL, "kid": "evil"}, fields{"x5u": set.URL, "kid": "evil"})...)
				if n := set.times(); n != 0 {
					a.fail("the bridge asked the attacker's server %d times", n)
				}
				return got
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(4)},
		{on: "key", name: "signed with another RSA key, and with an EC key",
			do: func(a *attack) answer {
				evil := newKeys(a.t, "RS256")
				evil.b = a.on
				return refused(a, append(evil.headed(fields{"alg": "ES256"}), evil.token(nil))...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "expired: an hour, 2 s and no time ago",
			do: func(a *attack) answer {
				now := time.Now().Unix()
				return refused(a, a.on.keys.changed("exp", now-3600, now-2, now)...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(3)},
		{on: "secret", name: "`exp` missing, null, 0, negative, text, 1e300",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.changed("exp", nil, json.RawMessage("null"), 0, -1, "9999999999", json.RawMessage("1e300"))...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(6)},
		{on: "secret", name: "not valid yet (`nbf` in a minute), or `nbf` as text",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.changed("nbf", time.Now().Add(time.Minute).Unix(), "now")...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "wrong `iss`: another, missing, with a slash at the end, a list",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.changed("iss", "https://evil.example", nil, issuer+"/", []string{issuer})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(4)},
		{on: "secret", name: "wrong `aud`: another, missing, one that begins the same, a list without it",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.changed("aud", "shop", nil, audience+"2", []string{"shop", "Livebridge"})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(4)},
		{on: "secret", name: "`crit` with an extension nobody knows, and empty",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.headed(fields{"crit": []string{"b64"}, "b64": false}, fields{"crit": []string{}})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "a token of another kind by `typ`: logout+jwt, secevent+jwt, dpop+jwt, a number",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.headed(fields{"typ": "logout+jwt"}, fields{"typ": "secevent+jwt"}, fields{"typ": "dpop+jwt"}, fields{"typ": 7})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(4)},
		{on: "secret", name: "the claim `live` missing, null, text, with an unknown field, with a pattern that is none, with `history` below zero",
			do: func(a *attack) answer {
				raw := func(text string) json.RawMessage { return json.RawMessage(text) }
				return refused(a, a.on.keys.changed("live", nil, raw("null"), "all", raw(`{"subscribe":[">"],"admin":true}`), raw(`{"subscribe":["products"]}`),
					raw(`{"subscribe":["products.>.x"]}`), raw(`{"subscribe":["a b.*.*"]}`), raw(`{"publish":{"allow":[">"],"except":["x.>"]}}`), raw(`{"subscribe":[">"],"history":"-1h"}`))...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(9)},
		{on: "secret", name: "claims that are there twice: `exp`, `sub`, `live`, `allow` inside of it",
			do: func(a *attack) answer {
				k := a.on.keys
				b, _ := json.Marshal(claims(nil))
				body := string(b[:len(b)-1])
				var list []string
				for _, more := range []string{`,"exp":9999999999}`, `,"sub":"admin"}`, `,"live":{"subscribe":[">"]}}`} {
					list = append(list, k.sign(k.header(nil), encode(body+more)))
				}
				twice := strings.Replace(string(b), `"allow":`, `"allow":[">"],"allow":`, 1)
				return refused(a, append(list, k.sign(k.header(nil), encode(twice)))...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(4)},
		{on: "secret", name: "`sub` with a line break and an escape sequence for terminals; of 300 bytes: the log keeps to one line",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.changed("sub", "eve\n{\"level\":\"ERROR\"}\x1b[31m", strings.Repeat("e", 300))...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "tokens of 9 and 60 KiB, well signed",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.changed("more", strings.Repeat("x", 7<<10), strings.Repeat("x", 45<<10))...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "the token in the URL instead, as `token`, `access_token` or `ticket`: it does not count, and is in no log",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return all(a, []string{"token", "access_token", "ticket", "Authorization"}, func(name string) answer {
					return a.request("GET", "/v1/sse?resource=products&"+name+"="+token, "").answer()
				})
			}, status: 401, code: "unauthorized", metric: []string{`client_errors_total{code="unauthorized"} 4`}},
		{on: "secret", name: "every way in over HTTP without a token, with a bad one, and with another scheme",
			do: func(a *attack) answer {
				token := a.on.keys.token(nil)
				return all(a, []string{"", bearer("e30.e30.e30"), "Authorization: Basic YWxpY2U6YWxpY2U=", "Authorization: " + token, "Authorization: Token " + token, "Cookie: token=" + token}, func(h string) answer {
					return all(a, []string{"GET /v1/sse?resource=products", "GET /v1/events?resource=products", "POST /v1/events", "POST /v1/ticket"}, func(what string) answer {
						method, target, _ := strings.Cut(what, " ")
						r := a.request(method, target, "", append([]string{"X: y"}, h)[:1+min(1, len(h))]...)
						if r.header.Get("WWW-Authenticate") != "Bearer" {
							a.fail("%s: WWW-Authenticate %q", what, r.header.Get("WWW-Authenticate"))
						}
						return r.answer()
					})
				})
			}, status: 401, code: "unauthorized", metric: []string{`client_errors_total{code="unauthorized"} 24`}},
		{on: "keyset", name: "a `kid` that is missing, a number, a path, SQL, with a NUL, of 5 KB, or `constructor`: looked up in the set and nowhere else",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.headed(fields{"kid": nil}, fields{"kid": 1}, fields{"kid": "../../../etc/passwd"}, fields{"kid": "' OR 1=1 --"}, fields{"kid": "one\x00"},
					fields{"kid": strings.Repeat("k", 5000)}, fields{"kid": "constructor"}, fields{"kid": "http://127.0.0.1/one"})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(8)},
		{on: "keyset", name: "a key of the set with an algorithm that is not its: ES256 by the RSA key's `kid`, RS256 by the EC key's, HS256 by both",
			do: func(a *attack) answer {
				return refused(a, a.on.keys.headed(fields{"alg": "ES256"}, fields{"kid": "ec"}, fields{"alg": "HS256"}, fields{"alg": "HS256", "kid": "ec"})...)
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(4)},
		{on: "keyset", name: "ES256 with a signature of zeros, and one in DER",
			do: func(a *attack) answer {
				k := a.on.keys
				text := segment(k.header(fields{"alg": "ES256", "kid": "ec"})) + "." + segment(claims(nil))
				return refused(a, text+"."+encode(string(make([]byte, 64))), text+"."+encode("0\x06\x02\x01\x01\x02\x01\x01"))
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "keyset", name: "a flood of 1,000 tokens with unknown key ids: at most one fetch of the key set in 10 s",
			do: func(a *attack) answer {
				k := a.on.keys
				before := k.set.times()
				w := a.dial()
				var got answer
				for i := range 1000 {
					token := k.mint(k.header(fields{"kid": fmt.Sprintf("flood-%d", i)}), claims(nil))
					if got = w.say(head(a.on.addr, "GET", "/v1/events?resource=products", "", bearer(token))).hear().answer(); got.status != http.StatusUnauthorized {
						a.fail("%+v", got)
					}
				}
				if n := k.set.times() - before; n > 1 {
					a.fail("the key set was fetched %d times", n)
				}
				return got
			}, status: 401, code: "unauthorized", metric: []string{`client_errors_total{code="unauthorized"} 1000`}},
		{on: "keyset", name: "rotation: a new key is found within 10 s, also while unknown key ids come in",
			do: func(a *attack) answer {
				k := a.on.keys
				k.set.set(jwk("one", &k.rsa.PublicKey), ecJWK("ec", &k.ec.PublicKey), jwk("two", &k.rsa.PublicKey))
				good := k.mint(k.header(fields{"kid": "two"}), claims(nil))
				noise := k.mint(k.header(fields{"kid": "noise"}), claims(nil))
				k.set.due()
				if r := a.request("GET", "/v1/events?resource=products", "", bearer(noise)); r.status != http.StatusUnauthorized {
					a.fail("%d %s", r.status, r.body)
				}
				return a.request("GET", "/v1/events?resource=products", "", bearer(good)).answer()
			}, status: 200, metric: []string{`client_errors_total{code="unauthorized"} 1`}},
		{on: "keyset", name: "the key set's address answers with a redirect to another server: it is not followed, and the keys that were fetched before stay",
			do: func(a *attack) answer {
				k := a.on.keys
				asked := 0
				elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
				defer elsewhere.Close()
				k.set.redirect(elsewhere.URL)
				noise := k.mint(k.header(fields{"kid": "noise"}), claims(nil))
				k.set.due()
				a.request("GET", "/v1/events?resource=products", "", bearer(noise))
				if asked != 0 {
					a.fail("the redirect was followed")
				}
				return a.request("GET", "/v1/events?resource=products", "", bearer(k.token(nil))).answer()
			}, status: 200, metric: []string{`client_errors_total{code="unauthorized"} 1`}},
		{on: "secret", name: "a token that expires on an open WebSocket: closed within a second, and nothing comes after",
			do: func(a *attack) answer {
				w := a.open(a.on.keys.token(fields{"exp": time.Now().Add(time.Second).Unix() + 1}))
				w.text(`{"op":"subscribe","sub":"a","resource":"products"}`).until("live")
				events, got := w.gone()
				if len(events) > 0 {
					a.fail("%d events", len(events))
				}
				return got
			}, status: 101, close: "4401", metric: []string{`closes_total{code="4401"} 1`}},
		{on: "secret", name: "a token that expires on an open stream of SSE: the event `error`, then the end",
			do: func(a *attack) answer {
				w := a.dial().say(head(a.on.addr, "GET", "/v1/sse?resource=products", "", bearer(a.on.keys.token(fields{"exp": time.Now().Unix() + 1}))))
				got := w.hear().answer()
				var body strings.Builder
				if _, err := w.in.WriteTo(&body); err != nil || !strings.Contains(body.String(), "event: error\ndata: {\"error\":{\"code\":\"unauthorized\"") {
					a.fail("%v %q", err, body.String())
				}
				got.code = "unauthorized"
				return got
			}, status: 200, code: "unauthorized", metric: []string{`closes_total{code="4401"} 1`}},
		{on: "secret", name: "a fresh token with fewer rights ends what it does not cover: `forbidden`, `unsubscribed`, and no event after",
			do: func(a *attack) answer {
				w := a.open(a.on.keys.token(nil))
				w.text(`{"op":"subscribe","sub":"p","resource":"products"}`).until("live")
				w.text(`{"op":"subscribe","sub":"o","resource":"orders","ids":["1"]}`).until("live")
				w.text(`{"op":"token","token":` + quote(a.on.keys.token(fields{"live": fields{"subscribe": []string{"orders.*.1"}}})) + `}`).until("connected")
				a.publish("live.products.updated.1", "{}")
				a.publish("live.orders.updated.1", "{}")
				got := answer{status: 101, close: "none"}
				if s := w.until("error"); s.Sub != "p" {
					a.fail("%+v", s)
				} else {
					got.adds(s.Code)
				}
				w.until("unsubscribed")
				if s := w.until("event"); s.Resource != "orders" {
					a.fail("%+v", s)
				}
				return got
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 1`}},
		{on: "secret", name: "a fresh token of another user, and of nobody: the connection keeps the one it has",
			do: func(a *attack) answer {
				return all(a, a.on.keys.changed("sub", "bob", nil, "", "ALICE"), func(token string) answer {
					w := a.open(a.on.keys.token(nil))
					got := w.text(`{"op":"token","token":` + quote(token) + `}`).outcome()
					w.text(`{"op":"subscribe","sub":"p","resource":"products"}`).until("live")
					return got
				})
			}, status: 101, code: "forbidden", close: "none", metric: []string{`client_errors_total{code="forbidden"} 4`}},
		{on: "secret", name: "a fresh token that is forged or expired",
			do: func(a *attack) answer {
				return all(a, []string{a.on.keys.token(fields{"exp": time.Now().Unix() - 60}), "e30.e30.e30"}, func(token string) answer {
					return a.open(a.on.keys.token(nil)).text(`{"op":"token","token":` + quote(token) + `}`).outcome()
				})
			}, status: 101, code: "unauthorized", close: "4401", metric: refusedToken(2)},
		{on: "secret", name: "a ticket used a second time, while its stream is open and after",
			do: func(a *attack) answer {
				target := "/v1/sse?resource=products&ticket=" + a.ticket(a.on.keys.token(nil))
				if r := a.request("GET", target, ""); r.status != ok {
					a.fail("the first use: %d", r.status)
				}
				return all(a, []string{target, target}, func(target string) answer { return a.request("GET", target, "").answer() })
			}, status: 401, code: "unauthorized", metric: []string{`client_errors_total{code="unauthorized"} 2`}},
		{on: "secret", name: "a ticket used by 20 at the same moment: one gets the stream, 19 do not",
			do: func(a *attack) answer {
				target := "/v1/sse?resource=products&ticket=" + a.ticket(a.on.keys.token(nil))
				var ways []*wire
				for range 20 {
					ways = append(ways, a.dial())
				}
				var mu sync.Mutex
				var wg sync.WaitGroup
				count := map[answer]int{}
				for _, w := range ways {
					wg.Go(func() {
						got := w.say(head(a.on.addr, "GET", target, "")).hear().answer()
						mu.Lock()
						defer mu.Unlock()
						count[got]++
					})
				}
				wg.Wait()
				if count[answer{status: ok}] != 1 || count[answer{status: 401, code: "unauthorized"}] != 19 {
					a.fail("%v", count)
				}
				return answer{status: 401, code: "unauthorized"}
			}, status: 401, code: "unauthorized", metric: []string{`client_errors_total{code="unauthorized"} 19`}},
		{on: "secret", name: "a ticket too late (its token has expired), made up, empty, and for anything but SSE",
			do: func(a *attack) answer {
				late := a.ticket(a.on.keys.token(fields{"exp": time.Now().Unix() + 1}))
				good := a.ticket(a.on.keys.token(nil))
				time.Sleep(time.Until(time.Unix(time.Now().Unix()+1, 0))) // what is to be waited for is the time itself
				return all(a, []string{"/v1/sse?ticket=" + late, "/v1/sse?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/v1/sse?ticket=", "/v1/events?resource=products&ticket=" + good,
					"/v1/sse?ticket=" + strings.ToLower(good)}, func(target string) answer { return a.request("GET", target, "").answer() })
			}, status: 401, code: "unauthorized", metric: []string{`client_errors_total{code="unauthorized"} 5`}},
	},
}
