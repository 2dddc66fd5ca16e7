package main

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// fromCMDB is what inventory says where the BMCs come from the sources of section cmdb.
const fromCMDB = "cmdb"

// CMDB is where the BMCs come from, and how far that is believed.
type CMDB struct {
	State                     string // a directory
	Every, Settle, Quarantine time.Duration
	GonePercent, GoneLeast    int
	Precedence                []string
	Sources                   map[string]*CMDBSource
	ordered                   []string
}

// CMDBSource is one source. deploy/lamplighter.yaml says what each key means, and which kind has it.
type CMDBSource struct {
	Kind               string
	Path               string
	URL, Login, CAFile string
	Filters, Fields    []string
	ID                 string
	Table, Query       string
	Items, Total, Next string
	Basic              bool
	// HealthField is the custom field that health is written to, and HealthLogin the credential that may.
	HealthField, HealthLogin string
}

// The kinds of source.
const (
	kindCSV    = "csv"
	kindNetBox = "netbox"
	kindJSON   = "json"
)

func defaultCMDB() CMDB {
	rule := inventory.DefaultRule()
	return CMDB{State: "lamplighter.inventory", Every: 10 * time.Minute, Settle: rule.Settle, Quarantine: rule.Quarantine,
		GonePercent: rule.Percent, GoneLeast: rule.Least, Precedence: []string{}, Sources: map[string]*CMDBSource{}}
}

func (m *CMDB) settings() []setting {
	return []setting{
		textSetting("cmdb.state", &m.State),
		durationSetting("cmdb.every", &m.Every),
		parsed("cmdb.gone_percent", &m.GonePercent, "percent, a whole number from 0 to 100", parsePercent),
		parsed("cmdb.gone_least", &m.GoneLeast, "a whole number", strconv.Atoi),
		durationSetting("cmdb.settle", &m.Settle),
		durationSetting("cmdb.quarantine", &m.Quarantine),
		listed("cmdb.precedence", &m.Precedence, "a list of sources, each once", parseName),
		{key: "cmdb.sources", named: m.source},
	}
}

func parsePercent(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && (n < 0 || n > 100) {
		err = errWanted
	}
	return n, err
}

// source begins a source, and says what it can have.
func (m *CMDB) source(name string) []setting {
	s := &CMDBSource{}
	m.Sources[name] = s
	m.ordered = append(m.ordered, name)
	key := "cmdb.sources." + name + "."
	where := parsed(key+"url", &s.URL, "an https:// URL without user, password and query; http:// on loopback only", parseSourceURL)
	where.private = true // a password in it would be shown
	return []setting{
		parsed(key+"kind", &s.Kind, "csv, netbox, servicenow or json", oneOf(kindCSV, kindNetBox, kindServiceNow, kindJSON)),
		textSetting(key+"path", &s.Path),
		where,
		textSetting(key+"login", &s.Login),
		textSetting(key+"ca_file", &s.CAFile),
		listed(key+"filters", &s.Filters, "a list of name=value, each once", parsePair),
		listed(key+"fields", &s.Fields, "a list of column=field, each once", parsePair),
		textSetting(key+"id", &s.ID),
		textSetting(key+"table", &s.Table),
		textSetting(key+"query", &s.Query),
		textSetting(key+"items", &s.Items),
		textSetting(key+"total", &s.Total),
		textSetting(key+"next", &s.Next),
		parsed(key+"basic", &s.Basic, "true or false", parseBool),
		parsed(key+"health_field", &s.HealthField, "the name of a custom field: letters, digits and _, and no column or label of the inventory", parseHealthField),
		textSetting(key+"health_login", &s.HealthLogin),
	}
}

// parseHealthField refuses what is a column of the inventory, or a label that we read: health would be written over it.
func parseHealthField(s string) (string, error) {
	column, ours := strings.CutPrefix(s, "bmc_")
	read := append(inventory.Columns(), inventory.RackHeightLabel, inventory.RMCPPortLabel, checks.HostnameLabel, checks.WaysLabel)
	if s != "" && (strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || ours && slices.Contains(read, column)) {
		return "", errWanted
	}
	return s, nil
}

// parseSourceURL refuses what would send a token in the clear.
func parseSourceURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errWanted
	}
	if addr, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !addr.IsLoopback()) {
		return "", errWanted
	}
	return s, nil
}

func (m CMDB) validate(from string, require func(ok bool, key, want string)) {
	synced := from == fromCMDB
	require(synced || len(m.Sources) == 0, "inventory", "want cmdb with cmdb.sources")
	require(m.State != "", "cmdb.state", "want the path of a directory")
	require(m.Every >= 10*time.Second, "cmdb.every", "want at least 10s")
	require(m.GoneLeast >= 1, "cmdb.gone_least", "want at least 1")
	require(m.Settle >= m.Quarantine, "cmdb.settle", "want at least cmdb.quarantine, "+m.Quarantine.String())
	for _, name := range m.Precedence {
		require(m.Sources[name] != nil, "cmdb.precedence", "want names of cmdb.sources")
	}
	require(len(m.Sources) < 2 || len(m.Precedence) == len(m.Sources), "cmdb.precedence", "want all of cmdb.sources, the one that has precedence first")
	for _, name := range m.ordered {
		m.Sources[name].validate("cmdb.sources."+name+".", require)
	}
}

