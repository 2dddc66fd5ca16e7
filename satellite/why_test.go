package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// answersAt is where a process answers questions; the address is in its log.
func (p *process) answersAt(t *testing.T) string {
	t.Helper()
	answers := regexp.MustCompile(`api=(http://\S+)`)
	eventually(t, 20*time.Second, "the log names the API's address", func() bool { return answers.MatchString(p.stderr.String()) })
	found := answers.FindAllStringSubmatch(p.stderr.String(), -1)
	return found[len(found)-1][1]
}

// goRoundAnswering is goRound with the API at a free port.
func goRoundAnswering(t *testing.T, fleet simulated, interval time.Duration, more string) (*rounds, string) {
	t.Helper()
	r := goRound(t, fleet, interval, strings.TrimSpace(more)+"\n", "127.0.0.1:0")
	return r, r.answersAt(t)
}

// demoInAll is the demo's fleet with its faults, and lamplighter all going round it at the demo's pace.
func demoInAll(t *testing.T) (*rounds, string) {
	t.Helper()
	fleet, err := demoFleet()
	if err != nil {
		t.Fatal(err)
	}
	s := simulated{fleet, t.TempDir()}
	serve(t, fleet, s.dir)
	more := fmt.Sprintf("slow: %s\nvisits: 64\ntimeouts: {", demoSlow)
	for _, check := range checks.Default() {
		more += fmt.Sprintf("%s: %s, ", check.Name, demoTimeouts[check.Name])
	}
	return goRoundAnswering(t, s, 20*time.Second, strings.TrimSuffix(more, ", ")+"}")
}

// causes are the first BMC of each fault, with the reasons that the fault may show as.
func causes(t *testing.T, fleet simulated) map[bmcsim.Fault]inventory.ID {
	t.Helper()
	found := map[bmcsim.Fault]inventory.ID{}
	planted := fleet.Planted()
	for _, b := range fleet.BMCs() {
		if faults := planted[b.ID]; len(faults) == 1 && found[faults[0]] == "" {
			found[faults[0]] = b.ID
		}
	}
	for _, info := range bmcsim.Faults {
		if found[info.Fault] == "" && (info.Trust == "" || info.Trust == inventory.TrustCA) {
			t.Errorf("the demo has no BMC with the fault %s alone", info.Name)
		}
	}
	return found
}

func TestWhyNamesTheCauseTheOwnerAndTheNextStepOfEachFaultOfTheDemo(t *testing.T) {
	t.Parallel()
	r, url := demoInAll(t)
	for fault, id := range causes(t, r.simulated) {
		t.Run("a BMC whose trouble is "+fault.Info().Name, func(t *testing.T) {
			want := expected([]bmcsim.Fault{fault})
			var out outcome
			eventually(t, 90*time.Second, fmt.Sprintf("lamplighter why %s names one of %v", id, want), func() bool {
				out = lamplighter(t, "why", string(id), "--api", url)
				return out.code == 0 && whySays(out.stdout, want)
			})
		})
	}
}

// whySays is true of a page that says one of the reasons, with its meaning, owner and next step; of no reason: that all is well.
func whySays(page string, reasons []checks.Reason) bool {
	if len(reasons) == 0 {
		return strings.Contains(page, "\nAVAILABLE since ")
	}
	return slices.ContainsFunc(reasons, func(reason checks.Reason) bool {
		info := reason.Info()
		for _, part := range []string{": " + string(reason) + ", " + info.Meaning, "\n  owner      " + string(info.Owner), "\n  next step  " + info.NextStep,
			"\n  attempts   ", "\nNewest round: ", "\nNeighbours in ", "last good"} {
			if !strings.Contains(page, part) {
				return false
			}
		}
		return true
	})
}

func TestWhyShowsEvidenceHistoryNeighboursAndWhoIsOnIt(t *testing.T) {
	t.Parallel()
	fleet := racks(t, 10)
	r, url := goRoundAnswering(t, fleet, 2*time.Second, "")
	bmc := fleet.one(t, inventory.Redfish)
	why := func(args ...string) string {
		return lamplighter(t, append([]string{"why", "--api", url}, args...)...).stdout
	}
	eventually(t, 40*time.Second, "it is available", func() bool { return strings.Contains(why(string(bmc.ID)), "AVAILABLE since") })
	fleet.plant(t, bmc.ID, bmcsim.WrongPassword)
	r.until(t, bmc.ID, checks.AuthRejected)
	eventually(t, 20*time.Second, "it is believed", func() bool { return strings.Contains(why(string(bmc.ID)), "UNAVAILABLE at redfish-login") })
	if out := lamplighter(t, "ack", string(bmc.ID), "--text", "INC-4711", "--for", "1h", "--api", url); out.code != 0 || !strings.Contains(out.stdout, "acknowledged by") {
		t.Errorf("%+v", out)
	}
	page := why(bmc.Address.String()) // by what only it has
	for _, want := range []string{string(bmc.ID), "\n  ping ", "auth.", "INC-4711", "\nLast 24 h\n", " available (", "\nKnown of it\n", "serial=", "\n  last good  2"} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "never") {
		t.Errorf("it was seen to work:\n%s", page)
	}
	var report struct {
		State   results.State
		Verdict results.Verdict
	}
	if err := json.Unmarshal([]byte(why(string(bmc.ID), "--json")), &report); err != nil || report.State.BMC != bmc.ID || len(report.Verdict.Trail) < 2 {
		t.Errorf("%v %+v", err, report)
	}
	if out := lamplighter(t, "ack", string(bmc.ID), "--undo", "--api", url); out.code != 0 {
		t.Errorf("%+v", out)
	}
	if page := why(string(bmc.ID)); strings.Contains(page, "INC-4711") {
		t.Errorf("it is acknowledged still:\n%s", page)
	}
	for _, args := range [][]string{{"why", "nobody"}, {"ack", "nobody", "--text", "x"}, {"why", "srv nobody/../x#"}} {
		if out := lamplighter(t, append(args, "--api", url)...); out.code != int(exitUsage) || !strings.Contains(out.stderr, args[1]) || out.stdout != "" {
			t.Errorf("%v: %+v", args, out)
		}
	}
}
