package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/command"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/owners"
)

func TestAPersonListsAndClearsFencesOfASatelliteThatWorksAlone(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 3)
	bmc := fleet.one(t, inventory.Redfish)
	fleet.plant(t, bmc.ID, bmcsim.WrongPassword)
	r := goRound(t, fleet, time.Second, "")
	r.until(t, bmc.ID, checks.AuthRejected)

	ask := func(code exitCode, want string, args ...string) outcome {
		t.Helper()
		out := lamplighter(t, append(args, "--config", r.config)...)
		if out.code != int(code) || !strings.Contains(out.stdout+out.stderr, want) {
			t.Fatalf("%q: exit %d\n%s%s\nwant exit %d and %q", args, out.code, out.stdout, out.stderr, code, want)
		}
		return out
	}
	ask(exitOK, string(bmc.ID), "fence", "list")
	var stand fences
	if err := json.Unmarshal([]byte(ask(exitOK, "", "fence", "list", "--json").stdout), &stand); err != nil || len(stand.Fences) != 1 || stand.Fences[0].Tries != 1 {
		t.Errorf("%+v, %v", stand, err)
	}
	ask(exitUsage, "names no rabbitmq.urls", "recheck", string(bmc.ID))
	ask(exitUsage, "neither an ID nor an address", "fence", "clear", "nobody")
	ask(exitUsage, "either a BMC or --credential", "fence", "clear")

	ask(exitOK, "all probes are stopped", "stop", "--reason", "flood in room 3")
	fleet.cure(t, bmc.ID, bmcsim.WrongPassword)
	ask(exitOK, "the fence of "+string(bmc.ID)+" is cleared", "fence", "clear", bmc.Address.String())
	ask(exitOK, "no fence stands", "fence", "list")
	ask(exitOK, "may go on", "fence", "clear", "--credential", "default")
	ask(exitOK, "probes may go on", "go")
	eventually(t, 30*time.Second, "the BMC is well again", func() bool { return last(r.of(t, bmc.ID)).Health == checks.Available })
}

func TestWithoutAMemoryFileNothingIsMade(t *testing.T) {
	t.Parallel()
	path := askerConfig(t, simulateN(t, 1), "")
	out := lamplighter(t, "stop", "--config", path)
	if out.code != int(exitUsage) || !strings.Contains(out.stderr, "lamplighter all makes it when it starts") {
		t.Errorf("%+v", out)
	}
}

