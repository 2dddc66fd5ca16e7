package ticket_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/ticket"
)

// receiver takes what a webhook posts.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex // guards the following
	bodies []string
	heads  []http.Header
	answer string
}

func receive(t *testing.T, answer string) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.heads = append(r.bodies, string(body)), append(r.heads, request.Header)
		_, _ = io.WriteString(w, r.answer)
	}))
	t.Cleanup(r.Close)
	return r
}

func TestAWebhookIsPostedSignedAndTheSameWhenItIsToldAgain(t *testing.T) {
	t.Parallel()
	r := receive(t, `{"ref": "CHG-7", "url": "https://desk.example/CHG-7"}`)
	key := inventory.NewSecret("sign-s3cret")
	h, err := ticket.NewWebhook(ticket.Web{Name: "hook", URL: r.URL + "/in", Secret: inventory.NewSecret("token-s3cret")}, "", key)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	i := rack("inc-1", 3)
	m := ticket.Message{Act: ticket.Open, Incident: i, Title: ticket.Title(i), Body: ticket.Body(i, ""), Link: "https://l/inc-1"}
	for range 2 {
		f, err := h.Tell(t.Context(), m)
		if err != nil || f.Ref != "CHG-7" || f.URL != "https://desk.example/CHG-7" || !f.Open {
			t.Fatalf("%+v, %v", f, err)
		}
	}
	var body ticket.WebhookBody
	if err := json.Unmarshal([]byte(r.bodies[0]), &body); err != nil || body.ID != "inc-1/1/open" || body.Title != m.Title || body.Incident.Failing != 3 || body.Link != m.Link {
		t.Errorf("%+v, %v", body, err)
	}
	head := r.heads[0]
	if r.bodies[0] != r.bodies[1] || head.Get("Idempotency-Key") != `"inc-1/1/open"` || r.heads[1].Get("Idempotency-Key") != head.Get("Idempotency-Key") {
		t.Errorf("told again it is another: %v", r.heads)
	}
	if want := "sha256=" + ticket.Sign(key, head.Get("X-Lamplighter-Timestamp"), []byte(r.bodies[0])); head.Get("X-Lamplighter-Signature") != want || head.Get("Authorization") != "Bearer token-s3cret" {
		t.Errorf("%v, want the signature %s", head, want)
	}
	f, err := h.Find(t.Context(), results.Ticket{Incident: "inc-1", Ref: "CHG-7", Open: true, OpenedAt: noon})
	if err != nil || !f.Open || f.Ref != "CHG-7" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestATemplateMakesAWebhooksBody(t *testing.T) {
	t.Parallel()
	r := receive(t, "ok")
	h, err := ticket.NewWebhook(ticket.Web{Name: "hook", URL: r.URL}, `{"text": {{printf "%s %s" .Act .Title | json}}, "key": {{.ID | json}}}`, inventory.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	i := with(rack("inc-1", 3), func(i *results.Incident) { i.Title = `a "quoted" title` })
	f, err := h.Tell(t.Context(), ticket.Message{Act: ticket.Close, Incident: i, Title: ticket.Title(i), Ticket: ticket.Found{Ref: "CHG-7", There: true, Open: true}})
	if want := `{"text": "close ams1: a \"quoted\" title", "key": "inc-1/1/close"}`; err != nil || f.Open || f.Ref != "CHG-7" || r.bodies[0] != want {
		t.Errorf("%+v, %v, got %s, want %s", f, err, r.bodies, want)
	}
	if r.heads[0].Get("X-Lamplighter-Signature") != "" || r.heads[0].Get("Authorization") != "" {
		t.Errorf("%v", r.heads[0])
	}
}

func TestATemplateThatCannotBeIsNamedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"it cannot be read":   {"{{", "unclosed action"},
		"it names no field":   {`{"a": {{.Nothing | json}}}`, "Nothing"},
		"it makes no JSON":    {`{"a": {{.Title}} }`, "write texts as {{.Title | json}}"},
		"it knows no such fn": {`{{.Title | shell}}`, "shell"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ticket.NewWebhook(ticket.Web{Name: "hook"}, test.text, inventory.Secret{}); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "desk hook: template") {
				t.Errorf("got %v", err)
			}
		})
	}
}
