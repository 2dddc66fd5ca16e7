package checks

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"lamplighter/checks/guard"
)

const (
	// lateLogin is how long a login's answer is waited for after the check has given up, so that a session which the BMC makes
	// late is ended too.
	lateLogin     = 30 * time.Second
	logoutTimeout = 5 * time.Second
)

// redfishSession is how requests are authenticated.
type redfishSession struct {
	path, token string
	// basic is for BMCs without any sessions, such as sushy-tools.
	basic bool
	// mustChange says that the BMC demanded a new password with the login; refusals afterwards are due to that.
	mustChange bool
}

// posting is a login on its way. The goroutine that waits for its answer also ends the session, if the check has gone.
type posting struct {
	done   chan struct{}
	cancel context.CancelFunc
}

type loginAnswer struct {
	session redfishSession
	err     error
}

// logIn makes a session. When ctx ends first, the answer is waited for in the background; Close waits for that.
func (d *redfishDriver) logIn(ctx context.Context) error {
	wait := lateLogin
	if deadline, ok := ctx.Deadline(); ok {
		wait += time.Until(deadline)
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	d.posting = &posting{done: make(chan struct{}), cancel: cancel}
	answers := make(chan loginAnswer)
	go func() {
		defer close(d.posting.done)
		defer cancel()
		session, err := d.post(late)
		select {
		case answers <- loginAnswer{session, err}:
		case <-ctx.Done():
			_ = d.end(late, session)
		}
	}()
	select {
	case answer := <-answers:
		d.session = answer.session
		return answer.err
	case <-ctx.Done():
		return attempted("log in at "+d.conn.Endpoint(), blameRequest(ctx, ctx.Err()))
	}
}

// post sends the login, once. The session that it returns may exist even if there is an error.
func (d *redfishDriver) post(ctx context.Context) (s redfishSession, err error) {
	defer recovered(&err)
	path, guessed, err := d.root.sessions()
	if err != nil {
		return s, err
	}
	client, err := d.client(ctx, s)
	if err != nil {
		return s, err
	}
	resp, err := client.PostWithHeaders(path, map[string]string{
		"UserName": d.login.Username, "Password": d.login.Password.Reveal(),
	}, d.guessHeader(guessed))
	if err != nil {
		switch d.conn.Last().Status {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return redfishSession{basic: true}, nil
		}
		return s, d.fault(ctx, askLogin, "post", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	s, err = d.accept(resp, path)
	return s, attempted("post "+d.conn.Endpoint()+path, err)
}

// guessHeader authenticates the very request that makes a session where the service root names no sessions: services that
// have none (sushy-tools) then say so with a 404 instead of a 401, and no second login is needed to tell.
func (d *redfishDriver) guessHeader(guessed bool) map[string]string {
	if !guessed {
		return nil
	}
	pair := d.login.Username + ":" + d.login.Password.Reveal()
	return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
}

// accept reads the answer to a login that worked (Redfish DSP0266 section 13.3.4.1).
func (d *redfishDriver) accept(resp *http.Response, collection string) (redfishSession, error) {
	body := guard.Bytes(resp)
	s := redfishSession{
		token: resp.Header.Get("X-Auth-Token"), path: sessionPath(resp.Header.Get("Location"), body, collection),
		mustChange: parseProblem(body).mustChangePassword(),
	}
	if s.mustChange {
		d.notes = append(d.notes, AuthPasswordChange)
	}
	if s.token == "" {
		return s, Blame(APIMalformed, fmt.Errorf("%d without X-Auth-Token", resp.StatusCode))
	}
	if s.path == "" {
		d.notes = append(d.notes, APIMalformed) // the session stays until the BMC ends it
	}
	return s, nil
}

// Close logs out; a login that is still on its way is waited for as long as ctx allows, at most lateLogin longer than the check had.
func (d *redfishDriver) Close(ctx context.Context) error {
	if d.posting != nil {
		select {
		case <-d.posting.done:
		case <-ctx.Done():
			d.posting.cancel()
			<-d.posting.done
			return fmt.Errorf("log out of %s: the login's answer is still missing: %w", d.conn.Endpoint(), ctx.Err())
		}
	}
	session := d.session
	d.session = redfishSession{}
	return d.end(ctx, session)
}

// end deletes a session. One that came without its token is deleted by name and password: the BMC has accepted them.
func (d *redfishDriver) end(ctx context.Context, s redfishSession) error {
	if s.path == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	s.basic = s.token == ""
	client, err := d.client(ctx, s)
	if err == nil {
		_, err = client.Delete(s.path)
	}
	switch status := d.conn.Last().Status; {
	case err == nil, status == http.StatusNotFound, status == http.StatusUnauthorized:
		return nil // gone already
	case status != 0:
		err = fmt.Errorf("status %d", status)
	}
	return fmt.Errorf("log out: delete %s%s: %w", d.conn.Endpoint(), s.path, bounded(err))
}
