package main

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results/ticket"
)

// Tickets is which desks are told of incidents, and how. Without desks nobody is.
type Tickets struct {
	Group   string // of Kafka's consumers
	Link    string // to an incident, with {id}; empty: none
	Quiet   time.Duration
	Reopen  time.Duration
	Tries   int
	Most    int
	Within  time.Duration
	Desks   map[string]*TicketDesk
	ordered []string
}

// TicketDesk is one desk. deploy/lamplighter.yaml says what each key means, and which kind has it.
type TicketDesk struct {
	Kind                           string
	URL                            string
	User, PasswordFile, TokenFile  string
	CAFile                         string
	Owners                         []checks.Owner
	Sites                          []string
	PagesOnly, Rest                bool
	Project, IssueType, Resolution string
	DataCenter                     bool
	Table, CloseCode, Done, Again  string
	Labels, Fields                 []string
	Resend                         time.Duration
	TemplateFile, SignFile         string
}

// The kinds of desk.
const (
	kindAlertmanager = "alertmanager"
	kindJira         = "jira"
	kindServiceNow   = "servicenow"
	kindWebhook      = "webhook"
	kindPrint        = "print"
)

func defaultTickets() Tickets {
	return Tickets{
		Group: "lamplighter-tickets", Quiet: 10 * time.Minute, Reopen: 7 * 24 * time.Hour, Tries: 8, Most: 20, Within: 10 * time.Minute,
		Desks: map[string]*TicketDesk{},
	}
}

func (t *Tickets) settings() []setting {
	return []setting{
		textSetting("tickets.group", &t.Group),
		parsed("tickets.link", &t.Link, "a URL with {id} in it, such as https://lamplighter.example/incidents/{id}, or nothing", parseLink),
		durationSetting("tickets.comment_every", &t.Quiet),
		durationSetting("tickets.reopen", &t.Reopen),
		parsed("tickets.tries", &t.Tries, "a whole number", strconv.Atoi),
		parsed("tickets.storm_most", &t.Most, "a whole number", strconv.Atoi),
		durationSetting("tickets.storm_within", &t.Within),
		{key: "tickets.desks", named: t.desk},
	}
}

// desk begins a desk, and says what it can have.
func (t *Tickets) desk(name string) []setting {
	d := &TicketDesk{}
	t.Desks[name] = d
	t.ordered = append(t.ordered, name)
	key := "tickets.desks." + name + "."
	where := parsed(key+"url", &d.URL, "an https:// URL without user, password and query; http:// on loopback, or where nobody logs in", parseDeskURL)
	where.private = true // a password in it would be shown
	return []setting{
		parsed(key+"kind", &d.Kind, "alertmanager, jira, servicenow, webhook or print", oneOf(kindAlertmanager, kindJira, kindServiceNow, kindWebhook, kindPrint)),
		where,
		textSetting(key+"user", &d.User),
		textSetting(key+"password_file", &d.PasswordFile),
		textSetting(key+"token_file", &d.TokenFile),
		textSetting(key+"ca_file", &d.CAFile),
		listed(key+"owners", &d.Owners, "a list of network, server, security, credentials, inventory, us, each once", parseOwner),
		listed(key+"sites", &d.Sites, "a list of sites, each once", parseName),
		parsed(key+"pages_only", &d.PagesOnly, "true or false", parseBool),
		parsed(key+"rest", &d.Rest, "true or false", parseBool),
		textSetting(key+"project", &d.Project),
		textSetting(key+"issue_type", &d.IssueType),
		parsed(key+"data_center", &d.DataCenter, "true or false", parseBool),
		textSetting(key+"resolution", &d.Resolution),
		textSetting(key+"table", &d.Table),
		textSetting(key+"close_code", &d.CloseCode),
		listed(key+"fields", &d.Fields, "a list of field=value, each once", parsePair),
		textSetting(key+"done", &d.Done),
		textSetting(key+"again", &d.Again),
		listed(key+"labels", &d.Labels, "a list of labels without spaces, each once; of Alertmanager name=value", parseLabel),
		durationSetting(key+"resend", &d.Resend),
		textSetting(key+"template_file", &d.TemplateFile),
		textSetting(key+"sign_file", &d.SignFile),
	}
}

func parseLink(s string) (string, error) {
	u, err := url.Parse(strings.ReplaceAll(s, "{id}", "x"))
	if s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || !strings.Contains(s, "{id}")) {
		return "", errWanted
	}
	return s, nil
}

func parseDeskURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errWanted
	}
	return s, nil
}

func parseOwner(s string) (checks.Owner, error) {
	all := []checks.Owner{checks.OwnerNetwork, checks.OwnerServer, checks.OwnerSecurity, checks.OwnerCredentials, checks.OwnerInventory, checks.OwnerUs}
	if !slices.Contains(all, checks.Owner(s)) {
		return "", errWanted
	}
	return checks.Owner(s), nil
}

