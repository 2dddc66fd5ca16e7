package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// topics runs lamplighter topics.
func topics(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = execute(t.Context(), append([]string{"topics"}, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// The broker is kfake: results/kafka does the same on a real one.
func TestTopicsCreateAndCheck(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	brokers := strings.Join(cluster.ListenAddrs(), ",")
	for _, step := range []struct {
		what   string
		args   []string
		code   exitCode
		stdout string
	}{
		{"nothing is there", []string{"check"}, exitUnavailable, "bmc.verdict.v1: there is no such topic\n"},
		{"all is made", []string{"create"}, exitOK, "bmc.state.v1: created\n"},
		{"all is there", []string{"check"}, exitOK, "9 topics are as they should be\n"},
		{"nothing is left to make", []string{"create"}, exitOK, "9 topics are as they should be\n"},
		{"one replica was wanted", []string{"check", "--replicas", "1"}, exitUnavailable, "bmc.verdict.v1: replicas: want 1, got 3\n"},
	} {
		code, stdout, stderr := topics(t, append(step.args, "--brokers", brokers)...)
		if code != int(step.code) || !strings.Contains(stdout, step.stdout) {
			t.Errorf("%s: exit code %d, printed %q %q", step.what, code, stdout, stderr)
		}
	}
}

func TestTopicsExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		args   []string
		code   exitCode
		stderr string
	}{
		"nobody is there":           {[]string{"check", "--brokers", "127.0.0.1:1"}, exitUnknown, "connect to kafka at 127.0.0.1:1"},
		"nobody is there to create": {[]string{"create", "--brokers", "127.0.0.1:1"}, exitUnknown, "connect to kafka at 127.0.0.1:1"},
		"no brokers":                {[]string{"check"}, exitUsage, `"brokers" not set`},
		"no replicas":               {[]string{"check", "--brokers", "a:1", "--replicas", "0"}, exitUsage, "--replicas: want 1 to 100, got 0"},
		"a login without a user":    {[]string{"check", "--brokers", "a:1", "--login", "SCRAM-SHA-512"}, exitUsage, "needs a user and a password"},
		"a login that is none":      {[]string{"check", "--brokers", "a:1", "--login", "KERBEROS"}, exitUsage, "want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
		"a CA without TLS":          {[]string{"check", "--brokers", "a:1", "--ca-file", "x"}, exitUsage, "of use with TLS only"},
		"a CA that is not there":    {[]string{"check", "--brokers", "a:1", "--tls", "--ca-file", filepath.Join(t.TempDir(), "x")}, exitUsage, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := topics(t, test.args...)
			if code != int(test.code) || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit code %d, printed %q", code, stderr)
			}
		})
	}
}
