package natstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A Backup is a stream as `nats stream backup` takes it: its configuration and messages, without its consumers.
type Backup struct {
	cfg  server.StreamConfig
	data []byte
}

// Backup takes one of a stream.
func (s *Server) Backup(stream string) Backup {
	s.tb.Helper()
	nc := s.Connect()
	defer nc.Close()
	chunks, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		s.tb.Fatal(err)
	}
	ask, _ := json.Marshal(server.JSApiStreamSnapshotRequest{DeliverSubject: chunks.Subject, NoConsumers: true})
	reply, err := nc.Request("$JS.API.STREAM.SNAPSHOT."+stream, ask, 10*time.Second)
	if err != nil {
		s.tb.Fatalf("back up stream %s: %v", stream, err)
	}
	var got server.JSApiStreamSnapshotResponse
	if err := json.Unmarshal(reply.Data, &got); err != nil || got.Error != nil {
		s.tb.Fatalf("back up stream %s: %v %v", stream, err, got.Error)
	}
	b := Backup{cfg: *got.Config}
	for {
		m, err := chunks.NextMsg(10 * time.Second)
		if err != nil {
			s.tb.Fatalf("back up stream %s: %v", stream, err)
		}
		if len(m.Data) == 0 {
			if status := m.Header.Get("Status"); status >= "400" {
				s.tb.Fatalf("back up stream %s: %s %s", stream, status, m.Header.Get("Description"))
			}
			return b
		}
		b.data = append(b.data, m.Data...)
		_ = m.Respond(nil)
	}
}

// Restore makes a stream of a backup in the place of the one there is, as `nats stream rm` and `nats stream restore` do: what was stored since
// is gone, the stream's creation time is another one, and no connection notices. It returns the stream's store, for messages with store
// times of the test's choice.
func (s *Server) Restore(b Backup) server.StreamStore {
	s.tb.Helper()
	nc := s.Connect()
	defer nc.Close()
	if _, err := nc.Request("$JS.API.STREAM.DELETE."+b.cfg.Name, nil, 10*time.Second); err != nil {
		s.tb.Fatalf("delete stream %s: %v", b.cfg.Name, err)
	}
	cfg := b.cfg
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		st, err := s.ns.GlobalAccount().RestoreStreamV2(&cfg, bytes.NewReader(b.data))
		if err == nil {
			return st.Store()
		}
		if time.Now().After(deadline) { // before that the server may not be ready with the deletion
			s.tb.Fatalf("restore stream %s: %v", b.cfg.Name, err)
		}
	}
}

// Saved stops the server, copies its files to a folder, and starts it again.
func (s *Server) Saved() (dir string) {
	s.tb.Helper()
	dir = s.tb.TempDir()
	s.Down()
	s.CopyFiles(dir)
	s.Up()
	return dir
}

// RollBack stops the server, puts files that were saved in the place of its own, and starts it again.
func (s *Server) RollBack(saved string) {
	s.tb.Helper()
	s.Down()
	s.ReplaceFiles(saved)
	s.Up()
}

// CopyFiles copies the files of a stopped server to a folder.
func (s *Server) CopyFiles(to string) {
	s.tb.Helper()
	if err := os.CopyFS(to, os.DirFS(s.opts.StoreDir)); err != nil {
		s.tb.Fatal(err)
	}
}

// ReplaceFiles puts files of CopyFiles back in the place of those of a stopped server.
func (s *Server) ReplaceFiles(from string) {
	s.tb.Helper()
	if err := errors.Join(os.RemoveAll(s.opts.StoreDir), os.CopyFS(s.opts.StoreDir, os.DirFS(from))); err != nil {
		s.tb.Fatal(err)
	}
}
