package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// What the program exits with.
const (
	exitOK      = 0 // done, or stopped in good order
	exitFailure = 1 // something failed at run time
	exitUsage   = 2 // the command line, the environment or what was given to a command is wrong
)

// A program is one run: what it reads and writes, and nothing global, so that several can run in one process.
type program struct {
	env            map[string]string
	set            sources
	stdin          io.Reader
	stdout, stderr io.Writer
}

// A command is what kong selects.
type command interface {
	run(ctx context.Context, p *program) error
}

// run is the whole program: it returns the exit status. It stops in good order when ctx is done, and leaves nothing behind.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{env: environment(environ), stdin: stdin, stdout: stdout, stderr: stderr}
	cmd, err := p.parse(args)
	if cmd != nil && err == nil {
		err = cmd.run(ctx, p)
	}
	return report(stderr, err)
}

// parse reads the command line and the environment. No command and no error means that help was asked for, and given.
func (p *program) parse(args []string) (command, error) {
	var c cli
	helped := false
	env := &envResolver{env: p.env, used: map[string]string{}}
	k, err := kong.New(&c,
		kong.Name("bridge"),
		kong.Description(about),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { helped = true }),
		kong.Resolvers(env),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110, Compact: true, ValueFormatter: func(v *kong.Value) string { return v.Help }}),
	)
	if err != nil {
		return nil, err
	}
	kctx, err := k.Parse(joinSince(args))
	if helped {
		return nil, nil
	}
	if err != nil {
		return nil, p.parseError(env, err)
	}
	p.set = sourcesOf(kctx, env)
	switch name := path(kctx); name {
	case "serve":
		if err := unknownVariables(p.env, k.Model.Node); err != nil {
			return nil, err
		}
		return &c.Serve, nil
	case "publish":
		return &c.Publish, nil
	case "tail":
		return &c.Tail, nil
	case "token mint":
		return &c.Token.Mint, nil
	case "token inspect":
		return &c.Token.Inspect, nil
	case "token revoke":
		return &c.Token.Revoke, nil
	case "token revoked":
		return &c.Token.Revoked, nil
	case "version":
		return &c.Version, nil
	default:
		return nil, fmt.Errorf("command %s", name)
	}
}

// path is the selected command with those that it is part of, such as "token inspect".
func path(k *kong.Context) string { return strings.TrimPrefix(k.Selected().FullPath(), "bridge ") }

// parseError words what kong refuses; where the value came from the environment, it names the variable.
func (p *program) parseError(env *envResolver, err error) error {
	text := err.Error()
	for flag, variable := range env.used {
		if rest, ok := strings.CutPrefix(text, "--"+flag+":"); ok {
			text = variable + ":" + rest
		}
	}
	if argument, ok := strings.CutPrefix(text, "expected \"<"); ok {
		text = "missing: <" + strings.TrimSuffix(argument, "\"")
	}
	if flag, _, ok := strings.Cut(text, ": expected "); ok && strings.Contains(text, `"EOL"`) {
		text = flag + " needs a value"
	}
	hint := "bridge serve --help lists the flags" // which a command line without a command is about
	if pe, ok := err.(*kong.ParseError); ok && pe.Context != nil && pe.Context.Selected() != nil {
		hint = "bridge " + path(pe.Context) + " --help shows how it is called"
	}
	if strings.HasPrefix(text, "unexpected argument") && strings.HasPrefix(hint, "bridge serve") {
		hint = "the commands are serve, publish, tail, token and version: bridge --help says what they do"
	}
	return usage(hint, "%s", text)
}

// joinSince lets --since take its value as the next word though that begins with a dash, as in --since -10m.
func joinSince(args []string) []string {
	const flag = "--since"
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		if args[i] == flag && i+1 < len(args) && len(args[i+1]) > 1 && args[i+1][0] == '-' && args[i+1][1] != '-' {
			out = append(out, flag+"="+args[i+1])
			i++
			continue
		}
		out = append(out, args[i])
	}
	return out
}
