package results

import (
	"strconv"
	"time"
)

// Field is what a filter's field says of a BMC, as text: a time as RFC 3339, a flag "true" or ""; "" is what is not known.
func Field(s *State, facts []Fact, name string, now time.Time) string {
	switch name {
	case "bmc":
		return string(s.BMC)
	case "site":
		return s.Site
	case "room":
		return s.Room
	case "row":
		return s.Row
	case "rack":
		return s.Rack
	case "unit":
		return UnitText(s.Unit)
	case "address":
		return s.Address
	case "health":
		return s.Health.String()
	case "failed":
		return string(s.Failed)
	case "reason":
		return string(s.Reason)
	case "owner":
		return string(s.Owner)
	case "satellite":
		return s.Satellite
	}
	return s.lasting(facts, name, now)
}

// lasting is a field that is a flag, a time, or a fact.
func (s *State) lasting(facts []Fact, name string, now time.Time) string {
	switch name {
	case "never_seen":
		return flag(s.NeverSeen)
	case "flapping":
		return flag(s.Flapping != nil)
	case "soft":
		return flag(s.Soft != nil)
	case "since":
		return MomentText(s.Since)
	case "last_at":
		return MomentText(s.LastAt)
	case "last_good_at":
		return MomentText(s.LastGoodAt)
	case "age":
		if s.Since.IsZero() {
			return ""
		}
		return now.Sub(s.Since).String()
	case "vendor":
		if s.Vendor != "" {
			return s.Vendor
		}
	case "model":
		if s.Model != "" {
			return s.Model
		}
	}
	return FactNamed(facts, name)
}

// FactNamed is the value of a fact.
func FactNamed(facts []Fact, name string) string {
	for i := range facts {
		if facts[i].Name == name {
			return facts[i].Value
		}
	}
	return ""
}

// UnitText is a unit as people write it; "" where it is not known.
func UnitText(unit float64) string {
	if unit == 0 {
		return ""
	}
	return strconv.FormatFloat(unit, 'f', -1, 64)
}

// MomentText is a time in UTC; "" for the zero time.
func MomentText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func flag(set bool) string {
	if set {
		return "true"
	}
	return ""
}
