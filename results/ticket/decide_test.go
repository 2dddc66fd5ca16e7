package ticket_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/ticket"
)

var (
	noon  = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	rules = ticket.Rules{Quiet: 10 * time.Minute, Reopen: 24 * time.Hour}
)

// rack is an incident of a rack where so many of 40 BMCs fail.
func rack(id string, fails int) results.Incident {
	i := results.Incident{
		Schema: results.IncidentSchema, ID: id, Seq: 1, Status: results.Open,
		Cause: results.Cause{Kind: results.CauseRack, Key: "ams1/r1/C/C01", Name: "rack C01 (ams1, room r1, row C)"},
		Title: fmt.Sprintf("looks like rack C01: %d BMCs net.timeout at ping", fails), Counted: "40 of 40 in rack C01 at ping within 12 s; 0 of 760 elsewhere in row C",
		Health: checks.Unavailable, Failed: checks.Ping, Reason: checks.NetTimeout, Owner: checks.OwnerNetwork, NextStep: "ping the rack's switch",
		Evidence: []string{"ping 10.1.2.3: no answer within 3s (icmp, tcp, rmcp)"},
		Site:     "ams1", Room: "r1", Row: "C", Rack: "C01", Since: noon.Add(-5 * time.Minute), OpenedAt: noon, UpdatedAt: noon, Total: 40, Failing: fails, Page: true,
	}
	for n := range fails {
		i.Children = append(i.Children, results.Child{BMC: "srv-1", Rack: "C01", Unit: float64(n + 1), Failed: checks.Ping, Reason: checks.NetTimeout, Since: noon})
	}
	return i
}

func with(i results.Incident, change func(*results.Incident)) results.Incident {
	change(&i)
	return i
}

// knownOf is what is known of a ticket that was told of an incident some time ago.
func knownOf(i results.Incident, ago time.Duration, open bool) results.Ticket {
	return results.Ticket{Incident: i.ID, Desk: "d", Ref: "OPS-1", Open: open, Seq: i.Seq, At: noon.Add(-ago), OpenedAt: noon.Add(-ago), Said: results.SaidOf(i)}
}

