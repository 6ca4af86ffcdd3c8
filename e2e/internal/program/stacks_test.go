package program

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const waiter = `package main

import (
	"fmt"
	"time"
)

func wait() { select {} }

func main() {
	for range 3 {
		go wait()
	}
	fmt.Println("up")
	time.Sleep(time.Hour)
}
`

func TestStacks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/main.go", []byte(waiter), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", dir+"/waiter", dir+"/main.go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := Spawn(t, nil, dir+"/waiter")
	Eventually(t, 10*time.Second, func() error {
		if p.Output() == "" {
			return errors.New("it is not up")
		}
		return nil
	})
	got := p.Stacks()
	if !strings.HasPrefix(got, "3 × ") || !strings.Contains(got, "main.wait main.go:8\n") {
		t.Errorf("stacks:\n%s", got)
	}
	if p.Alive() || p.Output() != "up" {
		t.Errorf("alive: %t; said %q", p.Alive(), p.Output())
	}
	if again := p.Stacks(); again != "" {
		t.Errorf("stacks of a process that has ended: %q", again)
	}
}
