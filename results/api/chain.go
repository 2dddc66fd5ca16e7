package api

import (
	"net/http"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/follow"
)

// chain answers with how the checks went in the last hour, and one of them by vendor and firmware: GET /chain.
func (s *Server) chain(w http.ResponseWriter, _ *http.Request, a ask) error {
	var names []string
	for _, check := range checks.Default() {
		names = append(names, string(check.Name))
	}
	check, err := a.choice("check", names...)
	if err != nil {
		return err
	}
	return reply(w, s.Pace.Chain(checks.Name(check), a.now))
}

// ahead is for how many days certificates are counted one by one.
const ahead = 30

// Certificates say which end soon, of the BMCs that a filter is true of.
type Certificates struct {
	At time.Time `json:"at"`
	// Days are today and the 30 days after it, by UTC.
	Days []CertificateDay `json:"days"`
	// Over have ended, Later end after those days, and of None no certificate is known.
	Over  int `json:"over"`
	Later int `json:"later"`
	None  int `json:"none"`
}

// CertificateDay is how many end on a day; of today's, those that have not yet.
type CertificateDay struct {
	Day   string `json:"day"`
	Count int    `json:"count"`
}

// certificates answers with how many certificates end on which day: GET /certificates.
func (s *Server) certificates(w http.ResponseWriter, _ *http.Request, a ask) error {
	today := a.now.UTC().Truncate(24 * time.Hour)
	c := Certificates{At: a.now.UTC(), Days: make([]CertificateDay, ahead+1)}
	for i := range c.Days {
		c.Days[i].Day = today.AddDate(0, 0, i).Format(time.DateOnly)
	}
	s.matching(a, func(b *follow.BMC) bool {
		ends, err := time.Parse(time.RFC3339, results.FactNamed(b.Facts, "cert_not_after"))
		switch day := int(ends.Sub(today) / (24 * time.Hour)); {
		case err != nil:
			c.None++
		case ends.Before(a.now):
			c.Over++
		case day > ahead:
			c.Later++
		default:
			c.Days[day].Count++
		}
		return true
	})
	return reply(w, c)
}
