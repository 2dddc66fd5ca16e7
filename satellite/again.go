package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lamplighter/inventory"
	"lamplighter/results/api"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/command"
)

// again has a BMC checked again for somebody who asks the API, by way of the site's command mailbox.
type again struct {
	// ask sends a request to the site and returns once it is done.
	ask func(ctx context.Context, site string, r command.Request, each func(command.Answer) error) error
}

// Recheck implements api.Rechecker.
func (a again) Recheck(ctx context.Context, site string, bmc inventory.ID, who string, each func(api.Step) error) error {
	err := a.ask(ctx, site, command.Request{Kind: command.Recheck, BMC: bmc, Who: who}, func(answer command.Answer) error {
		if answer.Kind == command.Failed {
			return nil // the error says it
		}
		return each(api.Step{Kind: string(answer.Kind), Satellite: answer.Satellite, Result: answer.Result, Verdict: answer.Verdict, Text: answer.Text})
	})
	switch refused := new(command.Refused); {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return &api.NotDone{Text: refused.Error()}
	case ctx.Err() != nil:
		return err
	default:
		return &api.NotDone{Silent: true, Text: err.Error()}
	}
}

// inProcess asks the desk of this process over the bus that it receives on.
func inProcess(b bus.Bus, site string) again {
	return again{func(ctx context.Context, _ string, r command.Request, each func(command.Answer) error) error {
		return command.Ask(ctx, b, site, r, each)
	}}
}

// overRabbitMQ asks the site of the configuration on a connection of its own, which lasts as long as the request: a person asks
// now and then.
func (c Config) overRabbitMQ() again {
	return again{func(ctx context.Context, site string, r command.Request, each func(command.Answer) error) error {
		if site != c.Site {
			return &command.Refused{Satellite: "results", Text: fmt.Sprintf("site %s: only %s can be asked, whose RabbitMQ the configuration names", site, c.Site)}
		}
		return c.onLine(ctx, io.Discard, func(ctx context.Context, l line) error {
			return command.Ask(ctx, l, site, r, each)
		})
	}}
}
