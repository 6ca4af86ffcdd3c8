package abuse

import (
	"flag"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write docs/abuse.md")

var bridgeBin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "livebridge-abuse-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	bridgeBin = filepath.Join(dir, "bridge")
	if out, err := exec.Command("go", "build", "-o", bridgeBin, "../../cmd/bridge").CombinedOutput(); err != nil {
		log.Printf("build the bridge: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
