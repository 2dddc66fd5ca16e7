package guard

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	maxHeader = 64 << 10
	maxInfo   = 5       // 1xx answers before the real one, as net/http allows
	maxFrames = 8 << 20 // a body of MaxBody with its chunk headers; net/http refuses more framing than that
)

// wire is a connection and what has been read from it.
type wire struct {
	tls   *tls.Conn
	tcp   net.Conn
	limit *limit
	in    *bufio.Reader
	out   *bufio.Writer
	used  bool
}

func newWire(conn *tls.Conn, tcp net.Conn) *wire {
	l := &limit{from: conn}
	return &wire{tls: conn, tcp: tcp, limit: l, in: bufio.NewReader(l), out: bufio.NewWriter(conn)}
}

func (w *wire) close() { _ = w.tls.Close() }

// endWith makes reads and writes fail when ctx ends. The function that it returns undoes that, and says whether ctx lasted.
func (w *wire) endWith(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { _ = w.tcp.SetDeadline(time.Unix(1, 0)) })
}

// exchange sends req and reads the answer's header.
func (w *wire) exchange(ctx context.Context, req *http.Request) (*http.Response, error) {
	stop := w.endWith(ctx)
	defer stop()
	w.used = true
	if err := w.send(req); err != nil {
		return nil, err
	}
	w.limit.left = maxHeader
	for range maxInfo + 1 {
		resp, err := http.ReadResponse(w.in, req)
		if err != nil && w.limit.left <= 0 {
			return nil, fmt.Errorf("%w: more than %d bytes of headers", ErrTooBig, maxHeader)
		} else if err != nil {
			return nil, notHTTP(err)
		}
		if resp.StatusCode >= 200 {
			w.limit.left = maxFrames
			return resp, checkHeader(resp)
		}
	}
	return nil, fmt.Errorf("%w: more than %d interim answers", ErrMalformed, maxInfo)
}

func (w *wire) send(req *http.Request) error {
	out := req.Clone(req.Context())
	out.Close = false // gofish 0.20 asks for a new connection per request
	out.Header.Del("Connection")
	out.Header.Del("Accept-Encoding")
	out.Header.Set("User-Agent", UserAgent)
	if err := out.Write(w.out); err != nil {
		return err
	}
	return w.out.Flush()
}

func checkHeader(resp *http.Response) error {
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Errorf("%w (%s)", ErrEncoded, clip(encoding))
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return fmt.Errorf("%w (%d to %s)", ErrRedirect, resp.StatusCode, clip(resp.Header.Get("Location")))
	}
	return nil
}

// stale says whether the BMC has closed the idle connection, or talks out of turn on it: then nothing is sent on it, since a
// login that dies with its connection cannot be repeated.
func (w *wire) stale() bool {
	if w.in.Buffered() > 0 {
		return true
	}
	if !w.pending() {
		return false
	}
	// What waits may be a farewell or just a TLS 1.3 session ticket; reading tells.
	_ = w.tcp.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	w.limit.left = maxHeader
	_, err := w.in.Peek(1)
	_ = w.tcp.SetReadDeadline(time.Time{})
	return err == nil || !timedOut(err)
}

// pending looks, without waiting, whether bytes or an end of file wait in the socket.
func (w *wire) pending() bool {
	socket, ok := w.tcp.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var waiting bool
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		waiting = !errors.Is(err, syscall.EAGAIN)
		return true
	})
	return waiting || err != nil
}

// limit reads until too much came.
type limit struct {
	from io.Reader
	left int
}

func (l *limit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, ErrTooBig
	}
	n, err := l.from.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// notHTTP tells a bad answer from a broken connection.
func notHTTP(err error) error {
	var network net.Error
	switch {
	case errors.Is(err, ErrTooBig), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return err
	}
	return fmt.Errorf("%w: %s", ErrMalformed, clip(err.Error()))
}
