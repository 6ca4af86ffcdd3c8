//go:build linux

package faults

import (
	"flag"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/livebridge/livebridge/e2e/internal/program"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the random choices; 0 = another one each time")
	raceBuild = flag.Bool("racebuild", false, "run bridges that are built with the race detector")
	tableFile = flag.String("table", "", "write the results as a table in Markdown to this file; - = stdout")
)

// What is built once, for all tests.
var (
	binDir             string
	bridgeBin, natsBin string
	jumping            = sync.OnceValues(buildJumping) // the same with a clock that can be set
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	var err error
	if binDir, err = os.MkdirTemp("", "livebridge-faults-"); err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(binDir)
	var flags []string
	if *raceBuild {
		flags = append(flags, "-race")
	}
	if bridgeBin, err = program.Build(binDir, "bridge", "../../cmd/bridge", flags...); err == nil {
		natsBin, err = program.Build(binDir, "nats-server", "github.com/nats-io/nats-server/v2")
	}
	if err != nil {
		log.Print(err)
		return 1
	}
	if *seedFlag == 0 {
		*seedFlag = rand.Uint64N(1 << 32)
	}
	status := m.Run()
	if err := writeTable(*tableFile); err != nil {
		log.Print(err)
		return 1
	}
	return status
}

// shipped is the configuration of NATS that the repository ships.
var shipped = filepath.Join("..", "..", "nats.conf")
