package ticket_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"lamplighter/results"
	"lamplighter/results/ticket"
)

const wholeBody = `What:      looks like rack C01: 2 BMCs net.timeout at ping
Counted:   40 of 40 in rack C01 at ping within 12 s; 0 of 760 elsewhere in row C
Where:     site ams1, room r1, row C, rack C01, U12
Since:     2026-11-26 11:55:00 UTC
Why:       net.timeout at ping: no answer within the timeout
Owner:     network
Next step: ping the rack's switch
Link:      https://lamplighter.example/incidents/inc-7
Incident:  inc-7

Evidence
- ping 10.1.2.3: no answer within 3s (icmp, tcp, rmcp)

2 of 40 BMCs fail
- srv-1  C01 U1  net.timeout at ping since 2026-11-26 12:00:00 UTC
- srv-1  C01 U2  net.timeout at ping since 2026-11-26 12:00:00 UTC

This is about service processors (BMCs). It does not say whether the servers behind them run.
`

func TestATicketSaysWhatWhereSinceWhenWhyWhoseAndWhatNext(t *testing.T) {
	t.Parallel()
	i := with(rack("inc-7", 2), func(i *results.Incident) { i.Unit = 12 })
	if got := ticket.Body(i, ticket.Link("https://lamplighter.example/incidents/{id}", "inc-7")); got != wholeBody {
		t.Errorf("got\n%s\nwant\n%s", got, wholeBody)
	}
	if got, want := ticket.Title(i), "ams1: looks like rack C01: 2 BMCs net.timeout at ping"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostileTextStaysOnItsLineAndWithinBounds(t *testing.T) {
	t.Parallel()
	nasty := "x\nOwner: me\x1b[31m\u202e\xff" + strings.Repeat("ä", 9000)
	i := with(rack("i", 200), func(i *results.Incident) {
		i.Title, i.Counted, i.NextStep, i.Site = nasty, nasty, nasty, nasty
		for range 300 {
			i.Evidence = append(i.Evidence, nasty)
		}
		for n := range i.Children {
			i.Children[n].Rack = nasty
		}
	})
	title, body := ticket.Title(i), ticket.Body(i, nasty)
	if len(title) > 200 || strings.ContainsAny(title, "\n\x1b\u202e") || !utf8.ValidString(title) {
		t.Errorf("title %q", title)
	}
	if len(body) > 16<<10 || strings.ContainsAny(body, "\x1b\u202e") || !utf8.ValidString(body) {
		t.Errorf("%d bytes: %q", len(body), body)
	}
	if strings.Count(body, "\nOwner:") != 1 {
		t.Errorf("a BMC wrote a line of its own:\n%s", body)
	}
}

func TestAnIncidentInDifferentPlacesSaysSo(t *testing.T) {
	t.Parallel()
	i := results.Incident{ID: "i", Title: "looks like credential idrac: 5 BMCs auth.rejected", Total: 5, Failing: 5}
	if body := ticket.Body(i, ""); !strings.Contains(body, "Where:     different sites\n") || strings.Contains(body, "Link:") {
		t.Errorf("got\n%s", body)
	}
}

func TestALinkIsOneWhateverTheIDIs(t *testing.T) {
	t.Parallel()
	if got, want := ticket.Link("https://l/incidents/{id}?tab=why", "a/b c?"), "https://l/incidents/a%2Fb%20c%3F?tab=why"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
