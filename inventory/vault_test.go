package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/inventory/vaultstandin"
)

// vaultFile writes the file of a vault, with what signs in.
func vaultFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"role_id": "lamplighter\n", "secret_id": "sesame\n", "token": "root-token\n", "jwt": "of-the-pod", "vault.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "vault.yaml")
}

func openVault(t *testing.T, s *vaultstandin.Server, more string) *vaultKeyring {
	t.Helper()
	text := "address: " + s.URL + "\nmount: bmc\nprefix: ams1\n"
	if !strings.Contains(more, "auth:") {
		text += "auth: approle\nrole_id_file: role_id\nsecret_id_file: secret_id\n"
	}
	k, err := OpenKeyring("vault:" + vaultFile(t, text+more))
	if err != nil {
		t.Fatal(err)
	}
	return k.(*vaultKeyring)
}

// later has a keyring believe that it is so much later.
func (k *vaultKeyring) later(d time.Duration) {
	before := k.now
	k.mu.Lock()
	k.now = func() time.Time { return before().Add(d) }
	k.mu.Unlock()
}

func credentialsOf(t *testing.T, k Keyring, name string) Credentials {
	t.Helper()
	c, err := k.Credentials(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// settled waits until no reading goes on.
func (k *vaultKeyring) settled(t *testing.T, name string) {
	t.Helper()
	k.mu.Lock()
	reading := k.kept[name].reading
	k.mu.Unlock()
	if reading == nil {
		return
	}
	select {
	case <-reading:
	case <-time.After(30 * time.Second):
		t.Fatal("the reading does not end")
	}
}

func TestTenThousandBMCsWithOneCredentialCostOneReadPerCacheLifetime(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "first"})
	k := openVault(t, s, "cache: 10m\n")
	all := func() {
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				for range 100 {
					if c, err := k.Credentials(t.Context(), "default"); err != nil || c.Username != "monitor" || c.Version == "" {
						t.Errorf("%+v, %v", c, err)
						return
					}
				}
			})
		}
		group.Wait()
		k.settled(t, "default")
	}
	for lifetime := 1; lifetime <= 3; lifetime++ {
		all()
		if n := s.Reads(); n != lifetime {
			t.Errorf("in %d lifetimes of the cache %d reads", lifetime, n)
		}
		k.later(10 * time.Minute)
	}
}

func TestANewVersionInVaultIsHandedOutAfterTheCacheLifetime(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "first"})
	k := openVault(t, s, "")
	before := credentialsOf(t, k, "default")
	s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "second"})
	if c := credentialsOf(t, k, "default"); c.Version != before.Version {
		t.Error("within the lifetime it was read again")
	}
	k.later(11 * time.Minute)
	credentialsOf(t, k, "default") // the old one, while the new one is read
	k.settled(t, "default")
	if c := credentialsOf(t, k, "default"); c.Version == before.Version || c.Password.Reveal() != "second" {
		t.Errorf("%+v", c)
	}
}

func TestADeadOrSlowVaultDelaysNobodyWhoseCredentialIsKnownUntilItIsTooOld(t *testing.T) {
	for what, break_ := range map[string]func(*vaultstandin.Server){
		"sealed":      func(s *vaultstandin.Server) { s.Seal() },
		"slow":        func(s *vaultstandin.Server) { s.Hang() },
		"gone":        func(s *vaultstandin.Server) { s.Close() },
		"denied":      func(s *vaultstandin.Server) { s.Deny() },
		"not a vault": func(s *vaultstandin.Server) { s.AnswerHTML() },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := vaultstandin.Start(t)
			s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "first"})
			k := openVault(t, s, "stale: 1h\ntimeout: 1s\n")
			credentialsOf(t, k, "default")
			break_(s)
			for range 5 {
				k.later(11 * time.Minute)
				began := time.Now()
				credentialsOf(t, k, "default")
				if took := time.Since(began); took > 900*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				k.settled(t, "default")
			}
			k.later(11 * time.Minute)
			_, err := k.Credentials(t.Context(), "default")
			if !errors.Is(err, ErrKeyring) || errors.Is(err, ErrNoCredential) || !strings.Contains(err.Error(), "read last at") {
				t.Errorf("after an hour: %v", err)
			}
			k.settled(t, "default")
		})
	}
}

