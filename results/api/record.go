package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/console"
	"lamplighter/results/journal"
)

// mostActs is how many acts can be asked for; the file has all.
const mostActs = 10_000

// Act is something that a person did.
type Act struct {
	Number int64        `json:"number"`
	At     time.Time    `json:"at"`
	Who    string       `json:"who"`
	Token  string       `json:"token,omitempty"` // name of the token that was shown
	Do     string       `json:"do"`              // console.Acts
	BMC    inventory.ID `json:"bmc,omitempty"`
	// Incident and Silence are IDs of what it was done to, Where and Count the filter of what, and how many.
	Incident string `json:"incident,omitempty"`
	Silence  string `json:"silence,omitempty"`
	Where    string `json:"where,omitempty"`
	Count    int    `json:"count,omitempty"`
	Note     string `json:"note,omitempty"`
	// Site is what was stopped, fenced or synced; Digest is of the inventory that was approved.
	Site   string `json:"site,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Via is ViaCLI where who is what the command line says; nobody signed in there.
	Via string `json:"via,omitempty"`
	// ID is the request's.
	ID string `json:"id"`
}

// ViaCLI is how an act is marked that the command line told of.
const ViaCLI = "command line"

// record is who did what. Its file is shared with commands that act on a machine where no bus is (WriteDown): what they appended is read
// before anything is answered.
type record struct {
	file *journal.File // nil: nothing is kept on the disk

	mu   sync.Mutex // guards the following
	acts []Act      // the newest, oldest first
	last int64
	said map[string]bool // the IDs of those that the command line told of
}

func openRecord(path string) (*record, error) {
	r := &record{said: map[string]bool{}}
	if path == "" {
		return r, nil
	}
	file, err := journal.Open(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("record of what people did: %w", err)
	}
	r.file = file
	if err := r.catchUp(nil); err != nil {
		r.close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// catchUp reads what was appended since, then appends an act, if there is one, and reads that.
func (r *record) catchUp(own *Act) error {
	if own != nil {
		if err := r.file.Update(r.see, func() ([]byte, error) { return encode(own), nil }); err != nil {
			return err
		}
	}
	return r.file.Update(r.see, func() ([]byte, error) { return nil, nil })
}

func (r *record) see(line []byte) error {
	var a Act
	if json.Unmarshal(line, &a) == nil { // a line that is none is left alone
		r.keep(a)
	}
	return nil
}

func (r *record) close() {
	if r.file != nil {
		_ = r.file.Close() // each line was on the disk when it was appended
	}
}

func (r *record) keep(a Act) {
	if a.Via != "" && r.said[a.ID] {
		return
	}
	r.last++
	a.Number = r.last
	r.acts = append(r.acts, a)
	if a.Via != "" {
		r.said[a.ID] = true
	}
	if len(r.acts) > mostActs+mostActs/4 {
		gone := len(r.acts) - mostActs
		for _, old := range r.acts[:gone] {
			delete(r.said, old.ID)
		}
		r.acts = append([]Act(nil), r.acts[gone:]...)
	}
}

// add keeps an act, on the disk too. One that the command line told of already is not kept again.
func (r *record) add(a Act) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case a.Via != "" && r.said[a.ID]:
		return nil
	case r.file == nil:
		r.keep(a)
		return nil
	}
	if err := r.catchUp(&a); err != nil {
		r.keep(a) // as long as we live
		return err
	}
	return nil
}

// Said writes down what a person did by the command line, once for each ID.
func (s *Server) Said(act results.Act) {
	if err := s.record.add(said(act)); err != nil {
		s.Log.Error("an act could not be written down", "id", act.ID, "err", err)
	}
}

func said(a results.Act) Act {
	return Act{At: a.At, Who: a.Who, Do: a.Do, BMC: a.BMC, Note: a.Note, Site: a.Site, Via: ViaCLI, ID: a.ID}
}

// WriteDown is Said by a process that has no server: it appends to the record at path, which a server of this machine reads. Where no
// server ever made one nothing is written.
func WriteDown(path string, act results.Act) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file, err := journal.Open(path, 0o600)
	if err != nil {
		return fmt.Errorf("write down who did what: %w", err)
	}
	return errors.Join(file.Append(encode(said(act))), file.Close())
}

// note writes down what somebody did. What cannot be written is in the log.
func (s *Server) note(a ask, act Act) {
	act.At, act.ID = a.now.UTC(), a.id
	if a.who.token {
		act.Token = a.who.name
	}
	s.Log.Info("person", "do", act.Do, "who", act.Who, "bmc", act.BMC, "incident", act.Incident, "silence", act.Silence, "where", act.Where, "site", act.Site, "id", a.id)
	if err := s.record.add(act); err != nil {
		s.Log.Error("an act could not be written down", "id", a.id, "err", err)
	}
}

// refresh reads what others appended.
func (r *record) refresh() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	if err := r.catchUp(nil); err != nil {
		return fmt.Errorf("read who did what: %w", err)
	}
	return nil
}

// of are what people did with an incident, newest first.
func (r *record) of(incident string, most int) []Act {
	r.mu.Lock()
	defer r.mu.Unlock()
	acts := []Act{}
	for _, act := range slices.Backward(r.acts) {
		if act.Incident == incident && len(acts) < most {
			acts = append(acts, act)
		}
	}
	return acts
}

// acted are what people do; the first is anything.
var acted = append([]string{""}, console.Acts...)

// before are the newest acts of a kind before a number, newest first; 0: the newest of all; "": of any kind.
func (r *record) before(number int64, do string, most int) (acts []Act, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	acts = []Act{}
	for i := len(r.acts) - 1; i >= 0; i-- {
		if number > 0 && r.acts[i].Number >= number || do != "" && r.acts[i].Do != do {
			continue
		}
		if len(acts) == most {
			return acts, true
		}
		acts = append(acts, r.acts[i])
	}
	return acts, false
}

// audit answers with who did what, newest first: GET /audit.
func (s *Server) audit(w http.ResponseWriter, _ *http.Request, a ask) error {
	var number int64
	if err := a.cursor(&number); err != nil {
		return err
	}
	if err := s.record.refresh(); err != nil {
		return err
	}
	do, err := a.choice("do", acted...)
	if err != nil {
		return err
	}
	acts, more := s.record.before(number, do, a.limit)
	p := page[Act]{Items: acts}
	if more {
		p.Next = next(acts[len(acts)-1].Number)
	}
	return reply(w, p)
}
