package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"lamplighter/checks/guard"
)

// maxSystems is how many systems behind one BMC are asked; the largest chassis known have 56 nodes.
const maxSystems = 64

// text is a string of a BMC, bounded and printable. Anything but a JSON string is empty: no field that we can do without
// makes an answer unreadable.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = ""
	}
	*t = text(printable(s))
	return nil
}

// link is a reference to another resource (Redfish DSP0266 section 9.4), unchecked.
type link string

func (l *link) UnmarshalJSON(b []byte) error {
	var t struct {
		ID string `json:"@odata.id"`
	}
	if json.Unmarshal(b, &t) != nil {
		t.ID = ""
	}
	*l = link(t.ID)
	return nil
}

// check is the link as a path that may be asked.
func (l link) check() (string, error) {
	if err := guard.CheckLink(string(l)); err != nil {
		return "", Blame(APIMalformed, err)
	}
	return string(l), nil
}

// serviceRoot is what we need of a service root (Redfish DSP0266 section 9.2).
type serviceRoot struct {
	Type           text `json:"@odata.type"`
	RedfishVersion text
	Vendor         text
	Product        text
	Systems        link
	SessionService link
	Links          struct {
		Sessions link
	}
}

func parseRoot(body []byte) (*serviceRoot, error) {
	var root serviceRoot
	if err := decode(body, &root); err != nil {
		return nil, err
	}
	if root.RedfishVersion == "" && root.Systems == "" && !strings.Contains(string(root.Type), "ServiceRoot") {
		return nil, Blame(APIMalformed, errors.New("the answer is not a service root"))
	}
	return &root, nil
}

func (r *serviceRoot) facts() Facts {
	facts := Facts{}
	for name, value := range map[string]text{"redfish_version": r.RedfishVersion, "redfish_vendor": r.Vendor, "redfish_product": r.Product} {
		if value != "" {
			facts[name] = string(value)
		}
	}
	return facts
}

// sessions is where sessions are made; guessed says that the root names neither sessions nor session service.
func (r *serviceRoot) sessions() (path string, guessed bool, err error) {
	l := r.Links.Sessions
	switch {
	case l != "":
	case r.SessionService != "":
		l = link(strings.TrimSuffix(string(r.SessionService), "/") + "/Sessions")
	default:
		l, guessed = guard.Root+"SessionService/Sessions", true
	}
	path, err = l.check()
	return path, guessed, err
}

// collection is a page of references.
type collection struct {
	Members  members
	NextLink string `json:"Members@odata.nextLink"`
}

// members are the first references of a list, however long it is.
type members []link

func (m *members) UnmarshalJSON(b []byte) error {
	list := json.NewDecoder(bytes.NewReader(b))
	if first, err := list.Token(); err != nil || first != json.Delim('[') {
		return errors.New("members: want a list")
	}
	for list.More() && len(*m) <= maxSystems {
		var l link
		if err := list.Decode(&l); err != nil {
			return err
		}
		*m = append(*m, l)
	}
	return nil
}

// system is what we need of a ComputerSystem (Redfish DSP2046).
type system struct {
	ID           text `json:"Id"`
	Manufacturer text
	Model        text
	SerialNumber text
	SKU          text
	UUID         text
	PowerState   text
}

func parseSystem(body []byte) (s system, err error) {
	err = decode(body, &s)
	return s, err
}

// decode reads JSON, with or without the mark of UTF-8 before it (RFC 8259 section 8.1 lets readers pass over that).
func decode(body []byte, into any) error {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if err := json.Unmarshal(body, into); err != nil {
		return Blame(APIMalformed, fmt.Errorf("not the JSON that was asked for: %s", printable(err.Error())))
	}
	return nil
}

// sessionPath is where a new session is ended: the path of the header Location, else the resource's own link, else its ID
// under the collection. Hosts are not looked at, since BMCs name themselves in many ways and we ask only the one. Paths that
// are not a session's are not taken: what is deleted must be ours.
func sessionPath(location string, body []byte, collection string) string {
	var self struct {
		ODataID text `json:"@odata.id"`
		ID      text `json:"Id"`
	}
	_ = json.Unmarshal(body, &self)
	candidates := []string{location, string(self.ODataID)}
	if self.ID != "" {
		candidates = append(candidates, strings.TrimSuffix(collection, "/")+"/"+string(self.ID))
	}
	for _, c := range candidates {
		if u, err := url.Parse(c); err == nil && isSession(u.RequestURI()) {
			return u.RequestURI()
		}
	}
	return ""
}

func isSession(path string) bool {
	_, id, found := strings.Cut(strings.ToLower(path), "/sessions/")
	return found && id != "" && guard.CheckLink(path) == nil
}