func TestWhatIsDoneAtADesk(t *testing.T) {
	t.Parallel()
	closed := func(i *results.Incident) { i.Status, i.Closed, i.ClosedAt = results.Resolved, results.Recovered, noon }
	silenced := func(i *results.Incident) {
		i.Silenced = &results.Silenced{Silence: "s", Until: noon.Add(time.Hour)}
	}
	there, shut := ticket.Found{Ref: "OPS-1", There: true, Open: true}, ticket.Found{Ref: "OPS-1", There: true}
	byHand := with1(knownOf(rack("i", 3), time.Hour, false), func(k *results.Ticket) { k.ByHand = true })
	for name, test := range map[string]struct {
		known    results.Ticket
		found    ticket.Found
		incident results.Incident
		want     ticket.Act
		say      string
	}{
		"an incident without a ticket gets one":                          {results.Ticket{}, ticket.Found{}, rack("i", 3), ticket.Open, ""},
		"a silenced one gets none":                                       {results.Ticket{}, ticket.Found{}, with(rack("i", 3), silenced), ticket.Nothing, ""},
		"it gets one when the silence is over":                           {results.Ticket{}, ticket.Found{}, with(rack("i", 3), func(i *results.Incident) { silenced(i); i.Silenced.Until = noon }), ticket.Open, ""},
		"a silence without end holds for ever":                           {results.Ticket{}, ticket.Found{}, with(rack("i", 3), func(i *results.Incident) { silenced(i); i.Silenced.Until = noon.AddDate(9000, 0, 0) }), ticket.Nothing, ""},
		"a closed incident that has none gets none":                      {results.Ticket{}, ticket.Found{}, with(rack("i", 0), closed), ticket.Nothing, ""},
		"a recovery closes the ticket":                                   {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 0), closed), ticket.Close, "work again after 5m0s"},
		"a recovery closes it while silenced, too":                       {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 0), func(i *results.Incident) { closed(i); silenced(i) }), ticket.Close, "work again"},
		"one that became a part of another names it":                     {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 0), func(i *results.Incident) { closed(i); i.Closed, i.Into = results.Merged, "inc-9" }), ticket.Close, "inc-9"},
		"BMCs that left the inventory close it":                          {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 0), func(i *results.Incident) { closed(i); i.Closed = results.Left }), ticket.Close, "inventory no more"},
		"a ticket that was closed by hand before the recovery stays":     {knownOf(rack("i", 3), time.Hour, true), shut, with(rack("i", 0), closed), ticket.Nothing, ""},
		"more BMCs are a comment":                                        {knownOf(rack("i", 3), time.Hour, true), there, rack("i", 9), ticket.Comment, "9 of 40 BMCs fail, before: 3 of 40"},
		"another cause is a comment":                                     {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 3), func(i *results.Incident) { i.Cause.Name = "row C" }), ticket.Comment, "looks like row C now"},
		"somebody who is on it is a comment":                             {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 3), func(i *results.Incident) { i.Ack = &results.IncidentAck{Who: "ada", Note: "on my way"} }), ticket.Comment, "ada is on it: on my way"},
		"nothing new is no comment":                                      {knownOf(rack("i", 3), time.Hour, true), there, rack("i", 3), ticket.Nothing, ""},
		"no comment while it is silenced":                                {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 9), silenced), ticket.Nothing, ""},
		"a ticket of another process is taken over":                      {results.Ticket{}, there, rack("i", 3), ticket.Nothing, ""},
		"one that it closed is opened again":                             {knownOf(with(rack("i", 0), closed), time.Hour, false), shut, rack("i", 3), ticket.Reopen, "It is back"},
		"one that was closed for longer is not":                          {knownOf(with(rack("i", 0), closed), 25*time.Hour, false), shut, rack("i", 3), ticket.Open, ""},
		"one that the desk never opens again is not":                     {knownOf(with(rack("i", 0), closed), time.Hour, false), ticket.Found{Ref: "INC1", There: true, Final: true}, rack("i", 3), ticket.Open, ""},
		"one that is gone is not":                                        {knownOf(with(rack("i", 0), closed), time.Hour, false), ticket.Found{}, rack("i", 3), ticket.Open, ""},
		"one closed by hand is left, and told why once":                  {knownOf(rack("i", 3), time.Hour, true), shut, rack("i", 3), ticket.Comment, "closed while 3 of 40 BMCs fail"},
		"one closed by hand is not told twice":                           {byHand, shut, rack("i", 2), ticket.Nothing, ""},
		"one closed by hand is opened again when it gets worse":          {byHand, shut, rack("i", 4), ticket.Reopen, "worse than when this was closed by hand"},
		"one closed by hand and opened by hand is commented on":          {byHand, there, rack("i", 4), ticket.Comment, "4 of 40"},
		"one deleted by hand is not made again":                          {knownOf(rack("i", 3), time.Hour, true), ticket.Found{}, rack("i", 3), ticket.Nothing, ""},
		"one deleted by hand is made again when it gets worse":           {knownOf(rack("i", 3), time.Hour, true), ticket.Found{}, rack("i", 4), ticket.Open, ""},
		"a closed ticket that nobody wrote down was closed by hand":      {results.Ticket{}, shut, rack("i", 3), ticket.Nothing, ""},
		"unless the incident was closed in between":                      {results.Ticket{}, shut, with(rack("i", 3), func(i *results.Incident) { i.Reopened = 1 }), ticket.Reopen, "It is back"},
		"an incident that could not be told before is told now":          {results.Ticket{Incident: "i", Desk: "d", Error: "away"}, ticket.Found{}, rack("i", 3), ticket.Open, ""},
		"evidence from a BMC cannot write further lines into a comment":  {knownOf(rack("i", 3), time.Hour, true), there, with(rack("i", 3), func(i *results.Incident) { i.Cause.Name = "a\nOwner: me" }), ticket.Comment, "looks like a Owner: me now"},
		"a worse health is worse though no more BMCs fail, also by hand": {with1(byHand, func(k *results.Ticket) { k.Said.Health = checks.Degraded }), shut, rack("i", 3), ticket.Reopen, "unavailable now, before: degraded"},
	} {
		t.Run(name, func(t *testing.T) {
			d := ticket.Decide(test.known, test.found, test.incident, noon, rules)
			if d.Act != test.want || !strings.Contains(d.Comment, test.say) || d.Why == "" || test.say == "" && d.Comment != "" {
				t.Errorf("got %+v, want %s with %q", d, test.want, test.say)
			}
		})
	}
}

