// Mints a token for a user, as a backend does for whoever is logged in:
//
//	cd examples/tokens/go && go run . ../../../jwt.secret ada
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("give the file with the secret, and the user")
	}
	secret, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	token, err := mint(bytes.TrimSpace(secret), os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token)
}

// mint makes a token that lets a user see and publish products, and replay a day of them, for the next 15 minutes.
func mint(secret []byte, user string) (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": user,
		"iat": now.Unix(), // so that this user's tokens can be revoked, and a new one counts again
		"exp": now.Add(15 * time.Minute).Unix(),
		"live": map[string]any{
			"subscribe": []string{"products.>"},
			"publish":   []string{"products.>"},
			"history":   "24h",
		},
	}).SignedString(secret)
}