func TestWhatVaultAnswersHasAName(t *testing.T) {
	for _, one := range []struct {
		what  string
		set   func(*vaultstandin.Server)
		more  string
		wraps error
		want  string
	}{
		{"the secret is missing", func(*vaultstandin.Server) {}, "", ErrNoCredential, "bmc/ams1/default"},
		{"the newest version was deleted", func(s *vaultstandin.Server) {
			s.Write("bmc", "ams1/default", map[string]any{"password": "x"})
			s.Delete("bmc", "ams1/default")
		}, "", ErrNoCredential, "deleted"},
		{"Vault is sealed", func(s *vaultstandin.Server) { s.Seal() }, "", ErrKeyring, "unseal"},
		{"the policy does not let us", func(s *vaultstandin.Server) { s.Deny() }, "", ErrKeyring, "policy"},
		{"the secret ID is wrong", func(s *vaultstandin.Server) { s.SecretID = "another" }, "", ErrKeyring, "sign in to vault by approle"},
		{"Vault wants a pause", func(s *vaultstandin.Server) { s.Limit() }, "", ErrKeyring, "fewer questions"},
		{"a web server answers", func(s *vaultstandin.Server) { s.AnswerHTML() }, "", ErrKeyring, "no answer of Vault"},
		{"the password has another name", func(s *vaultstandin.Server) {
			s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "pw": "x"})
		}, "", ErrKeyring, `field "password"`},
		{"the password is a number", func(s *vaultstandin.Server) {
			s.Write("bmc", "ams1/default", map[string]any{"password": 123456})
		}, "", ErrKeyring, `field "password"`},
		{"the token is not known", func(s *vaultstandin.Server) { s.Revoke() }, "auth: token\ntoken_file: token\n", ErrKeyring, "denies"},
	} {
		t.Run(one.what, func(t *testing.T) {
			t.Parallel()
			s := vaultstandin.Start(t)
			one.set(s)
			k := openVault(t, s, one.more)
			_, err := k.Credentials(t.Context(), "default")
			if !errors.Is(err, one.wraps) || !strings.Contains(fmt.Sprint(err), one.want) {
				t.Errorf("error %v, want one of kind %q with %q", err, one.wraps, one.want)
			}
			reads, signIns := s.Reads(), s.SignIns()
			for range 100 { // nobody hammers a Vault that said no
				if _, again := k.Credentials(t.Context(), "default"); again == nil {
					t.Error("then it succeeds")
				}
			}
			if s.Reads() != reads || s.SignIns() != signIns {
				t.Errorf("%d reads more, %d sign-ins more", s.Reads()-reads, s.SignIns()-signIns)
			}
			for _, secret := range []string{"sesame", "root-token", "123456"} {
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

func TestATokenIsRenewedAndWhenItEndedAnotherIsFetched(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "first"})
	k := openVault(t, s, "cache: 1m\n")
	read := func() {
		credentialsOf(t, k, "default")
		k.settled(t, "default")
		credentialsOf(t, k, "default")
	}
	read()
	k.later(45 * time.Minute) // of an hour
	read()
	if s.SignIns() != 1 || s.Renewals() != 1 {
		t.Errorf("%d sign-ins and %d renewals, want 1 and 1", s.SignIns(), s.Renewals())
	}
	s.Revoke() // its token ended early
	k.later(2 * time.Minute)
	read()
	if s.SignIns() != 2 || s.Reads() != 4 { // of which one was denied
		t.Errorf("%d sign-ins and %d reads, want 2 and 4", s.SignIns(), s.Reads())
	}
}

func TestARotationUnderWayIsASecondPasswordInTheSecret(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "old", "next_password": "new"})
	s.Write("bmc", "ams1/wrong", map[string]any{"password": "old", "next_password": 7})
	k := openVault(t, s, "")
	c := credentialsOf(t, k, "default")
	if c.Password.Reveal() != "old" || c.Next == nil || c.Next.Password.Reveal() != "new" || c.Next.Username != "monitor" || c.Next.Version == c.Version || c.Next.Name != "default" {
		t.Errorf("%+v, next %+v", c, c.Next)
	}
	if _, err := k.Credentials(t.Context(), "wrong"); !errors.Is(err, ErrKeyring) || !strings.Contains(err.Error(), `field "next_password"`) {
		t.Error(err)
	}
	s.Write("bmc", "ams1/default", map[string]any{"username": "monitor", "password": "new"})
	k.later(time.Hour)
	if done := credentialsOf(t, k, "default"); done.Next != nil || done.Version != c.Next.Version {
		t.Errorf("%+v: want the version that it was next", done)
	}
}

func TestAPodSignsInWithItsServiceAccount(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/racks/A01", map[string]any{"password": "of a rack"})
	k := openVault(t, s, "auth: kubernetes\nrole: satellite\njwt_file: jwt\n")
	if c := credentialsOf(t, k, "racks/A01"); c.Password.Reveal() != "of a rack" || c.Username != "" {
		t.Errorf("%+v", c)
	}
}

func TestNamesOfTheCMDBLeadToNoOtherSecret(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "root", map[string]any{"password": "not ours"})
	k := openVault(t, s, "")
	for _, name := range []string{"", "..", "../root", "a/../../root", "/root", "a//b", "a/", ".", "a\x00b", "a?version=1", "a%2f..%2froot", `a\b`, "+", "*", strings.Repeat("a", 600)} {
		if _, err := k.Credentials(t.Context(), name); !errors.Is(err, ErrNoCredential) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if s.Reads() > 0 {
		t.Errorf("%d reads", s.Reads())
	}
}

