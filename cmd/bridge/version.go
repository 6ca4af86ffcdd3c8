package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

func (*versionCmd) run(_ context.Context, p *program) error {
	var b strings.Builder
	fmt.Fprintf(&b, "bridge %s\n", versionOf())
	fmt.Fprintf(&b, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			switch m.Path {
			case "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "github.com/gofiber/fiber/v2":
				fmt.Fprintf(&b, "%s %s\n", strings.TrimSuffix(m.Path[strings.Index(m.Path, "/")+1:], "/v2"), m.Version)
			}
		}
	}
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}

// versionOf is the version of this build: that of the module, or the commit it was built from.
func versionOf() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version != "" && version != "(devel)" {
		return version
	}
	version = "(devel)"
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			version += " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			version += " modified"
		}
	}
	return version
}