func with1(k results.Ticket, change func(*results.Ticket)) results.Ticket {
	change(&k)
	return k
}

func TestWhenADeskIsAsked(t *testing.T) {
	t.Parallel()
	silenced := with(rack("i", 3), func(i *results.Incident) { i.Silenced = &results.Silenced{Until: noon.Add(time.Hour)} })
	closed := with(rack("i", 0), func(i *results.Incident) { i.Status = results.Resolved })
	for name, test := range map[string]struct {
		known    results.Ticket
		incident results.Incident
		due      bool
		again    time.Time
	}{
		"a new one at once":                                {results.Ticket{}, rack("i", 3), true, time.Time{}},
		"a silenced one when the silence ends":             {results.Ticket{}, silenced, false, noon.Add(time.Hour)},
		"a closed one that nobody heard of never":          {results.Ticket{}, closed, false, time.Time{}},
		"a closed one that has a ticket at once":           {knownOf(rack("i", 3), time.Second, true), closed, true, time.Time{}},
		"an unchanged one never":                           {knownOf(rack("i", 3), time.Hour, true), rack("i", 3), false, time.Time{}},
		"other numbers after a quiet time":                 {knownOf(rack("i", 3), time.Minute, true), rack("i", 9), false, noon.Add(9 * time.Minute)},
		"other numbers at once where it was quiet":         {knownOf(rack("i", 3), 10*time.Minute, true), rack("i", 9), true, time.Time{}},
		"another owner at once":                            {knownOf(rack("i", 3), time.Minute, true), with(rack("i", 3), func(i *results.Incident) { i.Owner = checks.OwnerServer }), true, time.Time{}},
		"one closed by hand that did not get worse never":  {with1(knownOf(rack("i", 3), time.Hour, false), func(k *results.Ticket) { k.ByHand = true }), rack("i", 2), false, time.Time{}},
		"one that a storm lists and that goes on never":    {results.Ticket{In: "storm-a", OpenedAt: noon, Open: true, Said: results.SaidOf(rack("i", 3))}, rack("i", 9), false, time.Time{}},
		"one that a storm lists and that is over, at once": {results.Ticket{In: "storm-a", OpenedAt: noon, Open: true, Said: results.SaidOf(rack("i", 3))}, closed, true, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			if due, again := ticket.Due(test.known, test.incident, noon, rules); due != test.due || !again.Equal(test.again) {
				t.Errorf("got %v %v, want %v %v", due, again, test.due, test.again)
			}
		})
	}
}

// A desk in which people close, delete and open tickets at random, and an incident that does what it likes.
func TestRandomStoriesOfAnIncidentAndItsTicket(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		s := &story{random: rand.New(rand.NewPCG(seed, 7)), now: noon, incident: rack("i", 3)}
		for range 60 {
			s.happens()
			if err := s.look(); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, strings.Join(s.said, "\n"))
			}
		}
	}
}

type story struct {
	random   *rand.Rand
	now      time.Time
	incident results.Incident
	known    results.Ticket
	desk     ticket.Found
	person   bool // closed or deleted the newest ticket
	said     []string
}

// happens lets one thing happen.
func (s *story) happens() {
	s.now = s.now.Add(time.Duration(s.random.Int64N(int64(6 * time.Hour))))
	s.incident.Seq++
	switch i := &s.incident; s.random.IntN(9) {
	case 0:
		i.Status, i.Failing = results.Resolved, 0
	case 1:
		i.Status, i.Reopened, i.Failing = results.Open, i.Reopened+1, 1+s.random.IntN(40)
	case 2, 3:
		if i.Status == results.Open {
			i.Failing = 1 + s.random.IntN(40)
		}
	case 4:
		i.Silenced = &results.Silenced{Until: s.now.Add(time.Hour)}
	case 5:
		i.Silenced = nil
	case 6:
		if s.desk.Open {
			s.desk.Open, s.person = false, true
		}
	case 7:
		if s.desk.There && s.desk.Open {
			s.desk, s.person = ticket.Found{}, true
		}
	case 8:
		if s.desk.There && !s.desk.Open && s.person {
			s.desk.Open, s.person = true, false
		}
	}
}