func parseName(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errWanted
	}
	return s, nil
}

func parsePair(s string) (string, error) {
	if name, _, ok := strings.Cut(s, "="); !ok || strings.TrimSpace(name) == "" {
		return "", errWanted
	}
	return s, nil
}

func parseLabel(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, " \t") {
		return "", errWanted
	}
	return s, nil
}

func (t Tickets) validate(require func(ok bool, key, want string)) {
	require(t.Group != "", "tickets.group", "want a name")
	require(t.Tries >= 1, "tickets.tries", "want at least 1")
	require(t.Most >= 1, "tickets.storm_most", "want at least 1")
	rest := ""
	for _, name := range t.ordered {
		d, key := t.Desks[name], "tickets.desks."+name+"."
		d.validate(func(ok bool, what, want string) { require(ok, key+what, want) })
		require(!d.Rest || rest == "", key+"rest", "want one desk with it, and "+rest+" has it")
		if d.Rest {
			rest = name
		}
	}
}

// of says which kinds have a key.
func (d TicketDesk) of(kinds ...string) bool { return slices.Contains(kinds, d.Kind) }

func (d TicketDesk) validate(require func(ok bool, key, want string)) {
	require(d.Kind != "", "kind", "want alertmanager, jira, servicenow, webhook or print")
	require(d.URL != "" || d.of(kindPrint, ""), "url", "want where the desk is")
	secret := d.PasswordFile + d.TokenFile + d.SignFile
	u, err := url.Parse(d.URL)
	plain := err == nil && u.Scheme == "http" && !isLoopback(u.Host)
	require(!plain || secret == "", "url", "want https:// where a password, token or signature is sent")
	require(d.PasswordFile == "" || d.User != "", "user", "want a name with password_file")
	require(d.PasswordFile == "" || d.TokenFile == "", "token_file", "want either password_file or token_file")
	require(d.User == "" || d.PasswordFile+d.TokenFile != "", "password_file", "want the path of a file with user, or token_file")
	require(!d.Rest || len(d.Owners)+len(d.Sites) == 0, "rest", "want it without owners and sites")
	require(!d.of(kindJira) || d.Project != "", "project", "want the key of a project, such as OPS")
	for _, only := range []struct {
		set   bool
		key   string
		kinds []string
	}{
		{d.Project != "", "project", []string{kindJira}},
		{d.IssueType != "", "issue_type", []string{kindJira}},
		{d.DataCenter, "data_center", []string{kindJira}},
		{d.Resolution != "", "resolution", []string{kindJira}},
		{d.Table != "", "table", []string{kindServiceNow}},
		{d.CloseCode != "", "close_code", []string{kindServiceNow}},
		{len(d.Fields) > 0, "fields", []string{kindServiceNow}},
		{d.Done != "", "done", []string{kindJira, kindServiceNow}},
		{d.Again != "", "again", []string{kindJira, kindServiceNow}},
		{len(d.Labels) > 0, "labels", []string{kindJira, kindAlertmanager}},
		{d.Resend != 0, "resend", []string{kindAlertmanager}},
		{d.TemplateFile != "", "template_file", []string{kindWebhook}},
		{d.SignFile != "", "sign_file", []string{kindWebhook}},
		{d.URL+secret+d.User+d.CAFile != "", "url", []string{kindJira, kindServiceNow, kindAlertmanager, kindWebhook}},
	} {
		require(!only.set || d.Kind == "" || d.of(only.kinds...), only.key, "want it of kind "+strings.Join(only.kinds, " or ")+" only")
	}
	pairs := !slices.ContainsFunc(d.Labels, func(l string) bool { return !strings.Contains(l, "=") })
	require(!d.of(kindAlertmanager) || pairs, "labels", "want name=value of Alertmanager")
}

// routes say which desk gets what, in the order of the file.
func (t Tickets) routes() (routes []ticket.Route) {
	for _, name := range t.ordered {
		d := t.Desks[name]
		routes = append(routes, ticket.Route{Desk: name, Owners: d.Owners, Sites: d.Sites, PagesOnly: d.PagesOnly, Rest: d.Rest})
	}
	return routes
}

func (t Tickets) rules() ticket.Rules { return ticket.Rules{Quiet: t.Quiet, Reopen: t.Reopen} }

// resends are how often the desks that forget are told again.
func (t Tickets) resends() map[string]time.Duration {
	all := map[string]time.Duration{}
	for name, d := range t.Desks {
		if d.of(kindAlertmanager) {
			all[name] = cmp.Or(d.Resend, time.Minute)
		}
	}
	return all
}
