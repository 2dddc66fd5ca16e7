package inventory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A person's request is a file in the directory of the process that syncs, and its answer another one: whoever may write there may ask.
const (
	requestsName    = "requests"
	lookForRequests = time.Second
	asked, answered = ".request", ".answer"
	// staleAnswer is after how long an answer that nobody took is removed.
	staleAnswer = time.Hour
)

// Request is what a person asks of the process that syncs.
type Request struct {
	// Approve is the digest of what is withheld; empty: sync now.
	Approve string `json:"approve,omitempty"`
	Who     string `json:"who"`
	// ID is the request's.
	ID string `json:"id,omitempty"`
}

// Done is what came of it.
type Done struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// Ask hands a request to the process that syncs in dir, and waits for its answer until ctx ends.
func Ask(ctx context.Context, dir string, r Request) (string, error) {
	r.ID = cmp.Or(r.ID, rand.Text())
	name := filepath.Join(dir, requestsName, r.ID)
	if err := replaceFile(filepath.Dir(name), filepath.Base(name)+asked, func(w io.Writer) error { return writeJSON(w, r) }); err != nil {
		return "", fmt.Errorf("ask who syncs in %s: %w", dir, err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(name + answered)
		if err == nil {
			_ = os.Remove(name + answered)
			var done Done
			if err := json.Unmarshal(text, &done); err != nil {
				return "", fmt.Errorf("read the answer of who syncs in %s: %w", dir, err)
			}
			if done.Error != "" {
				return "", errors.New(done.Error)
			}
			return done.Text, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read the answer of who syncs in %s: %w", dir, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = os.Remove(name + asked)
			return "", fmt.Errorf("who syncs in %s did not answer: %w", dir, ctx.Err())
		}
	}
}

// answerRequests does what people asked for since the last time.
func (s *Syncing) answerRequests(ctx context.Context) {
	dir := filepath.Join(s.config.Dir, requestsName)
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.config.Log.Error("requests about the inventory cannot be read", "error", err)
		return
	}
	for _, entry := range entries {
		name, isRequest := strings.CutSuffix(entry.Name(), asked)
		info, err := entry.Info()
		switch {
		case err != nil: // taken back meanwhile
		case isRequest:
			s.answer(ctx, dir, name)
		case time.Since(info.ModTime()) > staleAnswer:
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// answer does one request. Its file goes first, so that one that ends us is not done again and again.
func (s *Syncing) answer(ctx context.Context, dir, name string) {
	path := filepath.Join(dir, name+asked)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	var r Request
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	var done Done
	if err == nil {
		done.Text, err = s.Do(ctx, r)
	}
	if err == nil && s.config.Asked != nil {
		s.config.Asked(r, done.Text)
	}
	if err != nil {
		done.Error = err.Error()
	}
	if err := replaceFile(dir, name+answered, func(w io.Writer) error { return writeJSON(w, done) }); err != nil {
		s.config.Log.Error("a request about the inventory cannot be answered", "error", err)
	}
}

// Do does a request and says what came of it.
func (s *Syncing) Do(ctx context.Context, r Request) (string, error) {
	var diff Diff
	var err error
	if r.Approve != "" {
		diff, err = s.Approve(ctx, r.Approve, r.Who)
	} else {
		diff, err = s.Sync(ctx)
	}
	if err != nil {
		return "", err
	}
	now, status := s.Register()
	text := fmt.Sprintf("%s; snapshot %d has %d BMCs", diff, now.Number, len(now.BMCs))
	if status.Of > 0 {
		text += fmt.Sprintf(", read %d of %d records", status.Read, status.Of)
	}
	if n := len(now.Conflicts); n > 0 {
		text += fmt.Sprintf(", %d conflicts", n)
	}
	if now.Withheld != nil {
		text += "\n" + now.Withheld.String()
	}
	return text, nil
}

func writeJSON(w io.Writer, value any) error { return json.NewEncoder(w).Encode(value) }

// alike says whether a register need not be written again. What is withheld differs when its digest does; its records then do, too.
func alike(a, b Register) bool {
	sameWithheld := (a.Withheld == nil) == (b.Withheld == nil) && (a.Withheld == nil || a.Withheld.Digest == b.Withheld.Digest)
	return a.Number == b.Number && sameWithheld && maps.EqualFunc(a.Missing, b.Missing, time.Time.Equal) &&
		slices.EqualFunc(a.Conflicts, b.Conflicts, func(x, y Conflict) bool { return x.Kind == y.Kind && x.Text == y.Text && slices.Equal(x.BMCs, y.BMCs) })
}
