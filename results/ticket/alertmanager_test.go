package ticket_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/results"
	"lamplighter/results/ticket"
)

// heardAlert is an alert as Alertmanager gives it back.
type heardAlert struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
	Status              struct{ State string }
}

// alerts are what a real Alertmanager has of an incident now.
func alerts(t *testing.T, a *peers.Alertmanager, incident string) (found []heardAlert) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get(a.URL + "/api/v2/alerts?filter=" + url.QueryEscape(`incident="`+incident+`"`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	return found
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// A Keeper, and a real Alertmanager, which forgets.
func TestARealAlertmanagerHasOneAlertPerIncidentUntilItIsOver(t *testing.T) {
	t.Parallel()
	server := peers.StartAlertmanager(t)
	desk := ticket.NewAlertmanager(ticket.Web{Name: "am", URL: server.URL}, ticket.AlertmanagerSettings{Labels: map[string]string{"team": "dc"}, Last: time.Hour})
	defer desk.Close()
	k := ticket.New(ticket.Config{
		Desks: map[string]ticket.Desk{"am": desk}, Routes: []ticket.Route{{Desk: "am"}}, Rules: ticket.Rules{Quiet: time.Millisecond, Reopen: time.Hour},
		Most: 1, Within: time.Hour, Resend: map[string]time.Duration{"am": 200 * time.Millisecond}, Link: "https://l/incidents/{id}",
		Write: func(context.Context, results.Ticket) error { return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = k.Run(ctx) })
	defer group.Wait()
	defer cancel()

	i := with(rack("inc-a", 3), func(i *results.Incident) { i.Since = time.Now().Add(-time.Minute) })
	k.Take(i, ticket.Nowhere, 0)
	k.Take(with(i, func(i *results.Incident) { i.ID, i.Page = "inc-b", false }), ticket.Nowhere, 0) // Alertmanager groups: it is not braked
	eventually(t, "no alert", func() bool { return len(alerts(t, server, "inc-a")) == 1 && len(alerts(t, server, "inc-b")) == 1 })
	got := alerts(t, server, "inc-a")[0]
	if l := got.Labels; l["alertname"] != "LamplighterIncident" || l["page"] != "true" || l["team"] != "dc" || l["site"] != "ams1" || got.Status.State == "" {
		t.Errorf("%+v", got)
	}
	if got.Annotations["next_step"] != i.NextStep || got.Annotations["summary"] != ticket.Title(i) || got.GeneratorURL != "https://l/incidents/inc-a" || !got.StartsAt.Equal(i.Since.Truncate(time.Millisecond)) {
		t.Errorf("%+v", got)
	}
	if alerts(t, server, "inc-b")[0].Labels["page"] != "false" {
		t.Error("what is not worth waking somebody is not told apart")
	}
	more := with(i, func(i *results.Incident) { i.Seq, i.Failing, i.Owner = 2, 9, "server" })
	k.Take(more, ticket.Nowhere, 0)
	eventually(t, "the alert did not change, or is another", func() bool {
		all := alerts(t, server, "inc-a")
		return len(all) == 1 && all[0].Annotations["owner"] == "server"
	})
	more = with(more, func(i *results.Incident) { i.Seq, i.Cause.Kind = 3, results.CauseRow })
	k.Take(more, ticket.Nowhere, 0)
	eventually(t, "an incident that was widened has another alert", func() bool {
		all := alerts(t, server, "inc-a")
		return len(all) == 1 && all[0].Annotations["kind"] == "row"
	})
	more = with(more, func(i *results.Incident) { i.Seq, i.Page, i.Site = 4, false, "" })
	k.Take(more, ticket.Nowhere, 0)
	eventually(t, "the alert that was to wake somebody did not end when there was nobody to be woken any more", func() bool {
		all := alerts(t, server, "inc-a")
		return len(all) == 1 && all[0].Labels["page"] == "false" && all[0].Labels["site"] == ""
	})
	end := alerts(t, server, "inc-a")[0].EndsAt
	eventually(t, "it was not told again", func() bool { return alerts(t, server, "inc-a")[0].EndsAt.After(end) })
	k.Take(with(more, func(i *results.Incident) { over(i); i.Seq = 5 }), ticket.Nowhere, 0)
	eventually(t, "the alert is still there", func() bool { return len(alerts(t, server, "inc-a")) == 0 })
	if len(alerts(t, server, "inc-b")) != 1 {
		t.Error("the other alert is gone, too")
	}
}
