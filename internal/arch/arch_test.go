// Package arch holds the map of the packages: which may import which, and where the large libraries may appear.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/livebridge/livebridge"

// allowed says what each package may import of the others.
var allowed = map[string][]string{
	"":                     nil,
	"subjects":             nil,
	"protocol":             nil,
	"auth":                 {"subjects"},
	"publish":              {"subjects"},
	"replay":               {"subjects"},
	"revoke":               {"auth"},
	"internal/ws":          nil,
	"internal/natstest":    nil,
	"internal/fuzztest":    nil,
	"bridge":               {"auth", "internal/ws", "protocol", "publish", "replay", "subjects"},
	"bridgetest":           {"bridge", "internal/natstest", "publish", "replay", "subjects"},
	"cmd/bridge":           {"", "auth", "bridge", "protocol", "publish", "replay", "revoke", "subjects"},
	"docs":                 nil,
	"e2e":                  nil,
	"e2e/abuse":            nil,
	"e2e/faults":           nil,
	"e2e/internal/link":    nil,
	"e2e/internal/program": nil,
	"bench":                {"internal/ws", "publish"},
}

// homes says where a library may be imported at all. An entry ends with the part of a package's path that it holds for.
var homes = map[string][]string{
	"github.com/gofiber/":                       {"bridge"},
	"github.com/valyala/fasthttp":               {"bridge"},
	"github.com/nats-io/nats-server/v2/server":  {"cmd/bridge", "internal/natstest", "bridgetest"},
	"github.com/nats-io/nats-server/v2/server/": {"replay"}, // gsl: NATS's own subject matching
	"github.com/nats-io/nats.go":                {"bench", "bridgetest", "cmd/bridge", "e2e/internal/program", "internal/natstest", "publish", "replay", "revoke"},
	"github.com/prometheus/":                    {"bridge", "cmd/bridge"},
	"github.com/alecthomas/kong":                {"cmd/bridge"},
	"github.com/golang-jwt/":                    {"auth", "cmd/bridge"},
	"github.com/MicahParks/":                    {"auth", "cmd/bridge"},
}

// stdlibOnly are leaves that anybody can read by themselves.
var stdlibOnly = []string{"subjects", "protocol", "internal/ws"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) (list []pkg) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "internal/arch" {
			continue
		}
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not on the map in this file", name)
		}
		for _, imp := range p.Imports {
			if rest, ours := strings.CutPrefix(imp, module); ours {
				if rest = strings.TrimPrefix(rest, "/"); !slices.Contains(may, rest) {
					t.Errorf("%s imports %s: arrows point from cmd over bridge to the leaves", name, rest)
				}
				continue
			}
			if strings.Contains(imp, ".") && slices.Contains(stdlibOnly, name) {
				t.Errorf("%s imports %s: it is standard library only", name, imp)
			}
			checkHome(t, name, imp)
		}
	}
}

// checkHome finds the longest entry that holds for an import.
func checkHome(t *testing.T, name, imp string) {
	t.Helper()
	best := ""
	for lib := range homes {
		if (imp == lib || strings.HasPrefix(imp, strings.TrimSuffix(lib, "/")+"/") || strings.HasPrefix(imp, lib)) && len(lib) > len(best) {
			best = lib
		}
	}
	if best != "" && !slices.Contains(homes[best], name) {
		t.Errorf("%s imports %s, which has its home in %v", name, imp, homes[best])
	}
}
