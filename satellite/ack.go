package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/results/api"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// acking is an acknowledgement that somebody asks for.
type acking struct {
	text, where          string
	last                 time.Duration
	undo, yes, incidents bool
}

func newAck() *cobra.Command {
	k := acking{}
	cmd := apiCommand(&cobra.Command{
		Use:   "ack BMC|INCIDENT...",
		Short: "say that you are on it: an acknowledgement that others see",
		Long: `Keeps who is on the trouble of a BMC or an incident, since when, and a text. It ends when the BMC is healthy again or the incident
closed, after --for, or by --undo. A second one takes the place of the first.

--where acknowledges all BMCs that match and are not available, or with --incidents the incidents that such BMCs fail in. It shows how
many that are, and asks; --yes answers.
` + askedExitCodes,
		Example: "  lamplighter ack srv-17 srv-18 --text 'INC-4711, hands are on their way'\n  lamplighter ack --where 'rack=C01' --incidents --text 'switch is down'",
	}, func(cmd *cobra.Command, a *asked, args []string) error {
		if err := k.read(args); err != nil {
			return err
		}
		if k.where != "" {
			return k.all(cmd, a)
		}
		var errs []error
		for _, arg := range args {
			do := k.one
			if k.undo {
				do = k.back
			}
			if err := do(cmd, a, arg); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", arg, err))
			}
		}
		return errors.Join(errs...)
	})
	cmd.Flags().StringVar(&k.text, "text", "", "`text` that others see: a ticket's number, what is being done")
	cmd.Flags().DurationVar(&k.last, "for", 0, "how long it holds, such as 4h; 0: until the BMC is healthy again, the incident closed")
	cmd.Flags().BoolVar(&k.undo, "undo", false, "take it back")
	cmd.Flags().StringVar(&k.where, "where", "", "`filter` of BMCs, instead of names")
	cmd.Flags().BoolVar(&k.incidents, "incidents", false, "with --where: the incidents that these BMCs fail in")
	cmd.Flags().BoolVar(&k.yes, "yes", false, "with --where: do not ask whether that is meant")
	return cmd
}

// read checks what can be checked here.
func (k *acking) read(args []string) error {
	switch {
	case len(args) == 0 && k.where == "":
		return errors.New("accepts at least 1 BMC or incident, or --where")
	case len(args) > 0 && k.where != "":
		return errors.New("--where says which BMCs; it takes no names beside")
	case k.where == "" && (k.incidents || k.yes):
		return errors.New("--incidents and --yes are for --where")
	case k.undo && (k.text != "" || k.last != 0 || k.where != ""):
		return errors.New("--undo takes acknowledgements back, of names; it needs no --text, no --for and no --where")
	case k.last < 0:
		return fmt.Errorf("--for %s: want a time that is not negative", k.last)
	}
	if _, err := query.Parse(k.where); err != nil {
		return pointed(k.where, err)
	}
	return nil
}

// ackBody is what the API takes.
type ackBody struct {
	Note   string    `json:"note"`
	Who    string    `json:"who"`
	Until  time.Time `json:"until,omitzero"`
	DryRun bool      `json:"dry_run,omitempty"`
	Expect *int      `json:"expect,omitempty"`
}

func (k *acking) body() ackBody {
	body := ackBody{Note: k.text, Who: who()}
	if k.last > 0 {
		body.Until = time.Now().Add(k.last).UTC().Truncate(time.Second)
	}
	return body
}

func bmcAck(id string) string      { return "/bmcs/" + url.PathEscape(id) + "/ack" }
func incidentAck(id string) string { return "/incidents/" + url.PathEscape(id) + "/ack" }

