// Publishes one event, by the package that Livebridge brings for Go services.
//
//	go run . [nats://127.0.0.1:4222]
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/livebridge/livebridge/publish"
)

func main() {
	url := nats.DefaultURL
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	nc, err := nats.Connect(url, nats.Name("example"))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()

	p, err := publish.New(nc, publish.Options{})
	if err != nil {
		log.Fatal(err)
	}
	acks, err := p.Publish(context.Background(), publish.Event{
		Resource: "products", Type: "updated", ID: "42",
		Payload: map[string]any{"price": 10},
		Meta:    map[string]any{"user": "go"},
		Key:     "price-list-7-product-42", // the same key within two minutes is stored once
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("stored as number %d of the stream, duplicate: %v\n", acks[0].Seq, acks[0].Duplicate)
}
