package auth

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/livebridge/livebridge/subjects"
)

func TestClaim(t *testing.T) {
	const unlimited = time.Duration(-1)
	for _, c := range []struct {
		claim     string
		subscribe bool // to products
		publish   bool // products.updated.1
		history   time.Duration
	}{
		{`{}`, false, false, unlimited},
		{`{"subscribe":[]}`, false, false, unlimited},
		{`{"subscribe":{}}`, false, false, unlimited},
		{`{"subscribe":null,"publish":null}`, false, false, unlimited},
		{`{"subscribe":{"allow":null,"deny":null}}`, false, false, unlimited},
		{`{"subscribe":{"deny":["products.>"]}}`, false, false, unlimited},
		{`{"subscribe":["products.>"]}`, true, false, unlimited},
		{` { "subscribe" : [ "products.>" ] } `, true, false, unlimited},
		{`{"subscribe":{"allow":["products.>"]}}`, true, false, unlimited},
		{`{"subscribe":{"allow":["products.>"],"deny":null}}`, true, false, unlimited},
		{`{"subscribe":{"allow":["products.>"],"deny":["products.>"]}}`, false, false, unlimited},
		{`{"publish":["products.>"]}`, false, true, unlimited},
		{`{"publish":{"allow":["products.>"],"deny":["products.*.2"]}}`, false, true, unlimited},
		{`{"publish":{"allow":["products.>"],"deny":["products.*.1"]}}`, false, false, unlimited},
		{`{"subscribe":["a.>","products.>"],"publish":["products.>"],"history":"24h"}`, true, true, 24 * time.Hour},
		{`{"subs\u0063ribe":["\u0070roducts.>"]}`, true, false, unlimited},
		{`{"history":"0"}`, false, false, 0},
		{`{"history":"0s"}`, false, false, 0},
		{`{"history":"0d"}`, false, false, 0},
		{`{"history":"15m"}`, false, false, 15 * time.Minute},
		{`{"history":"1h30m"}`, false, false, 90 * time.Minute},
		{`{"history":"7d"}`, false, false, 7 * 24 * time.Hour},
		{`{"history":"65535d"}`, false, false, 65535 * 24 * time.Hour},
	} {
		g := &Grant{History: unlimited}
		if err := g.parseClaim(json.RawMessage(c.claim)); err != nil {
			t.Errorf("%s: %v", c.claim, err)
			continue
		}
		may := g.MaySubscribe(subjects.Filter{Resource: "products"})
		publish := g.MayPublish(subjects.Name{Resource: "products", Type: "updated", ID: "1"})
		if may != c.subscribe || publish != c.publish || g.History != c.history {
			t.Errorf("%s: subscribe %v, publish %v, history %v", c.claim, may, publish, g.History)
		}
	}
}

func TestClaimIsRefusedAsAWhole(t *testing.T) {
	for claim, why := range map[string]string{
		``:                             "missing",
		`null`:                         "not a JSON object",
		`true`:                         "not a JSON object",
		`"products.>"`:                 "not a JSON object",
		`["products.>"]`:               "not a JSON object",
		`{"subscribe":true}`:           "not a list of patterns",
		`{"subscribe":"products.>"}`:   "not a list of patterns",
		`{"subscribe":7}`:              "not a list of patterns",
		`{"subscribe":[7]}`:            "not a list of patterns",
		`{"subscribe":[["a.>"]]}`:      "not a list of patterns",
		`{"subscribe":[null]}`:         "pattern",
		`{"subscribe":[""]}`:           "pattern",
		`{"subscribe":["products"]}`:   "pattern",
		`{"subscribe":["a.>","b"]}`:    "pattern",
		`{"subscribe":["a.b.\ud800"]}`: "pattern",
		`{"subscribe":["a.b.\u0000"]}`: "pattern",
		`{"publish":{"allow":"a.>"}}`:  "not a list of patterns",
		`{"publish":{"allow":["a.>"],"deny":["b"]}}`:             "pattern",
		`{"publish":{"allow":["a.>"],"deny":{}}}`:                "not a list of patterns",
		`{"publish":{"Allow":["a.>"]}}`:                          "not known",
		`{"publish":{"allow":["a.>"],"denies":[]}}`:              "not known",
		`{"publish":{"allow":["a.>"],"allow":["b.>"]}}`:          "twice",
		`{"publish":{"allow":["a.>"],"deny":["b.>"],"deny":[]}}`: "twice",
		`{"subscribe":["a.>"],"subscribe":[]}`:                   "twice",
		`{"subscribe":["a.>"],"subscr\u0069be":["b.>"]}`:         "twice",
		`{"Subscribe":["a.>"]}`:                                  "not known",
		`{"ſubscribe":["a.>"]}`:                                  "not known", // folds to an s
		`{"subscribe":["a.>"],"admin":true}`:                     "not known",
		`{"subscribe":["a.>"],"":1}`:                             "not known",
		`{"` + strings.Repeat("x", 5000) + `":1}`:                "not known",
		`{"history":null}`:                                       "duration",
		`{"history":24}`:                                         "duration",
		`{"history":""}`:                                         "duration",
		`{"history":"d"}`:                                        "duration",
		`{"history":"24"}`:                                       "duration",
		`{"history":"-1h"}`:                                      "duration",
		`{"history":"-7d"}`:                                      "duration",
		`{"history":"+7d"}`:                                      "duration",
		`{"history":"1.5d"}`:                                     "duration",
		`{"history":"7 d"}`:                                      "duration",
		`{"history":"65536d"}`:                                   "duration",
		`{"history":"9999999h"}`:                                 "duration",
		`{"history":"forever"}`:                                  "duration",
	} {
		err := new(Grant).parseClaim(json.RawMessage(claim))
		if err == nil || !strings.Contains(err.Error(), why) || len(err.Error()) > 250 {
			t.Errorf("%.80s: %v, want it to say %q", claim, err, why)
		}
	}
}

func TestClaimsAreTakenAsWritten(t *testing.T) {
	var c claims
	err := json.Unmarshal([]byte(`{"iss":"i","sub":"s","aud":"a","exp":1790000000.9,"nbf":0,"iat":1780000000.5,"jti":"j","Live":1,"LIVE":2,"EXP":5,"live":{"x":1},"name":[]}`), &c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != "i" || c.Subject != "s" || c.Audience[0] != "a" || c.ID != "j" || string(c.live) != `{"x":1}` {
		t.Errorf("read as %+v", c)
	}
	if c.ExpiresAt.Unix() != 1790000000 || c.ExpiresAt.Nanosecond() != 0 || c.NotBefore.Unix() != 0 || c.IssuedAt != nil || !c.issued.Equal(time.Unix(1780000000, 0)) {
		t.Errorf("read as %v, %v, %v, %v", c.ExpiresAt, c.NotBefore, c.IssuedAt, c.issued)
	}
}