// look does what a Keeper does, and says what must not be.
func (s *story) look() error {
	i := s.incident
	due, _ := ticket.Due(s.known, i, s.now, rules)
	if !due {
		return nil
	}
	d := ticket.Decide(s.known, s.desk, i, s.now, rules)
	s.said = append(s.said, fmt.Sprintf("%s %d/%d silenced=%v, desk %+v: %s, %s", i.Status, i.Failing, i.Total, i.Silenced != nil, s.desk, d.Act, d.Why))
	silent := i.Silenced != nil && s.now.Before(i.Silenced.Until)
	worse := i.Failing > s.known.Said.Failing
	open := i.Status == results.Open
	switch {
	case d.Act == ticket.Open && s.desk.There && s.desk.Open:
		return fmt.Errorf("a second ticket")
	case silent && open && d.Act != ticket.Nothing:
		return fmt.Errorf("%s while silenced", d.Act)
	case d.Act == ticket.Reopen && s.desk.Open:
		return fmt.Errorf("an open ticket is opened")
	case (d.Act == ticket.Open || d.Act == ticket.Reopen) && !open:
		return fmt.Errorf("%s for a closed incident", d.Act)
	case (d.Act == ticket.Open || d.Act == ticket.Reopen) && s.person && s.known.Said.Status == results.Open && !worse:
		return fmt.Errorf("%s against a person's will", d.Act)
	case d.Act == ticket.Comment && !d.ByHand && results.SaidOf(i) == s.known.Said:
		return fmt.Errorf("a comment without a change")
	}
	switch d.Act {
	case ticket.Open:
		s.desk, s.person = ticket.Found{Ref: "OPS", There: true, Open: true}, false
	case ticket.Reopen:
		s.desk.Open, s.person = true, false
	case ticket.Close:
		s.desk.Open = false
	}
	if !open && s.desk.Open {
		return fmt.Errorf("the incident is closed and its ticket open")
	}
	s.known = ticket.TicketOf(s.known, s.desk, d, i, "d", s.now)
	return nil
}

func TestABrakeLetsSoManyThroughInATime(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		b := ticket.Brake{Most: 1 + random.IntN(5), Within: 10 * time.Minute}
		var opened []time.Time
		at, held := noon, 0
		for n := range 200 {
			at = at.Add(time.Duration(random.Int64N(int64(3 * time.Minute))))
			within := 0
			for _, o := range opened {
				if at.Sub(o) < b.Within {
					within++
				}
			}
			if allowed := b.Allow(fmt.Sprint(n), at); allowed != (within < b.Most) {
				t.Fatalf("seed %d: allowed %v after %d of %d", seed, allowed, within, b.Most)
			} else if allowed {
				opened = append(opened, at)
				if !b.Allow(fmt.Sprint(n), at) {
					t.Fatal("another try was not let through")
				}
			} else {
				held++
			}
		}
		if held == 0 {
			t.Errorf("seed %d: nothing was held", seed)
		}
	}
	var none ticket.Brake
	for n := range 100 {
		if !none.Allow(fmt.Sprint(n), noon) {
			t.Fatal("a brake without a limit brakes")
		}
	}
}

func TestRoutesByOwnerAndSite(t *testing.T) {
	t.Parallel()
	routes := []ticket.Route{
		{Desk: "am"},
		{Desk: "net", Owners: []checks.Owner{checks.OwnerNetwork}, Sites: []string{"ams1"}},
		{Desk: "hands", Owners: []checks.Owner{checks.OwnerServer, checks.OwnerNetwork}, PagesOnly: true},
		{Desk: "rest", Rest: true},
	}
	for name, test := range map[string]struct {
		routes   []ticket.Route
		incident results.Incident
		want     string
	}{
		"by owner and site":                        {routes, rack("i", 3), "am net hands"},
		"another site":                             {routes, with(rack("i", 3), func(i *results.Incident) { i.Site = "fra1" }), "am hands"},
		"several sites":                            {routes, with(rack("i", 3), func(i *results.Incident) { i.Site = "" }), "am hands"},
		"not worth waking somebody":                {routes, with(rack("i", 3), func(i *results.Incident) { i.Page = false }), "am net"},
		"the rest gets what nobody takes":          {routes[1:], with(rack("i", 3), func(i *results.Incident) { i.Owner = checks.OwnerUs }), "rest"},
		"the rest gets nothing that another takes": {routes[1:], rack("i", 3), "net hands"},
		"no desk at all":                           {nil, rack("i", 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(ticket.Takes(test.routes, test.incident), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
