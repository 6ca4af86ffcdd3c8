// Package livebridge hands live events from NATS JetStream to browsers, with exact replay.
//
// The program is cmd/bridge. Go services publish with package publish; tests start NATS and a bridge with package bridgetest; a program
// that embeds a bridge uses packages replay and bridge. The wire protocol is described in PROTOCOL.md.
package livebridge

import _ "embed" // for NATSConf

// NATSConf is nats.conf: the configuration of the NATS server that the bridge runs inside itself unless it is given another.
//
//go:embed nats.conf
var NATSConf string