// one acknowledges a BMC, or an incident where no BMC is called so.
func (k *acking) one(cmd *cobra.Command, a *asked, id string) error {
	var bmc store.Ack
	unknown := a.do(cmd.Context(), "PUT", bmcAck(id), nil, k.body(), &bmc)
	if !isNotFound(unknown) {
		return orSay(cmd, unknown, "%s: acknowledged by %s %s\n", id, printable(bmc.Who), until(bmc.Until, "it is healthy again"))
	}
	var i api.Incident
	err := a.do(cmd.Context(), "PUT", incidentAck(id), nil, k.body(), &i)
	switch {
	case isNotFound(err):
		return unknown
	case err != nil || i.Ack == nil:
		return err
	}
	return orSay(cmd, nil, "%s: acknowledged by %s %s\n", id, printable(i.Ack.Who), until(i.Ack.Until, "it is closed"))
}

// back takes an acknowledgement of a BMC or an incident back.
func (k *acking) back(cmd *cobra.Command, a *asked, id string) error {
	err := a.do(cmd.Context(), "DELETE", bmcAck(id), nil, nil, nil)
	if isNotFound(err) {
		if of := a.do(cmd.Context(), "DELETE", incidentAck(id), nil, nil, nil); !isNotFound(of) {
			err = of
		}
	}
	return orSay(cmd, err, "%s: no longer acknowledged\n", id)
}

func until(at time.Time, otherwise string) string {
	if at.IsZero() {
		return "until " + otherwise
	}
	return "until " + clock(at)
}

// orSay prints what was done, unless it was not.
func orSay(cmd *cobra.Command, err error, format string, args ...any) error {
	if err == nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	}
	return err
}

// all acknowledges all that match, once it was shown how many that are.
func (k *acking) all(cmd *cobra.Command, a *asked) error {
	if k.incidents {
		return k.allIncidents(cmd, a)
	}
	body, q := k.body(), url.Values{"where": {k.where}}
	body.DryRun = true
	var reply api.AckedBMCs
	if err := a.do(cmd.Context(), "PUT", "/acks", q, body, &reply); err != nil {
		return err
	}
	showReach(cmd.ErrOrStderr(), k.where, reply.Reach)
	if reply.Count == 0 {
		return orSay(cmd, nil, "%s: nothing to acknowledge\n", k.where)
	}
	if err := meant(cmd, fmt.Sprintf("Acknowledge the %s not available?", isAre(reply.Count, "BMC")), k.yes); err != nil {
		return err
	}
	expect := reply.Count
	body.DryRun, body.Expect = false, &expect
	err := a.do(cmd.Context(), "PUT", "/acks", q, body, &reply)
	return orSay(cmd, err, "%s acknowledged %s\n", plural(reply.Count, "BMC"), until(body.Until, "each is healthy again"))
}

func isAre(n int, word string) string {
	if n == 1 {
		return "1 " + word + " that is"
	}
	return fmt.Sprintf("%d %ss that are", n, word)
}

func (k *acking) allIncidents(cmd *cobra.Command, a *asked) error {
	body, q := k.body(), url.Values{"where": {k.where}}
	body.DryRun = true
	var reply api.AckedIncidents
	if err := a.do(cmd.Context(), "POST", "/incidents/ack", q, body, &reply); err != nil {
		return err
	}
	show := cmd.ErrOrStderr()
	fmt.Fprintf(show, "%s: %s, %s fail in them\n", printable(k.where), plural(reply.Matched, "incident"), plural(reply.Failing, "BMC"))
	for _, i := range reply.Sample {
		fmt.Fprintf(show, "  %s  %s  %s\n", i.Code, i.ID, printable(i.Title))
	}
	if reply.Matched == 0 {
		return orSay(cmd, nil, "%s: nothing to acknowledge\n", k.where)
	}
	if err := meant(cmd, fmt.Sprintf("Acknowledge %s?", plural(reply.Matched, "incident")), k.yes); err != nil {
		return err
	}
	expect := reply.Matched
	body.DryRun, body.Expect = false, &expect
	err := a.do(cmd.Context(), "POST", "/incidents/ack", q, body, &reply)
	return orSay(cmd, err, "%s acknowledged %s\n", plural(reply.Matched, "incident"), until(body.Until, "each is closed"))
}
