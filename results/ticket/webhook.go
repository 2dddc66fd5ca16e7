package ticket

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"text/template"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// Webhook posts what happens to a URL of the reader's own.
type Webhook struct {
	web
	body *template.Template // nil: the whole of WebhookBody as JSON
	key  inventory.Secret
}

// WebhookBody is what a template gets, and what is sent where there is none.
type WebhookBody struct {
	// ID is the same when the same is told again: whoever has seen it needs do nothing.
	ID       string           `json:"id"`
	Act      Act              `json:"act"`
	Title    string           `json:"title"`
	Body     string           `json:"body"`
	Comment  string           `json:"comment"`
	Link     string           `json:"link"`
	Ref      string           `json:"ref"` // what the answer to the first one called it
	Incident results.Incident `json:"incident"`
}

var _ Desk = (*Webhook)(nil)

// NewWebhook makes the desk. text is a template (text/template) of the body, empty for WebhookBody as JSON; its function json writes a
// value as JSON. key signs what is sent, if it is not empty.
func NewWebhook(w Web, text string, key inventory.Secret) (*Webhook, error) {
	h := &Webhook{web: newWeb(w), key: key}
	if text == "" {
		return h, nil
	}
	var err error
	h.body, err = template.New("body").Option("missingkey=error").Funcs(template.FuncMap{"json": asJSON}).Parse(text)
	if err == nil {
		_, err = h.render(WebhookBody{Act: Open})
	}
	if err != nil {
		return nil, fmt.Errorf("desk %s: template: %w", w.Name, err)
	}
	return h, nil
}

func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// Find says what is known: a webhook answers no questions.
func (h *Webhook) Find(_ context.Context, known results.Ticket) (Found, error) {
	return found(known), nil
}

// Tell posts. The header Idempotency-Key is the body's ID; X-Lamplighter-Signature is sha256=HMAC of X-Lamplighter-Timestamp, a dot and the
// body. An answer may be {"ref": "OPS-1", "url": "https://..."}.
func (h *Webhook) Tell(ctx context.Context, m Message) (Found, error) {
	id := fmt.Sprintf("%s/%d/%s", m.Incident.ID, m.Incident.Seq, m.Act)
	body, err := h.render(WebhookBody{ID: id, Act: m.Act, Title: m.Title, Body: m.Body, Comment: m.Comment, Link: m.Link, Ref: m.Ticket.Ref, Incident: m.Incident})
	if err != nil {
		return Found{}, &Failure{Desk: h.Name, Did: "write the body of " + id, Kind: Wrong, Err: err}
	}
	header := http.Header{}
	header.Set("Idempotency-Key", strconv.Quote(id))
	if !h.key.Empty() {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		header.Set("X-Lamplighter-Timestamp", at)
		header.Set("X-Lamplighter-Signature", "sha256="+Sign(h.key, at, body))
	}
	said, err := h.send(ctx, http.MethodPost, "", body, header)
	if err != nil {
		return Found{}, err
	}
	t := m.Ticket
	var answer struct{ Ref, URL string }
	if json.Unmarshal(said, &answer) == nil && answer.Ref != "" {
		t.Ref, t.URL = cleaned(answer.Ref, 100), ""
		if link, ok := checkURL(answer.URL); ok {
			t.URL = link
		}
	}
	t.There, t.Open = true, m.Act != Close && m.Act != Merge
	return t, nil
}

func (h *Webhook) render(b WebhookBody) ([]byte, error) {
	if h.body == nil {
		return json.Marshal(b)
	}
	var text bytes.Buffer
	if err := h.body.Execute(&text, b); err != nil {
		return nil, err
	}
	if !json.Valid(text.Bytes()) {
		return nil, errors.New("what it makes is not JSON; write texts as {{.Title | json}}")
	}
	return text.Bytes(), nil
}

// Sign is the signature of a body, in hex.
func Sign(key inventory.Secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	_, _ = mac.Write([]byte(timestamp + ".")) // it never fails
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
