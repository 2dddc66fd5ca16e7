package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/satellite/canary"
)

// The canaries are in every password of the fleet, and in every wrong one that is tried.
const (
	rightCanary = canary.Right
	wrongCanary = canary.Wrong
)

// searched is what runs of the program left behind, searched for secrets.
type searched struct {
	testing.TB
	bytes int
}

func (s *searched) output(what string, out outcome) {
	s.Helper()
	for name, text := range map[string]string{"stdout": out.stdout, "stderr": out.stderr} {
		s.bytes += len(text)
		if found := canary.Leaks(text); found != nil {
			s.Errorf("%s of %s holds a secret: %v", name, what, found)
		}
	}
}

// files searches every file below dir but those that are meant to hold secrets.
func (s *searched) files(dir string) {
	s.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(entry.Name(), "keyring") {
			return err
		}
		text, err := os.ReadFile(path)
		s.bytes += len(text)
		if found := canary.Leaks(path + string(text)); found != nil {
			s.Errorf("%s holds a secret: %v", path, found)
		}
		return err
	})
	if err != nil {
		s.Error(err)
	}
}

func TestSecretsAreInNoLogFileOrError(t *testing.T) {
	t.Parallel()
	plan := bmcsim.One(120, 0.4)
	plan.Secret, plan.Slow, plan.Script = rightCanary, time.Second, everyFault()
	fleet := simulate(t, plan)
	wrong := strings.ReplaceAll(readFile(t, fleet.file("keyring.yaml")), canary.Inner(strconv.Quote(rightCanary)), canary.Inner(strconv.Quote(wrongCanary)))
	fleet.put(t, "wrong.keyring.yaml", wrong, 0o600)
	fleet.put(t, "typed.keyring", wrongCanary+"typed\n", 0o600)
	if !strings.Contains(wrong, canary.Inner(strconv.Quote(wrongCanary))) {
		t.Fatal("the wrong keyring holds no wrong password")
	}
	s, memory := &searched{TB: t}, fleet.file("memory")
	bad := append([]string{"--log", "debug", "--memory", memory, "--keyring", fleet.file("wrong.keyring.yaml")}, hurry...)
	good := append([]string{"--log", "debug", "--memory", memory}, hurry...)

	all := secretsInAll(t, fleet)
	for _, format := range []string{"ndjson", "csv"} {
		s.output("sweep with wrong passwords", lamplighter(t, fleet.args("sweep", append(bad, "-o", format)...)...))
	}
	s.output("sweep", lamplighter(t, fleet.args("sweep", append(good, "-o", "ndjson")...)...))
	for _, protocol := range []inventory.Protocol{inventory.Redfish, inventory.IPMI} {
		id := string(fleet.one(t, protocol).ID)
		for _, form := range [][]string{nil, {"--json"}} {
			s.output("check", lamplighter(t, fleet.args("check", append(append([]string{id}, form...), good...)...)...))
			s.output("check with a wrong password", lamplighter(t, fleet.args("check", append(append([]string{id}, form...), bad...)...)...))
			s.output("check with a typed password", lamplighter(t, fleet.args("check", append(append([]string{id, "--username", "lamplighter",
				"--password-file", fleet.file("typed.keyring")}, form...), good...)...)...))
		}
	}
	all.search(t, s)
	s.files(fleet.dir)
	c := fleet.Counters().Total
	t.Logf("searched %d bytes; passwords received: %d right, %d wrong", s.bytes, c.OwnSecrets, c.UnknownSecrets)
	if c.OwnSecrets < 50 || c.UnknownSecrets < 50 || c.ForeignSecrets != 0 {
		t.Errorf("passwords received: %+v; want many right and wrong ones, or there is nothing to find", c)
	}
}

// secretsInAll runs lamplighter all at debug level beside the other runs.
func secretsInAll(t *testing.T, fleet simulated) *rounds {
	return goRound(t, fleet, 2*time.Second, "log: {level: debug, format: json}\ntimeouts: {ping: 1s, tls: 1s, redfish-login: 3s, ipmi-login: 2s, power: 2s}\ndrain: 8s\n")
}

// search ends all and searches what it left behind.
func (r *rounds) search(t *testing.T, s *searched) {
	t.Helper()
	eventually(t, 20*time.Second, "verdicts of all", func() bool { return len(r.of(t, "")) > len(r.BMCs()) })
	code := r.signal(t, syscall.SIGTERM, 25*time.Second)
	s.output("all", outcome{r.stdout.String(), r.stderr.String(), code})
	s.files(r.dir)
	if len(r.stderr.String()) < 100 {
		t.Errorf("all logged nothing: %s", r.stderr.String())
	}
}

func TestABadKeyringIsReportedWithoutItsPasswords(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 1)
	quoted := strconv.Quote(rightCanary)
	for name, text := range map[string]string{
		"unknown key":           "credentials:\n  default:\n    username: a\n    passwort: " + quoted,
		"no user":               "credentials:\n  default:\n    password: " + quoted,
		"password is a list":    "credentials:\n  default:\n    username: a\n    password: [" + quoted + "]",
		"bad indentation":       "credentials:\n  default:\n    username: a\n   password: " + quoted,
		"no closing quote":      "credentials:\n  default:\n    username: a\n    password: \"" + rightCanary[:8],
		"not quoted":            "credentials:\n  default:\n    username: a\n    password: %" + rightCanary,
		"twice":                 "credentials:\n  default:\n    username: a\n    password: " + quoted + "\n    password: " + quoted,
		"no credentials":        "default: " + quoted,
		"only the password":     rightCanary,
		"too long for anything": "credentials:\n  default:\n    username: a\n    password: " + strconv.Quote(strings.Repeat(rightCanary, 1000)),
		"a line break":          "credentials:\n  default:\n    username: a\n    password: " + strconv.Quote(rightCanary+"\nx"),
		"both":                  "credentials:\n  default:\n    username: a\n    password: " + quoted + "\n    password_file: " + quoted,
		"an anchor":             "credentials:\n  default: &x\n    username: a\n    password: !!binary " + quoted,
		"password as user":      "credentials:\n  default:\n    username: " + quoted + "\n    password: " + strconv.Quote(wrongCanary+"\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			path := secretFile(t, "keyring.yaml", text)
			s := &searched{TB: t}
			for _, args := range [][]string{
				{"sweep", "--inventory", fleet.file("inventory.csv"), "--keyring", path, "--memory", "none", "--log", "debug"},
				{"check", "127.10.0.1", "--keyring", path, "--memory", "none", "--timeout", "ping=100ms"},
				{"all", "--config", path},
			} {
				out := lamplighter(t, args...)
				s.output(strings.Join(args, " "), out)
				if args[0] == "sweep" && out.code != int(exitUsage) {
					t.Errorf("exit code %d, want 2: %s", out.code, out.stderr)
				}
			}
		})
	}
}
