package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const envPrefix = "LIVEBRIDGE_"

// environment reads a list as os.Environ returns it.
func environment(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

// variable is the environment variable of a flag; "" for one that has none: what is said about one call only.
func variable(f *kong.Flag) string {
	if f.Name == "help" || f.Tag.Has("once") {
		return ""
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// An envResolver gives flags that are not on the command line the values of their variables. An empty variable counts as unset.
type envResolver struct {
	env  map[string]string
	used map[string]string // flag → variable
}

// Validate implements [kong.Resolver].
func (*envResolver) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver].
func (r *envResolver) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	name := variable(f)
	value := r.env[name]
	if name == "" || value == "" {
		return nil, nil
	}
	r.used[f.Name] = name
	return value, nil
}

// sources are the flags that were given, with how: --max-age, or LIVEBRIDGE_MAX_AGE.
type sources map[string]string

func sourcesOf(ctx *kong.Context, env *envResolver) sources {
	set := make(sources)
	for _, p := range ctx.Path {
		if p.Flag == nil {
			continue
		}
		set[p.Flag.Name] = "--" + p.Flag.Name
		if p.Resolved {
			set[p.Flag.Name] = env.used[p.Flag.Name]
		}
	}
	return set
}

// kubernetes sets variables such as LIVEBRIDGE_PORT_8080_TCP for services that are called livebridge: they are not ours.
var kubernetes = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// unknownVariables refuses a variable that is no flag's: a setting that is misspelt would silently not count.
func unknownVariables(env map[string]string, root *kong.Node) error {
	known := make(map[string]bool)
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[variable(f)] = true
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(root)
	var unknown []string
	for name := range env {
		if strings.HasPrefix(name, envPrefix) && !known[name] && !kubernetes.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return usage("bridge serve --help lists the flags: --max-age is LIVEBRIDGE_MAX_AGE", "the environment sets %s, which is no setting", unknown[0])
}
