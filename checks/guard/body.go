package guard

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxBody is the longest body that is read.
	MaxBody = 1 << 20
	// MaxDepth is the deepest nesting of JSON that is handed on.
	MaxDepth = 64

	firstRead     = 4 << 10
	freeBody      = 64 << 10
	maxRetryAfter = time.Hour
)

// big are buffers for bodies over freeBody, each taken until its body is closed: hundreds of hostile BMCs at once must not
// fill memory, and no honest service root, session or system is that long. A nil buffer has not been needed yet.
var big = func() chan []byte {
	buffers := make(chan []byte, 8)
	for range cap(buffers) {
		buffers <- nil
	}
	return buffers
}()

// readBody reads resp's body whole. release is never nil; after it the body is another's.
func readBody(ctx context.Context, resp *http.Response) (body []byte, release func(), err error) {
	defer func() { _ = resp.Body.Close() }()
	release = func() {}
	body, err = fill(resp.Body, make([]byte, 0, firstRead), freeBody)
	if err == nil && len(body) == freeBody {
		var whole []byte
		select {
		case whole = <-big:
		case <-ctx.Done():
			return nil, release, ctx.Err()
		}
		if whole == nil {
			whole = make([]byte, 0, MaxBody+1)
		}
		release = func() { big <- whole[:0] }
		body, err = fill(resp.Body, append(whole, body...), MaxBody+1)
	}
	if err != nil {
		return nil, release, fmt.Errorf("read the body: %w", notHTTP(err))
	}
	if len(body) > MaxBody {
		return nil, release, fmt.Errorf("%w: more than %d bytes", ErrTooBig, MaxBody)
	}
	if depth(body) > MaxDepth {
		return nil, release, fmt.Errorf("%w: more than %d levels", ErrTooDeep, MaxDepth)
	}
	return body, release, nil
}

// fill appends to buf what r has, until buf is most bytes long.
func fill(r io.Reader, buf []byte, most int) ([]byte, error) {
	for len(buf) < most {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(len(buf), most-len(buf)))
		}
		n, err := r.Read(buf[len(buf):min(cap(buf), most)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			break
		} else if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// Bytes is the body of a Conn's answer without a copy; it is valid until the body is closed.
func Bytes(resp *http.Response) []byte {
	held, ok := resp.Body.(*heldBody)
	if !ok {
		return nil
	}
	return held.body
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