func (s *CMDBSource) validate(key string, require func(ok bool, key, want string)) {
	require(s.Kind != "", key+"kind", "want csv, netbox, servicenow or json")
	if s.Kind == "" {
		return
	}
	overHTTP := s.Kind != kindCSV
	require(overHTTP || s.Path != "", key+"path", "want the path of a CSV file")
	require(!overHTTP || s.URL != "", key+"url", "want where the source is")
	require(s.Kind == kindJSON || !overHTTP || s.Login != "", key+"login", "want the name of a credential in the keyring")
	mapped := s.Kind == kindServiceNow || s.Kind == kindJSON
	fields := s.fields()
	require(!mapped || fields["id"] != "" && fields["address"] != "", key+"fields", "want at least id=FIELD and address=FIELD")
	require(s.Kind != kindServiceNow || s.Table != "", key+"table", "want the name of a table, such as cmdb_ci_server")
	require(s.ID == "" || slices.Contains([]string{"asset_tag", "name", "serial", "id"}, s.ID) || strings.HasPrefix(s.ID, "cf."), key+"id",
		"want asset_tag, name, serial, id or cf.FIELD")
	of := func(set bool, name string, kinds ...string) {
		require(!set || slices.Contains(kinds, s.Kind), key+name, "want it of kind "+strings.Join(kinds, " or ")+" only")
	}
	of(s.Path != "", "path", kindCSV)
	of(s.URL+s.Login+s.CAFile != "", "url", kindNetBox, kindServiceNow, kindJSON)
	of(len(s.Filters) > 0, "filters", kindNetBox)
	of(s.ID != "", "id", kindNetBox)
	of(s.HealthField != "", "health_field", kindNetBox)
	require(s.HealthField == "" || s.ID != "cf."+s.HealthField, key+"health_field", "want another field than the one of id")
	require(s.HealthLogin == "" || s.HealthField != "", key+"health_login", "want health_field, too")
	of(len(s.Fields) > 0, "fields", kindServiceNow, kindJSON)
	of(s.Table+s.Query != "", "table", kindServiceNow)
	of(s.Items+s.Total+s.Next != "" || s.Basic, "items", kindJSON)
}

func (s *CMDBSource) fields() inventory.Fields {
	fields := inventory.Fields{}
	for _, pair := range s.Fields {
		column, field, _ := strings.Cut(pair, "=")
		fields[column] = field
	}
	return fields
}

// open makes a source of it.
func (s *CMDBSource) open(name string, keyring inventory.Keyring, health *healthFields) (inventory.Source, error) {
	var roots *x509.CertPool
	if s.CAFile != "" {
		var err error
		if roots, err = loadRoots(s.CAFile); err != nil {
			return nil, fmt.Errorf("cmdb.sources.%s.ca_file: %w", name, err)
		}
	}
	at := inventory.Endpoint{Name: name, URL: s.URL, Login: s.Login, Keyring: keyring, Roots: roots}
	switch s.Kind {
	case kindNetBox:
		source := inventory.NetBox{Endpoint: at, ID: s.ID}
		for _, pair := range s.Filters {
			field, value, _ := strings.Cut(pair, "=")
			source.Filters = append(source.Filters, [2]string{field, value})
		}
		if s.HealthField != "" {
			at.Login = cmp.Or(s.HealthLogin, s.Login)
			source.Health = inventory.NewNetBoxHealth(at, s.HealthField, health.log)
			health.fields = append(health.fields, source.Health)
		}
		return source, nil
	case kindServiceNow:
		return inventory.ServiceNow{Endpoint: at, Table: s.Table, Query: s.Query, Fields: s.fields()}, nil
	case kindJSON:
		return inventory.JSON{Endpoint: at, Items: s.Items, Fields: s.fields(), Total: s.Total, Next: s.Next, Basic: s.Basic}, nil
	}
	return inventory.CSV{Path: s.Path}, nil
}

// sources are all of them, in the order of precedence, for the site's BMCs.
func (c Config) sources(keyring inventory.Keyring, health *healthFields) (inventory.Source, error) {
	names := c.CMDB.Precedence
	if len(names) == 0 {
		names = c.CMDB.ordered
	}
	var all inventory.Merged
	for _, name := range names {
		source, err := c.CMDB.Sources[name].open(name, keyring, health)
		if err != nil {
			return nil, err
		}
		all = append(all, inventory.Named{Name: name, Source: source})
	}
	return inventory.OfSite{Source: all, Site: c.Site}, nil
}
