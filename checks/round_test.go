package checks

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"lamplighter/inventory"
)

// round is the chain over one BMC as an actor goes through it, without ping.
type round struct {
	visit   *Visit
	results []Result
}

func bmcAt(t testing.TB, endpoint string) inventory.BMC {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	return inventory.BMC{ID: "bmc-1", Address: addr.Addr(), Port: addr.Port(), Protocol: inventory.Redfish}
}

// visitTo is a visit that trusts any key and knows the login.
func visitTo(t testing.TB, endpoint string, known Known) *Visit {
	t.Helper()
	w := &Wires{Settings: DefaultSettings()}
	w.Settings.Trust = inventory.Trust{Mode: inventory.TrustInsecure}
	v := w.Visit(bmcAt(t, endpoint), known)
	v.Login = inventory.Credentials{Name: "default", Username: bmcUser, Password: inventory.NewSecret(bmcPassword)}
	return v
}

// goRound runs tls, redfish-login and power until one fails, then closes the visit.
func goRound(ctx context.Context, t testing.TB, v *Visit, timeout time.Duration) round {
	t.Helper()
	r := round{visit: v}
	for _, check := range []Check{{Name: TLS, Run: runTLS}, {Name: RedfishLogin, Run: runRedfishLogin}, {Name: Power, Run: runPower}} {
		start := time.Now()
		one, cancel := context.WithTimeout(ctx, timeout)
		found, err := check.Run(one, v)
		cancel()
		r.results = append(r.results, NewResult(check.Name, found, err, start, time.Now()))
		if err != nil {
			break
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*timeout)
	defer cancel()
	if err := v.Close(closing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Logf("close the visit: %v", err)
	}
	return r
}

func (r round) last() Result { return r.results[len(r.results)-1] }

func (r round) result(t testing.TB, name Name) Result {
	t.Helper()
	for _, result := range r.results {
		if result.Check == name {
			return result
		}
	}
	t.Fatalf("no result of %s: %+v", name, r.results)
	return Result{}
}

func mustEnd(t testing.TB, r round, check Name, reason Reason) Result {
	t.Helper()
	last := r.last()
	if last.Check != check || last.Reason != reason {
		t.Fatalf("ended at %s with %q (%s), want %s with %q", last.Check, last.Reason, last.Error, check, reason)
	}
	return last
}

func hasNote(r Result, note Reason) bool {
	for _, n := range r.Notes {
		if n == note {
			return true
		}
	}
	return false
}
