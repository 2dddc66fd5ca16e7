package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Proxy is a proxy in front of us that people have signed in at, and that says in headers who they are. It is believed only
// where nobody else can be in its place: on a Unix socket, or behind a client certificate.
type Proxy struct {
	// Socket is a path; "": none. The proxy's user reaches it by the group: Group, or where that is "" the process's own.
	Socket, Group string
	// Listen is host:port for TLS; "": none. The proxy shows a certificate of CAFile with the name Client; we show that of CertFile.
	Listen, CertFile, KeyFile, CAFile, Client string
	// UserHeader has a person's name, GroupsHeader their groups, with commas between.
	UserHeader, GroupsHeader string
	// Operators are the groups whose people act. Viewers are those whose people read; without any everybody whom the proxy lets in.
	Operators, Viewers []string
}

// person is whom the proxy names, or nobody where it names none: then a token counts.
func (p Proxy) person(header http.Header) (person, error) {
	names := header.Values(p.UserHeader)
	if len(names) == 0 || len(names) == 1 && names[0] == "" {
		return person{}, nil
	}
	if len(names) > 1 || validName(names[0]) != nil {
		return person{}, problem(http.StatusUnauthorized, "want one name of 1 to %d characters in the header %s, got %d; the proxy must set it and take out what a client sends",
			mostName, p.UserHeader, len(names))
	}
	var groups []string
	for _, line := range header.Values(p.GroupsHeader) {
		for group := range strings.SplitSeq(line, ",") {
			groups = append(groups, strings.TrimSpace(group))
		}
	}
	among := func(all []string) bool {
		return slices.ContainsFunc(groups, func(group string) bool { return slices.Contains(all, group) })
	}
	switch {
	case among(p.Operators):
		return person{name: names[0], scope: Operator}, nil
	case len(p.Viewers) == 0 || among(p.Viewers):
		return person{name: names[0], scope: Viewer}, nil
	}
	return person{}, problem(http.StatusUnauthorized, "%s is in no group that may see this, by the header %s", names[0], p.GroupsHeader)
}

// trusted marks the context of requests that came the proxy's way.
type trusted struct{}

// byProxy says whether a request came where only the proxy can come.
func byProxy(r *http.Request) bool { return r.Context().Value(trusted{}) != nil }

// ListenProxy takes what the proxy comes by, if anything. Run must follow.
func (s *Server) ListenProxy() error {
	if s.Proxy.Socket != "" {
		listener, err := s.Proxy.listenUnix()
		if err != nil {
			return fmt.Errorf("listen on the socket %s: %w", s.Proxy.Socket, err)
		}
		s.proxies = append(s.proxies, listener)
	}
	if s.Proxy.Listen != "" {
		listener, err := s.listenTLS()
		if err != nil {
			return fmt.Errorf("listen on %s for a proxy: %w", s.Proxy.Listen, err)
		}
		s.proxies = append(s.proxies, listener)
	}
	return nil
}

// socket is a Unix socket that goes with its listener.
type socket struct {
	*net.UnixListener
	path string
}

func (s socket) Close() error {
	err := os.Remove(s.path) // before the end, after which another's may be there
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.UnixListener.Close())
}

// listenUnix makes the socket, mode 0660. It is made where nobody else may look and moved to its place when its mode and group are
// right, so that at no time others can connect; a dead one of before is replaced by that.
func (p Proxy) listenUnix() (net.Listener, error) {
	if there, err := net.Dial("unix", p.Socket); err == nil {
		_ = there.Close()
		return nil, errors.New("another process listens there")
	}
	if info, err := os.Lstat(p.Socket); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("there is something that is no socket (%v)", info.Mode())
	}
	hidden, err := os.MkdirTemp(filepath.Dir(p.Socket), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(hidden)
	made := filepath.Join(hidden, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	err = os.Chmod(made, 0o660)
	if err == nil && p.Group != "" {
		err = chgrp(made, p.Group)
	}
	if err == nil {
		err = os.Rename(made, p.Socket)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return socket{listener, p.Socket}, nil
}

func chgrp(path, name string) error {
	group, err := user.LookupGroup(name)
	if err != nil {
		return err
	}
	id, err := strconv.Atoi(group.Gid)
	if err == nil {
		err = os.Chown(path, -1, id)
	}
	if err != nil {
		return fmt.Errorf("give it to the group %s, of which this process must be a member: %w", name, err)
	}
	return nil
}

// listenTLS listens for who shows a certificate of the CA with the right name. Ours is read for each connection, so that a renewed
// one counts at once; of what cannot be read the last good one stays.
func (s *Server) listenTLS() (net.Listener, error) {
	p := s.Proxy
	text, err := os.ReadFile(p.CAFile)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", p.CAFile)
	}
	first, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", p.Listen, &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			now, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
			if err != nil {
				s.Log.Warn("the certificate for the proxy cannot be read; the one of the start is shown", "file", p.CertFile, "err", err)
				return &first, nil
			}
			return &now, nil
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			shown := state.PeerCertificates[0] // it was asked for and verified
			if names := append(shown.DNSNames, shown.Subject.CommonName); !slices.Contains(names, p.Client) {
				err := fmt.Errorf("the certificate is of %q, want one of %s", names, p.Client)
				s.Log.Warn("proxy refused", "err", err)
				return err
			}
			return nil
		},
	})
}

// withProxy is a context of which the proxy's requests are.
func withProxy(ctx context.Context) context.Context { return context.WithValue(ctx, trusted{}, true) }
