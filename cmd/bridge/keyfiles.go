package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/livebridge/livebridge/auth"
)

// keysEvery is how often the files of secrets and public keys are read again: they are small, and their content alone says whether they
// have changed, however they are replaced.
const keysEvery = 2 * time.Second

// keyFiles verifies tokens with the secret or public key in any of several files, so that two count while one takes the other's place.
type keyFiles struct {
	files   []*keyFile
	log     *slog.Logger
	current atomic.Pointer[[]*auth.Verifier]
}

type keyFile struct {
	path     string
	read     func() ([]byte, error)
	verifier func(text []byte) (*auth.Verifier, error)

	text    []byte // what counts
	refused string // why the file does not count as it is now; "" = it does
	current *auth.Verifier
}

// Verify implements [bridge.TokenVerifier].
func (k *keyFiles) Verify(token string) (*auth.Grant, error) {
	var why error
	for _, v := range *k.current.Load() {
		g, err := v.Verify(token)
		if err == nil {
			return g, nil
		}
		if why == nil || errors.Is(why, jwt.ErrTokenSignatureInvalid) {
			why = err // of the key that fits, if one does
		}
	}
	return nil, why
}

// open reads every file for the first time.
func (k *keyFiles) open() error {
	for _, f := range k.files {
		if _, err := f.load(); err != nil {
			return err
		}
	}
	k.use()
	return nil
}

// load reads the file, and says whether it holds another key than before. Where it cannot be used, what it held before stays.
func (f *keyFile) load() (changed bool, err error) {
	text, err := f.read()
	if err != nil || f.current != nil && bytes.Equal(text, f.text) { // the text of an empty file is like that of none
		return false, err
	}
	v, err := f.verifier(text)
	if err != nil {
		return false, err
	}
	f.text, f.current = text, v
	return true, nil
}

func (k *keyFiles) use() {
	list := make([]*auth.Verifier, len(k.files))
	for i, f := range k.files {
		list[i] = f.current
	}
	k.current.Store(&list)
}

// watch reads the files again every so often, until ctx ends.
func (k *keyFiles) watch(ctx context.Context) {
	tick := time.NewTicker(keysEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, f := range k.files {
				k.again(f)
			}
		case <-ctx.Done():
			return
		}
	}
}

// again reads one file again, and tells the log once of what is new.
func (k *keyFiles) again(f *keyFile) {
	changed, err := f.load()
	switch {
	case err != nil && f.refused != err.Error():
		f.refused = err.Error()
		k.log.Error("the key file cannot be used as it is now: the key that it held before stays", "file", f.path, "error", err)
	case err == nil && f.refused != "" && !changed:
		f.refused = ""
		k.log.Info("the key file holds again what it held before", "file", f.path)
	case changed:
		f.refused = ""
		k.use()
		k.log.Info("the key file has changed: tokens are verified with the new key", "file", f.path)
	}
}