// askerConfig writes the configuration that a person's command reads.
func askerConfig(t *testing.T, fleet simulated, more string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "lamplighter.yaml")
	text := fmt.Sprintf("satellite: sat-a\nsite: sim1\ntargets: {loopback: true}\ninventory: %s\nkeyring: %s\nmemory: %s\n%s",
		fleet.file("inventory.csv"), fleet.file("keyring.yaml"), filepath.Join(dir, "memory"), more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// host is one satellite of a site as commands see it: owners and a desk on a broker, rounds that take a moment.
func host(t *testing.T, config, name string, m *memory.Memory, stopped func() bool) (l line) {
	t.Helper()
	c, err := LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Satellite = name
	broker, err := c.openBus(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	place := owners.New(owners.Config{Name: name, Air: broker, Stopped: stopped})
	var desk *command.Desk
	desk = command.NewDesk(command.Config{
		Site: "sim1", Satellite: name, Bus: broker, Memory: m, Owner: place.Owner,
		Request: func(_ context.Context, bmc inventory.ID, why checks.Why) (results.Verdict, error) {
			round := checks.Round{BMC: bmc, Due: time.Now(), Why: why}
			ping := checks.Result{Check: "ping", Outcome: checks.OK, TookMS: 3}
			desk.Observe(round, ping)
			carried := checks.Result{Check: "power", Outcome: checks.OK, AgeS: 120}
			return results.Verdict{BMC: bmc, Round: round, Satellite: name, Health: checks.Available, Trail: []checks.Result{ping, carried}}, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	for _, run := range []func(context.Context) error{broker.Run, desk.Run, place.Run} {
		go func() { ended <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	eventually(t, 30*time.Second, name+" hears itself", place.Alive)
	return broker
}

func TestAPersonAsksASiteOverRabbitMQ(t *testing.T) {
	rabbit := peers.StartRabbitMQ(t)
	fleet := simulateN(t, 3)
	config := askerConfig(t, fleet, fmt.Sprintf("rabbitmq: {urls: [\"amqp://127.0.0.1:%d/%s\"], user: %s, password_file: %s}\n",
		rabbit.Port, rabbit.VHost(t), peers.RabbitUser, secretFile(t, "password", peers.RabbitPassword)))
	m, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	var deaf atomic.Bool // sat-b does not obey
	stopped := func() bool { return m.Stopped().On }
	l := host(t, config, "sat-a", m, stopped)
	host(t, config, "sat-b", m, func() bool { return stopped() && !deaf.Load() })

	bmc := string(fleet.one(t, inventory.Redfish).ID)
	ask := func(code exitCode, want string, args ...string) outcome {
		t.Helper()
		out := lamplighter(t, append(args, "--config", config)...)
		if out.code != int(code) || !strings.Contains(out.stdout+out.stderr, want) {
			t.Fatalf("%q: exit %d\n%s%s\nwant exit %d and %q", args, out.code, out.stdout, out.stderr, code, want)
		}
		return out
	}
	out := ask(exitOK, "AVAILABLE", "recheck", bmc)
	for _, want := range []string{"checked by satellite sat-", "ping           ok", "power          ok", "carried: found 2m0s before this round"} {
		if strings.Count(out.stdout, want) != 1 {
			t.Errorf("want once %q in\n%s", want, out.stdout)
		}
	}
	if v := ask(exitOK, "", "recheck", bmc, "--json").verdict(t); string(v.BMC) != bmc {
		t.Errorf("%+v", v)
	}
	ask(exitOK, "no fence stands", "fence", "list")
	ask(exitOK, "is cleared (written down by sat-", "fence", "clear", bmc)
	out = ask(exitOK, "sat-a  stopped\nsat-b  stopped\n", "stop", "--reason", "flood")
	if !m.Stopped().On || !strings.HasSuffix(m.Stopped().By, ": flood") {
		t.Errorf("%+v", m.Stopped())
	}
	ask(exitUsage, "stopped since", "recheck", bmc)
	ask(exitOK, "sat-a  goes on\nsat-b  goes on\n", "go")
	deaf.Store(true)
	ask(exitUnknown, "sat-b  DOES NOT SAY that it stopped", "stop")
	ask(exitOK, "", "go")

	var firsts []time.Duration
	for range 5 {
		began, first := time.Now(), time.Duration(0)
		err := command.Ask(t.Context(), l, "sim1", command.Request{Kind: command.Recheck, BMC: inventory.ID(bmc), Who: "ada"}, func(a command.Answer) error {
			if a.Kind == command.Accepted && first == 0 {
				first = time.Since(began)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		firsts = append(firsts, first)
	}
	if slices.Min(firsts) > 300*time.Millisecond {
		t.Errorf("the first answer took %v: want 300 ms", firsts)
	}
	t.Log("first answers after", firsts)
	rabbit.Kill9()
	ask(exitUnknown, "rabbitmq was not reached", "fence", "list")
}

func TestStopNamesWhoeverDoesNotConfirm(t *testing.T) {
	member := func(name string, stopped bool, sees ...string) owners.Member {
		return owners.Member{Name: name, Stopped: stopped, Sees: sees}
	}
	for _, c := range []struct {
		name    string
		members []owners.Member
		want    string
	}{
		{"all stopped", []owners.Member{member("a", true, "a", "b"), member("b", true, "a", "b")}, ""},
		{"one goes on", []owners.Member{member("a", true, "a", "b"), member("b", false, "a", "b")}, "b"},
		{"one is seen by another only", []owners.Member{member("a", true, "a", "c")}, "c"},
		{"one goes on and sees nobody", []owners.Member{member("a", false)}, "a"},
	} {
		if got := strings.Join(unconfirmed(c.members, true), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNobodyHeardIsNoStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := confirm(t.Context(), new(bus.Memory), true, new(lockedBuffer))
		if err == nil || !strings.Contains(err.Error(), "no satellite was heard") || time.Since(began) != confirmFor {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