func TestWhoWaitsForVaultEndsWithItsContext(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Hang()
	k := openVault(t, s, "timeout: 1s\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Credentials(ctx, "default"); !errors.Is(err, ErrKeyring) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	k.settled(t, "default")
}

func TestMistakesInTheFileOfAVaultAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "want one document",
		"address: vault:8200\n":                  "want https://HOST:PORT",
		"address: http://10.0.0.1\n":             "passwords would go over the network as they are",
		"address: https://v\nauth: ldap\n":       "want approle, kubernetes or token",
		"address: https://v\n":                   "role_id_file: auth approle wants it",
		"address: https://v\nauth: token\n":      "token_file: auth token wants it",
		"address: https://v\nauth: kubernetes\n": "role: auth kubernetes wants it",
		"address: https://v\nauth: token\ntoken_file: t\ncache: fast\n":        "vault.yaml:4: cache: want a time span",
		"address: https://v\nauth: token\ntoken_file: t\ncache: 2h\n":          "stale: want at least cache",
		"address: https://v\nauth: token\ntoken: hvs.abc\n":                    `vault.yaml:3: "token": want one of address,`,
		"address: https://v\nauth: token\ntoken_file: t\nmount: ''\n":          "mount: it is empty",
		"address: https://v\naddress: https://w\nauth: token\ntoken_file: t\n": "vault.yaml:2: syntax",
		"address: [a, b]\n": "want text",
		"address: https://v\nauth: token\ntoken_file: t\nca_file: /no/such.pem\n": "ca_file /no/such.pem",
	} {
		_, err := OpenKeyring("vault:" + vaultFile(t, text))
		if !errors.Is(err, ErrKeyring) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("of %q: %v, want %q", text, err, want)
		}
	}
	if _, err := OpenKeyring("vault:/no/such/file"); !errors.Is(err, ErrKeyring) {
		t.Error(err)
	}
}

func TestAtTheStartAVaultThatIsAwayIsToldFromACredentialThatIsMissing(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/a", map[string]any{"password": "x"})
	if err := CheckNames(t.Context(), openVault(t, s, ""), []string{"a", "b"}); !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrAway) {
		t.Errorf("one is missing: %v", err)
	}
	s.Seal()
	signIns := s.SignIns()
	if err := CheckNames(t.Context(), openVault(t, s, ""), []string{"a", "b", "c", "d"}); !errors.Is(err, ErrAway) || !errors.Is(err, ErrKeyring) || s.SignIns() > signIns+1 {
		t.Errorf("it is sealed: %v, after %d questions", err, s.SignIns()-signIns)
	}
}

// FuzzVaultSettings holds that any file is either refused or leads to settings that can be used.
func FuzzVaultSettings(f *testing.F) {
	f.Add([]byte("address: https://v\nauth: token\ntoken_file: t\n"))
	f.Add([]byte("&a !b [c]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseVaultSettings("vault.yaml", data)
		if err == nil && (s.address == "" || s.mount == "" || s.cache <= 0 || s.stale < s.cache) {
			t.Errorf("%+v", s)
		}
	})
}

// FuzzVaultAnswer holds that whatever answers, nothing but a text becomes a password.
func FuzzVaultAnswer(f *testing.F) {
	f.Add([]byte(`{"data":{"data":{"password":"p"},"metadata":{"version":1}}}`))
	f.Add([]byte(`{"data":{"data":null,"metadata":{}}}`))
	f.Add([]byte(`<html>`))
	var mu sync.Mutex
	var answer []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write(answer)
	}))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		mu.Lock()
		answer = data
		mu.Unlock()
		k, err := openVaultKeyring(vaultFile(t, "address: "+server.URL+"\nauth: token\ntoken_file: token\n"))
		if err != nil {
			t.Fatal(err)
		}
		defer k.client.CloneConfig().HttpClient.CloseIdleConnections()
		c, err := k.Credentials(t.Context(), "default")
		k.settled(t, "default")
		if err != nil {
			if !errors.Is(err, ErrKeyring) && !errors.Is(err, ErrNoCredential) {
				t.Error(err)
			}
			return
		}
		var said struct {
			Data struct {
				Data map[string]any `json:"data"`
			} `json:"data"`
		}
		if json.Unmarshal(data, &said) != nil || said.Data.Data["password"] != c.Password.Reveal() {
			t.Errorf("the password of %q is %q", data, c.Password.Reveal())
		}
	})
}

func TestTheExampleOfAVaultIsWhole(t *testing.T) {
	s, err := readVaultSettings("../deploy/vault.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../deploy/vault.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts, spans := s.keys()
	for _, key := range slices.Concat(slices.Collect(maps.Keys(texts)), slices.Collect(maps.Keys(spans))) {
		if !strings.Contains(string(text), key) {
			t.Errorf("it does not explain %s", key)
		}
	}
	fresh, err := parseVaultSettings("v", []byte("address: https://v\nauth: token\ntoken_file: t\n"))
	if err != nil || s.cache != fresh.cache || s.stale != fresh.stale || s.timeout != fresh.timeout {
		t.Errorf("its time spans are not the ones that hold where nothing is said: %+v, %v", fresh, err)
	}
}
