package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"lamplighter/inventory"
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
	Do     string       `json:"do"`              // ack, unack, recheck, silence, maintenance, end, sign_in
	BMC    inventory.ID `json:"bmc,omitempty"`
	// Incident and Silence are IDs of what it was done to, Where and Count the filter of what, and how many.
	Incident string `json:"incident,omitempty"`
	Silence  string `json:"silence,omitempty"`
	Where    string `json:"where,omitempty"`
	Count    int    `json:"count,omitempty"`
	Note     string `json:"note,omitempty"`
	// ID is the request's.
	ID string `json:"id"`
}

// record is who did what.
type record struct {
	file *journal.File // nil: nothing is kept on the disk

	mu   sync.Mutex // guards the following
	acts []Act      // the newest, oldest first
	last int64
}

func openRecord(path string) (*record, error) {
	r := &record{}
	if path == "" {
		return r, nil
	}
	file, err := journal.Open(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("record of what people did: %w", err)
	}
	r.file = file
	err = file.Update(func(line []byte) error {
		var a Act
		if json.Unmarshal(line, &a) == nil { // a line that is none is left alone
			r.keep(a)
		}
		return nil
	}, func() ([]byte, error) { return nil, nil })
	if err != nil {
		r.close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

func (r *record) close() {
	if r.file != nil {
		_ = r.file.Close() // each line was on the disk when it was appended
	}
}

func (r *record) keep(a Act) Act {
	r.last++
	a.Number = r.last
	r.acts = append(r.acts, a)
	if len(r.acts) > mostActs+mostActs/4 {
		r.acts = append([]Act(nil), r.acts[len(r.acts)-mostActs:]...)
	}
	return a
}

// add keeps an act, on the disk too.
func (r *record) add(a Act) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	a = r.keep(a)
	if r.file == nil {
		return nil
	}
	return r.file.Append(encode(a))
}

// note writes down what somebody did. What cannot be written is in the log.
func (s *Server) note(a ask, act Act) {
	act.At, act.ID = a.now.UTC(), a.id
	if a.who.token {
		act.Token = a.who.name
	}
	s.Log.Info("person", "do", act.Do, "who", act.Who, "bmc", act.BMC, "incident", act.Incident, "silence", act.Silence, "where", act.Where, "id", a.id)
	if err := s.record.add(act); err != nil {
		s.Log.Error("an act could not be written down", "id", a.id, "err", err)
	}
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
