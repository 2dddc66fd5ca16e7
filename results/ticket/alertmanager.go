package ticket

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"lamplighter/results"
)

// Alertmanager is an Alertmanager of Prometheus, by version 2 of its API. An incident is an alert. Alertmanager knows it by its labels:
// where one of them changes, what it had by the others ends in the same breath. It forgets an alert that it is not told of again: the
// Keeper does that.
type Alertmanager struct {
	web
	settings AlertmanagerSettings
}

// AlertmanagerSettings say what alerts are like.
type AlertmanagerSettings struct {
	// Labels are added to each alert.
	Labels map[string]string
	// Last is for how long Alertmanager believes an alert that it is not told of again.
	Last time.Duration
}

var _ Desk = (*Alertmanager)(nil)

// NewAlertmanager makes the desk; nothing is asked yet.
func NewAlertmanager(w Web, s AlertmanagerSettings) *Alertmanager {
	return &Alertmanager{newWeb(w), s}
}

// alert is a postable alert of the API.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Find says what is known: nobody closes an alert by hand, and one that Alertmanager forgot is there again when it is told next.
func (a *Alertmanager) Find(_ context.Context, known results.Ticket) (Found, error) {
	return found(known), nil
}

// Tell posts the alert as it is now, and ends what there is of the incident by other labels.
func (a *Alertmanager) Tell(ctx context.Context, m Message) (Found, error) {
	i, now := m.Incident, time.Now().UTC()
	one := alert{Labels: a.labels(i), StartsAt: cmp.Or(i.Since, now), GeneratorURL: m.Link, Annotations: map[string]string{
		"summary": m.Title, "description": m.Body, "incident": i.ID, "next_step": i.NextStep, "reason": string(i.Reason), "owner": string(i.Owner), "kind": string(i.Cause.Kind),
	}}
	open := m.Act != Close && m.Act != Merge
	if one.EndsAt = now.Add(a.settings.Last); !open {
		one.EndsAt = now
		if one.StartsAt.After(now) {
			one.StartsAt = now
		}
	}
	if _, known := checkURL(m.Link); !known {
		one.GeneratorURL = ""
	}
	old, err := a.others(ctx, i.ID, one.Labels, now)
	if err != nil {
		return Found{}, err
	}
	if err := a.ask(ctx, http.MethodPost, "/api/v2/alerts", append(old, one), nil); err != nil {
		return Found{}, err
	}
	return Found{Ref: i.ID, URL: a.URL + fmt.Sprintf("/#/alerts?filter={incident=%q}", i.ID), There: true, Open: open}, nil
}

// others are the alerts of an incident that Alertmanager has by other labels, ended: who is to be woken, or where it is, was another.
func (a *Alertmanager) others(ctx context.Context, incident string, labels map[string]string, now time.Time) (ended []alert, err error) {
	var all []alert
	if err := a.ask(ctx, http.MethodGet, "/api/v2/alerts?filter="+url.QueryEscape(fmt.Sprintf("incident=%q", incident)), nil, &all); err != nil {
		return nil, err
	}
	for _, other := range all {
		if !maps.Equal(other.Labels, labels) {
			other.EndsAt = now
			ended = append(ended, other)
		}
	}
	return ended, nil
}

// labels are what the alert is known by, and routed: only what that needs, because another label makes another alert.
func (a *Alertmanager) labels(i results.Incident) map[string]string {
	labels := map[string]string{"alertname": "LamplighterIncident", "incident": i.ID, "page": strconv.FormatBool(i.Page), "site": i.Site}
	for name, value := range a.settings.Labels {
		labels[name] = value
	}
	for name, value := range labels {
		if value == "" {
			delete(labels, name) // to Alertmanager the same as none
		}
	}
	return labels
}
