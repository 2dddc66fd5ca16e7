package inventory

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// vaultSettings are what the file behind vault:FILE says. It holds no secret, only the paths of files that do.
type vaultSettings struct {
	address, namespace, caFile string
	mount, prefix              string // credential NAME is the secret MOUNT/PREFIX/NAME of a KV engine, version 2
	username, password         string // the fields of a secret
	auth, authMount, role      string
	roleIDFile, secretIDFile   string // of AppRole
	jwtFile, tokenFile         string // of a Kubernetes service account; of a token
	cache, stale, timeout      time.Duration
}

// The ways to sign in to Vault.
const (
	vaultAppRole    = "approle"
	vaultKubernetes = "kubernetes"
	vaultToken      = "token"
)

// serviceAccount is where Kubernetes mounts the token of a pod.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// readVaultSettings reads the file; a mistake is named with its line. Paths in it are relative to it.
func readVaultSettings(path string) (*vaultSettings, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	s, err := parseVaultSettings(path, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	return s, nil
}

func parseVaultSettings(path string, data []byte) (*vaultSettings, error) {
	s := &vaultSettings{mount: "secret", username: "username", password: "password", auth: vaultAppRole, cache: 10 * time.Minute, stale: time.Hour, timeout: 5 * time.Second}
	r := &keyringReader{file: path}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.badSyntax(err)
		return nil, r.bad.err()
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		r.badLine(1, "vault", "want one document with address, auth and mount")
		return nil, r.bad.err()
	}
	texts, spans := s.keys()
	r.each(file.Docs[0].Body, "vault", func(key string, node *ast.MappingValueNode) {
		text, ok := scalar(node.Value)
		switch {
		case !ok:
			r.badLine(lineOf(node), quote(key), "want text")
		case texts[key] != nil:
			*texts[key] = text
		case spans[key] != nil:
			if *spans[key], err = time.ParseDuration(text); err != nil || *spans[key] <= 0 {
				r.badLine(lineOf(node), key, "want a time span such as 10m, got "+quote(text))
			}
		default:
			r.badLine(lineOf(node), quote(key), "want one of "+strings.Join(slices.Sorted(maps.Keys(texts)), ", ")+", "+strings.Join(slices.Sorted(maps.Keys(spans)), ", "))
		}
	})
	if len(r.bad) == 0 {
		s.check(func(key, text string) { r.badLine(1, key, text) })
	}
	if err := r.bad.err(); err != nil {
		return nil, err
	}
	s.relativeTo(filepath.Dir(path))
	return s, nil
}

func (s *vaultSettings) keys() (texts map[string]*string, spans map[string]*time.Duration) {
	return map[string]*string{
		"address": &s.address, "namespace": &s.namespace, "ca_file": &s.caFile, "mount": &s.mount, "prefix": &s.prefix,
		"username_field": &s.username, "password_field": &s.password, "auth": &s.auth, "auth_mount": &s.authMount, "role": &s.role,
		"role_id_file": &s.roleIDFile, "secret_id_file": &s.secretIDFile, "jwt_file": &s.jwtFile, "token_file": &s.tokenFile,
	}, map[string]*time.Duration{"cache": &s.cache, "stale": &s.stale, "timeout": &s.timeout}
}

// check says what is missing, and fills in what follows.
func (s *vaultSettings) check(bad func(key, text string)) {
	if u, err := url.Parse(s.address); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		bad("address", "want https://HOST:PORT, got "+quote(s.address))
	} else if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		bad("address", "want https: passwords would go over the network as they are")
	}
	for key, text := range map[string]string{"mount": s.mount, "username_field": s.username, "password_field": s.password} {
		if text == "" {
			bad(key, "it is empty")
		}
	}
	need := func(key, text string) {
		if text == "" {
			bad(key, "auth "+s.auth+" wants it, got none")
		}
	}
	switch s.auth {
	case vaultAppRole:
		need("role_id_file", s.roleIDFile)
		need("secret_id_file", s.secretIDFile)
	case vaultKubernetes:
		need("role", s.role)
		if s.jwtFile == "" {
			s.jwtFile = serviceAccount
		}
	case vaultToken:
		need("token_file", s.tokenFile)
	default:
		bad("auth", "want approle, kubernetes or token, got "+quote(s.auth))
	}
	if s.authMount == "" {
		s.authMount = s.auth
	}
	if s.stale < s.cache {
		bad("stale", "want at least cache, "+s.cache.String())
	}
}

func (s *vaultSettings) relativeTo(dir string) {
	for _, path := range []*string{&s.caFile, &s.roleIDFile, &s.secretIDFile, &s.jwtFile, &s.tokenFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

func isLoopback(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}
