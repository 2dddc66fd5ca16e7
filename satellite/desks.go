package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/ticket"
)

// deskSet are the desks of a configuration.
type deskSet struct {
	desks  map[string]ticket.Desk
	closes []func()
}

func (s deskSet) close() {
	for _, end := range s.closes {
		end()
	}
}

// open makes the desks; none is asked yet. Desks of kind print, and with dry all, write to w.
func (t Tickets) open(ctx context.Context, dry bool, w io.Writer) (deskSet, error) {
	set := deskSet{desks: map[string]ticket.Desk{}}
	for _, name := range slices.Sorted(maps.Keys(t.Desks)) {
		desk, end, err := t.Desks[name].open(ctx, name, w)
		if err != nil {
			set.close()
			return deskSet{}, fmt.Errorf("tickets.desks.%s: %w", name, err)
		}
		if end != nil {
			set.closes = append(set.closes, end)
		}
		if _, prints := desk.(*ticket.Dry); dry && !prints {
			desk = &ticket.Dry{Name: name, Desk: desk, W: w}
		}
		set.desks[name] = desk
	}
	return set, nil
}

func (d TicketDesk) open(ctx context.Context, name string, w io.Writer) (ticket.Desk, func(), error) {
	if d.Kind == kindPrint {
		return &ticket.Dry{Name: name, W: w}, nil, nil
	}
	web, err := d.web(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	switch d.Kind {
	case kindJira:
		j := ticket.NewJira(web, ticket.JiraSettings{Project: d.Project, Type: cmp.Or(d.IssueType, "Task"), DataCenter: d.DataCenter, Done: d.Done, Again: d.Again, Resolution: d.Resolution, Labels: d.Labels})
		return j, j.Close, nil
	case kindServiceNow:
		s := ticket.NewServiceNow(web, ticket.ServiceNowSettings{Table: cmp.Or(d.Table, "incident"), Done: cmp.Or(d.Done, "6"), Again: cmp.Or(d.Again, "2"),
			CloseCode: cmp.Or(d.CloseCode, "Solution provided"), Fields: pairs(d.Fields)})
		return s, s.Close, nil
	case kindAlertmanager:
		resend := Tickets{Desks: map[string]*TicketDesk{name: &d}}.resends()[name]
		a := ticket.NewAlertmanager(web, ticket.AlertmanagerSettings{Labels: pairs(d.Labels), Last: max(4*resend, time.Hour)})
		return a, a.Close, nil
	}
	h, err := d.webhook(ctx, web)
	if err != nil {
		return nil, nil, err
	}
	return h, h.Close, nil
}

func (d TicketDesk) webhook(ctx context.Context, web ticket.Web) (*ticket.Webhook, error) {
	text, key := "", inventory.Secret{}
	if d.TemplateFile != "" {
		read, err := os.ReadFile(d.TemplateFile)
		if err != nil {
			return nil, fmt.Errorf("template_file: %w", err)
		}
		text = string(read)
	}
	if d.SignFile != "" {
		var err error
		if key, err = passwordFrom(ctx, "signature", d.SignFile); err != nil {
			return nil, fmt.Errorf("sign_file: %w", err)
		}
	}
	return ticket.NewWebhook(web, text, key)
}

// web is where the desk is, and how it lets us in.
func (d TicketDesk) web(ctx context.Context, name string) (ticket.Web, error) {
	web := ticket.Web{Name: name, URL: d.URL, User: d.User}
	var err error
	if web.Roots, err = loadRoots(d.CAFile); err != nil {
		return web, fmt.Errorf("ca_file: %w", err)
	}
	if file := cmp.Or(d.PasswordFile, d.TokenFile); file != "" {
		if web.Secret, err = passwordFrom(ctx, cmp.Or(d.User, "token"), file); err != nil {
			return web, err
		}
	}
	return web, nil
}

func pairs(all []string) map[string]string {
	found := map[string]string{}
	for _, pair := range all {
		name, value, _ := strings.Cut(pair, "=")
		found[strings.TrimSpace(name)] = value
	}
	return found
}
