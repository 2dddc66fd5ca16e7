package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results/follow"
)

// Limits of checking many again at a person's request.
const (
	mostInBulk   = 1000            // BMCs at a time
	mostBulks    = 4               // requests at a time
	perSatellite = 4               // BMCs that one satellite checks for a request at a time
	usualRecheck = 4 * time.Second // how long one takes until it is known better
)

// rechecksBody is what a person says who has many BMCs checked again.
type rechecksBody struct {
	Who string `json:"who,omitempty"`
	bulk
}

// BulkStep is a line of what happens while many BMCs are checked again: begun, a bmc that was checked or was not, done.
type BulkStep struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// Count is how many are to be checked, Left how many of them still are, Failed how many could not be.
	Count  int `json:"count"`
	Left   int `json:"left"`
	Failed int `json:"failed"`
	// EstimateS is how many seconds what is left will take, by what is known of it.
	EstimateS int            `json:"estimate_s"`
	BMC       inventory.ID   `json:"bmc,omitempty"`
	Health    *checks.Health `json:"health,omitempty"` // what its round found
	Reason    checks.Reason  `json:"reason,omitempty"`
	Text      string         `json:"text,omitempty"` // why it could not be checked
}

// rechecking is a request to check many.
type rechecking struct {
	ask     func(ctx context.Context, b *follow.BMC, each func(Step) error) error
	tell    func(line any) error
	queues  map[string][]*follow.BMC // by satellite
	mu      sync.Mutex               // guards now, left and tell
	now     BulkStep
	left    map[string]int
	checked int
	took    time.Duration // by those that were checked, one by one
}

// recheckAll has all BMCs checked that match, so many at a time as their satellites can bear, and tells a line of JSON of each as it
// ends: POST /rechecks. It ends when the client leaves; rounds that began go on.
func (s *Server) recheckAll(w http.ResponseWriter, r *http.Request, a ask) error {
	if a.filter.String() == "" {
		return mistake("where", errors.New("want which BMCs, such as rack=C01"))
	}
	var body rechecksBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	if err := validText("who", body.Who); err != nil {
		return err
	}
	t := teller{w: w, out: http.NewResponseController(w)}
	job := &rechecking{queues: map[string][]*follow.BMC{}, left: map[string]int{}, tell: t.line}
	s.matching(a, func(b *follow.BMC) bool {
		by := cmp.Or(b.State.Satellite, "site "+b.State.Site)
		job.queues[by] = append(job.queues[by], b)
		job.left[by]++
		job.now.Count++
		return true
	})
	job.now.Left = job.now.Count
	if err := body.agreed(job.now.Count); err != nil {
		return err
	}
	switch {
	case job.now.Count > mostInBulk:
		return mistake("where", fmt.Errorf("%d BMCs match, want at most %d", job.now.Count, mostInBulk))
	case s.Recheck == nil:
		return problem(http.StatusServiceUnavailable, "the role results has no way to ask satellites: its configuration names no bus")
	case body.DryRun:
		return job.say("begun", BulkStep{})
	case s.bulks.Add(1) > mostBulks:
		s.bulks.Add(-1)
		return problem(http.StatusTooManyRequests, "%d people have many BMCs checked again already", mostBulks)
	}
	defer s.bulks.Add(-1)
	who := a.name(body.Who)
	s.note(a, Act{Do: "recheck", Where: a.filter.String(), Count: job.now.Count, Who: who})
	job.ask = func(ctx context.Context, b *follow.BMC, each func(Step) error) error {
		return s.Recheck.Recheck(ctx, b.State.Site, b.State.BMC, who, each)
	}
	return job.run(r.Context())
}

// run checks them all.
func (job *rechecking) run(ctx context.Context) error {
	if err := job.say("begun", BulkStep{}); err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	for by, queue := range job.queues {
		next := make(chan *follow.BMC, len(queue))
		for _, b := range queue {
			next <- b
		}
		close(next)
		for range min(perSatellite, len(queue)) {
			all.Go(func() error {
				for b := range next {
					if err := job.one(ctx, by, b); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return job.say("done", BulkStep{})
}

// one checks one; an error says that nobody listens any more.
func (job *rechecking) one(ctx context.Context, by string, b *follow.BMC) error {
	began, step := time.Now(), BulkStep{BMC: b.State.BMC}
	err := job.ask(ctx, b, func(one Step) error {
		if one.Verdict != nil {
			step.Health, step.Reason = &one.Verdict.Health, one.Verdict.Reason
		}
		if one.Kind == "error" {
			step.Text = one.Text
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if refused := new(NotDone); errors.As(err, &refused) {
		step.Text = refused.Text
	} else if err != nil {
		step.Text = "it broke off; the log has more"
	}
	job.mu.Lock()
	job.now.Left--
	job.left[by]--
	job.checked++
	job.took += time.Since(began)
	if step.Health == nil {
		job.now.Failed++
		step.Text = cmp.Or(step.Text, "no round came of it")
	}
	job.mu.Unlock()
	return job.say("bmc", step)
}

// say tells a step, with the counts.
func (job *rechecking) say(kind string, step BulkStep) error {
	job.mu.Lock()
	defer job.mu.Unlock()
	step.Kind, step.At = kind, time.Now().UTC()
	step.Count, step.Left, step.Failed, step.EstimateS = job.now.Count, job.now.Left, job.now.Failed, job.estimate()
	return job.tell(step)
}

// estimate is how long the satellite with the most to do will take.
func (job *rechecking) estimate() int {
	each, turns := usualRecheck, 0
	if job.checked > 0 {
		each = job.took / time.Duration(job.checked)
	}
	for _, left := range job.left {
		turns = max(turns, (left+perSatellite-1)/perSatellite)
	}
	return int((time.Duration(turns)*each + time.Second - 1) / time.Second)
}
