package auth_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livebridge/livebridge/auth"
	"github.com/livebridge/livebridge/subjects"
)

// A service mints a token for a user, and the bridge verifies it.
func Example() {
	secret := []byte("an example: use 32 random bytes!")

	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "ada",
		"exp": time.Now().Add(time.Hour).Unix(),
		"live": map[string]any{
			"subscribe": map[string]any{"allow": []string{"products.>", "orders.updated.>"}, "deny": []string{"orders.*.7"}},
			"publish":   []string{"products.>"},
			"history":   "24h",
		},
	}).SignedString(secret)
	if err != nil {
		fmt.Println(err)
		return
	}

	verifier, err := auth.New(context.Background(), auth.Config{Secret: secret})
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, err := verifier.Verify(token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(grant.Subject, grant.History)
	fmt.Println("all products:", grant.MaySubscribe(subjects.Filter{Resource: "products"}))
	fmt.Println("all orders:", grant.MaySubscribe(subjects.Filter{Resource: "orders"}))
	fmt.Println("updated orders:", grant.MaySubscribe(subjects.Filter{Resource: "orders", Types: []string{"updated"}}))
	fmt.Println("of these, order 7:", grant.Deliver()("live.orders.updated.7"))
	fmt.Println("publish an order:", grant.MayPublish(subjects.Name{Resource: "orders", Type: "updated", ID: "8"}))

	_, err = verifier.Verify(token + "x")
	fmt.Println(errors.Is(err, auth.ErrToken))
	// Output:
	// ada 24h0m0s
	// all products: true
	// all orders: false
	// updated orders: true
	// of these, order 7: false
	// publish an order: false
	// true
}
