package inventory

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"lamplighter/inventory/web"
)

const (
	// pageFor is how long a page of a source may take.
	pageFor = 2 * time.Minute
	// mostPage is how much of a page is read: 1,000 records of NetBox have some 4 MB.
	mostPage = 256 << 20
	// tries is how often a page is asked for in one sync; shortWait is how long a source may have us wait between two.
	tries     = 4
	shortWait = 30 * time.Second
	mostWait  = time.Hour
)

// Endpoint is how a source of an inventory is reached over HTTP.
type Endpoint struct {
	Name string // the source's, for errors
	URL  string // without what the product adds
	// Login names a credential of the keyring: a user with a password, or a token as the password. Empty: none is sent.
	Login   string
	Keyring Keyring
	Roots   *x509.CertPool // nil: the system's
	// Patience is how long a page may take; 0: 2 min.
	Patience time.Duration
}

// scheme makes what a header Authorization says of a credential.
type scheme func(*http.Request, Credentials)

func bearer(r *http.Request, c Credentials) {
	r.Header.Set("Authorization", "Bearer "+c.Password.Reveal())
}

func basic(r *http.Request, c Credentials) { r.SetBasicAuth(c.Username, c.Password.Reveal()) }

// conversation is one sync's talk with an endpoint. end must follow.
type conversation struct {
	Endpoint
	client      *http.Client
	credentials Credentials
	scheme      scheme
}

// talk asks the keyring once, whatever the number of pages.
func (e Endpoint) talk(ctx context.Context, s scheme) (*conversation, error) {
	c := &conversation{Endpoint: e, scheme: s}
	c.URL = strings.TrimRight(e.URL, "/")
	if c.Patience == 0 {
		c.Patience = pageFor
	}
	if e.Login != "" {
		var err error
		if c.credentials, err = e.Keyring.Credentials(ctx, e.Login); err != nil {
			return nil, fmt.Errorf("source %s: %w", e.Name, err)
		}
	}
	c.client = &http.Client{
		Timeout: c.Patience,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.Roots},
			MaxConnsPerHost: 2, IdleConnTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would carry the token elsewhere
	}
	return c, nil
}

func (c *conversation) end() { c.client.CloseIdleConnections() }

// page reads one answer, and hands its head and its body to read. It waits and asks again where the source is busy for a moment only.
func (c *conversation) page(ctx context.Context, path string, query url.Values, read func(http.Header, io.Reader) error) error {
	to := c.URL + path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	for try := 1; ; try++ {
		err := c.once(ctx, http.MethodGet, to, nil, read)
		var later *Later
		if !errors.As(err, &later) || later.After > shortWait || try == tries {
			return err
		}
		pause := time.NewTimer(max(later.After, time.Second))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// once asks once, and hands the answer's head and body to read.
func (c *conversation) once(ctx context.Context, method, to string, content []byte, read func(http.Header, io.Reader) error) error {
	shown, _, _ := strings.Cut(to, "?")
	failed := func(format string, args ...any) error {
		return fmt.Errorf("source %s: %s %s: %w", c.Name, strings.ToLower(method), shown, fmt.Errorf(format, args...))
	}
	request, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(content))
	if err != nil {
		return failed("%w", err)
	}
	if len(content) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "lamplighter")
	if c.Login != "" {
		c.scheme(request, c.credentials)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return failed("%w", withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		start, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return failed("%w", c.refusal(response, start))
	}
	body := &bounded{from: response.Body, left: mostPage}
	start := make([]byte, 256)
	n, err := io.ReadFull(body, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return failed("%w", withoutURL(err))
	}
	if start = start[:n]; web.IsHTML(response.Header.Get("Content-Type"), start) {
		return failed("want JSON, got a page for people (%s): is the URL right, and does it ask for a login?", c.said(start))
	}
	if err := read(response.Header, io.MultiReader(bytes.NewReader(start), body)); err != nil {
		return failed("%w", withoutURL(err))
	}
	return nil
}

// withoutURL is an error without the query, which may say what nobody needs to see.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// refusal says what a status other than 200 means, and what to do.
func (c *conversation) refusal(response *http.Response, start []byte) error {
	said := fmt.Errorf("%s: %s", response.Status, c.said(start))
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%w; the login %q is refused: is it right, and not expired?", said, c.Login)
	case code == http.StatusForbidden:
		return fmt.Errorf("%w; the login %q may not do this: give it the right to", said, c.Login)
	case code == http.StatusBadRequest:
		return &refusedAll{said}
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return &Later{web.RetryAfter(response.Header.Get("Retry-After"), time.Now(), mostWait), said}
	case code/100 == 3:
		return fmt.Errorf("%w; it is moved to %s: if that is right, name it as the source's url", said, clean(response.Header.Get("Location"), 200))
	}
	return said
}

// said is how an answer begins, without our secret: a server may echo it.
func (c *conversation) said(start []byte) string {
	return clean(c.credentials.Password.Scrub(c.credentials.Username, string(start)), 200)
}

// clean is a text on one line that no terminal obeys.
func clean(text string, most int) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if text = strings.Join(strings.Fields(text), " "); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if text == "" {
		return "nothing was said"
	}
	return text
}

// bounded fails where there is more than we read. An end is nothing else than an end.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a page of more than %d MiB", mostPage>>20)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
