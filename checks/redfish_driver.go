package checks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/stmcginnis/gofish"

	"lamplighter/checks/guard"
	"lamplighter/inventory"
)

// redfishDriver is our bmclib driver for Redfish: gofish over the visit's guarded connection. A round costs GET root, POST
// session, GET systems, GET system, DELETE session; with the systems remembered, one request less.
type redfishDriver struct {
	conn    *guard.Conn
	http    *http.Client
	login   inventory.Credentials
	root    *serviceRoot
	bmc     inventory.BMC
	session redfishSession
	posting *posting
	// systems are the paths of the systems; remembered says that they are from an earlier round.
	systems    []string
	remembered bool
	// notes are the login's, found what power found.
	notes []Reason
	found Finding
}

func newRedfishDriver(v *Visit, root *serviceRoot) *redfishDriver {
	conn := v.redfish.conn
	return &redfishDriver{
		conn: conn, http: &http.Client{Transport: replay{conn, root}}, login: v.Login, root: root, bmc: v.BMC,
		systems: v.Known.Systems, remembered: len(v.Known.Systems) > 0,
	}
}

// Name is the driver's name in bmclib's registry.
func (d *redfishDriver) Name() string { return "lamplighter-redfish" }

// Open logs in and finds the systems. bmclib calls it in a goroutine of its own, where a panic would end the process.
func (d *redfishDriver) Open(ctx context.Context) (err error) {
	defer recovered(&err)
	if err := d.logIn(ctx); err != nil {
		return err
	}
	if d.remembered && !d.session.basic {
		return nil
	}
	return d.findSystems(ctx)
}

func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}

// findSystems reads the collection of systems. Under basic authentication it is what proves the login.
func (d *redfishDriver) findSystems(ctx context.Context) error {
	d.systems, d.remembered = nil, false
	if d.root.Systems == "" && !d.session.basic {
		return nil
	}
	what := askResource
	if d.session.basic {
		what = askLogin
	}
	for next := d.root.Systems; next != "" && len(d.systems) < maxSystems; what = askResource {
		page, err := d.page(ctx, what, next)
		if err != nil {
			return err
		}
		before := len(d.systems)
		for _, member := range page.Members[:min(len(page.Members), maxSystems-before)] {
			path, err := member.check()
			if err != nil {
				return err
			}
			d.systems = append(d.systems, path)
		}
		if next = link(page.NextLink); len(d.systems) == before {
			return nil // an empty page: do not follow it round in circles
		}
	}
	return nil
}

func (d *redfishDriver) page(ctx context.Context, what asking, at link) (page collection, err error) {
	path, err := at.check()
	if err != nil {
		return page, err
	}
	err = d.read(ctx, what, path, func(body []byte) error { return decode(body, &page) })
	return page, err
}

// read asks for a resource as whoever logged in.
func (d *redfishDriver) read(ctx context.Context, what asking, path string, parse func([]byte) error) error {
	client, err := d.client(ctx, d.session)
	if err != nil {
		return err
	}
	resp, err := client.Get(path)
	if err != nil {
		return d.fault(ctx, what, "get", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := parse(guard.Bytes(resp)); err != nil {
		return attempted("get "+d.conn.Endpoint()+path, err)
	}
	return nil
}

// client is gofish for one step: gofish 0.20 keeps the context that it was connected with. It reads the service root each
// time, which replay answers.
func (d *redfishDriver) client(ctx context.Context, as redfishSession) (*gofish.APIClient, error) {
	config := gofish.ClientConfig{Endpoint: d.conn.Endpoint(), HTTPClient: d.http}
	switch {
	case as.token != "":
		config.Session = &gofish.Session{ID: as.path, Token: as.token}
	case as.basic:
		config.BasicAuth, config.Username, config.Password = true, d.login.Username, d.login.Password.Reveal()
	}
	return gofish.ConnectContext(ctx, config)
}

// fault blames what gofish made of an answer, or of none.
func (d *redfishDriver) fault(ctx context.Context, what asking, verb, path string, err error) error {
	answer := d.conn.Last()
	if answer.Status == 0 || ctx.Err() != nil {
		return blameRequest(ctx, err)
	}
	fault := refusal(what, answer)
	if d.session.mustChange && FaultOf(fault).Reason == AuthPrivilege {
		FaultOf(fault).Reason = AuthPasswordChange
	}
	return attempted(verb+" "+d.conn.Endpoint()+path, fault)
}

// replay answers gofish's question for the service root with what the visit read before, reduced to what was understood.
type replay struct {
	conn *guard.Conn
	root *serviceRoot
}

func (r replay) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.URL.RequestURI() != guard.Root {
		return r.conn.RoundTrip(req)
	}
	body, err := json.Marshal(map[string]string{"RedfishVersion": string(r.root.RedfishVersion)})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	return client.Do(req)
}

// PowerStateGet asks each system; see driver.
func (d *redfishDriver) PowerStateGet(ctx context.Context) (string, error) {
	found, read, err := d.readSystems(ctx)
	if err != nil && d.remembered && strings.Contains(err.Error(), ": 404 ") {
		if err = d.findSystems(ctx); err == nil { // remembered, but gone
			found, read, err = d.readSystems(ctx)
		}
	}
	if err != nil && read == 0 {
		return "", err
	}
	state, finding := judgeSystems(d.bmc, found)
	d.found = finding
	if state == PowerUnknown {
		return string(state), Blame(PowerUnreadable, errors.New("no system says whether it is on or off"))
	}
	return string(state), nil
}

// readSystems reads each system and says how many could be read, and why the first of the others could not. One that the BMC
// cannot tell about (an empty slot, a blade that starts) hides none of the others; one that gets no answer at all does.
func (d *redfishDriver) readSystems(ctx context.Context) (found []system, read int, first error) {
	for _, path := range d.systems {
		var s system
		err := d.read(ctx, askResource, path, func(body []byte) (err error) {
			s, err = parseSystem(body)
			return err
		})
		if s.ID == "" {
			s.ID = text(printable(path[strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1:]))
		}
		switch {
		case err == nil:
			read++
		case d.conn.Last().Status == 0 || ctx.Err() != nil:
			return nil, 0, err
		case first == nil:
			first = err
		}
		found = append(found, s)
	}
	return found, read, first
}
