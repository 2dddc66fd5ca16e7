package inventory

import "strings"

// texts keeps each text once: a hundred thousand BMCs stand at a few sites, in a few rows, of a few vendors.
type texts map[string]string

// Texts of which every BMC has another are not worth keeping, and neither is a map of them: it begins anew when it has too many.
const (
	longestShared = 64
	mostShared    = 1 << 14
)

// of is the text of bytes that may be written over.
func (t texts) of(text []byte) string {
	if kept, known := t[string(text)]; known {
		return kept
	}
	return t.keep(string(text))
}

// one is a text that is kept once. It holds nothing that text was cut out of.
func (t texts) one(text string) string {
	if kept, known := t[text]; known {
		return kept
	}
	return t.keep(strings.Clone(text))
}

func (t texts) keep(text string) string {
	if len(text) > longestShared {
		return text
	}
	if len(t) >= mostShared {
		clear(t)
	}
	t[text] = text
	return text
}

// share has a record that was read for itself hold each text once.
func (t texts) share(b *BMC) {
	for _, field := range []*string{&b.Site, &b.Room, &b.Row, &b.Rack, &b.Face, &b.Slot, &b.Chassis, &b.Vendor, &b.Model, (*string)(&b.Protocol), &b.Login,
		(*string)(&b.Trust.Mode), &b.Trust.Pin} {
		*field = t.one(*field)
	}
	b.Labels = t.labels(b.Labels)
}

// labels are a copy of labels that holds each text once, and is no larger than it has to be.
func (t texts) labels(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	shared := make(map[string]string, len(labels))
	for name, value := range labels {
		if name == "name" || name == "hostname" { // each BMC's is another
			shared[t.one(name)] = strings.Clone(value)
			continue
		}
		shared[t.one(name)] = t.one(value)
	}
	return shared
}

// Sharing makes a function that has records hold each of their texts once, for who reads many of them. It is for one goroutine.
func Sharing() func(*BMC) { return texts{}.share }
