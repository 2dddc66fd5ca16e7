package guard

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxBody is the longest body that is read.
	MaxBody = 1 << 20
	// MaxDepth is the deepest nesting of JSON that is handed on.
	MaxDepth = 64

	freeBody      = 64 << 10
	maxRetryAfter = time.Hour
)

// big are places for bodies over freeBody, until they are closed: hundreds of hostile BMCs at once must not fill memory, and
// no honest service root, session or system is that long.
var big = make(chan struct{}, 16)

// readBody reads resp's body whole. release is never nil.
func readBody(ctx context.Context, resp *http.Response) (body []byte, release func(), err error) {
	defer func() { _ = resp.Body.Close() }()
	var buf bytes.Buffer
	release = func() {}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, freeBody))
	if err == nil && n == freeBody {
		select {
		case big <- struct{}{}:
			release = func() { <-big }
		case <-ctx.Done():
			return nil, release, ctx.Err()
		}
		_, err = buf.ReadFrom(io.LimitReader(resp.Body, MaxBody+1-freeBody))
	}
	if err != nil {
		return nil, release, fmt.Errorf("read the body: %w", notHTTP(err))
	}
	if buf.Len() > MaxBody {
		return nil, release, fmt.Errorf("%w: more than %d bytes", ErrTooBig, MaxBody)
	}
	if depth(buf.Bytes()) > MaxDepth {
		return nil, release, fmt.Errorf("%w: more than %d levels", ErrTooDeep, MaxDepth)
	}
	return buf.Bytes(), release, nil
}

// depth is how deep JSON is nested; of other texts it may be anything.
func depth(text []byte) (deepest int) {
	level, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// heldBody is a body that has been read; closing it gives its place to another.
type heldBody struct {
	body    []byte
	release func()
}

func (b *heldBody) Read(p []byte) (int, error) {
	if len(b.body) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.body)
	b.body = b.body[n:]
	return n, nil
}

func (b *heldBody) Close() error {
	release := b.release
	b.body, b.release = nil, func() {}
	release()
	return nil
}

// retryAfter reads the header Retry-After (RFC 9110 section 10.2.3): seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now).Round(time.Second)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// clip bounds what a BMC said and strips it of control characters.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), 200)], ""))
	return s
}
