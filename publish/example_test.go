package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/livebridge/livebridge/publish"
)

func Example() {
	nc, stop := exampleNATS()
	defer stop()

	p, err := publish.New(nc, publish.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	// One record changed. Key makes a retry harmless.
	price := publish.Event{Resource: "products", Type: "updated", ID: "42", Payload: map[string]any{"price": 10}, Key: "order-7-price"}
	for range 2 {
		acks, err := p.Publish(ctx, price)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("price: sequence %d, duplicate %t\n", acks[0].Seq, acks[0].Duplicate)
	}

	// Several events, one of them about three records: all are stored, or none.
	acks, err := p.Publish(ctx,
		publish.Event{Resource: "orders", Type: "created", ID: "7"},
		publish.Event{Resource: "products", Type: "updated", IDs: []string{"1", "2", "3"}, Payload: map[string]any{"sale": true}},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("order: sequence %d, sale: up to sequence %d\n", acks[0].Seq, acks[1].Seq)

	// An event that cannot be published is named.
	_, err = p.Publish(ctx, publish.Event{Resource: "orders", Type: "created", ID: "8"}, publish.Event{Resource: "orders"})
	var wrong *publish.EventError
	fmt.Println(errors.As(err, &wrong), wrong.Index, wrong.Field)

	// Output:
	// price: sequence 1, duplicate false
	// price: sequence 1, duplicate true
	// order: sequence 2, sale: up to sequence 5
	// true 1 type
}

// exampleNATS starts NATS with a stream as the bridge creates it. A service has
// only to connect.
func exampleNATS() (*nats.Conn, func()) {
	dir, err := os.MkdirTemp("", "livebridge")
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		log.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		log.Fatal("NATS did not start")
	}
	// Without a buffer for the time without connection, a service hears at once
	// that an event was not published.
	closed := make(chan struct{})
	nc, err := nats.Connect(srv.ClientURL(), nats.ReconnectBufSize(-1), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		log.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	_, err = js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: "LIVE", Subjects: []string{"live.*.*.*"}, Duplicates: 2 * time.Minute, AllowDirect: true, AllowAtomicPublish: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	return nc, func() {
		nc.Close()
		<-closed
		srv.Shutdown()
		srv.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
}
