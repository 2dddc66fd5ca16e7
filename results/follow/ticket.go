package follow

import (
	"context"
	"encoding/json"
	"time"

	"lamplighter/results"
	"lamplighter/results/kafka"
)

// PutTicket takes in what a desk has of an incident, where the desk is in this process. It returns once that is kept.
func (f *Follower) PutTicket(ctx context.Context, t results.Ticket) error {
	return f.doing(ctx, func(b *batch) error {
		b.put.Tickets = append(b.put.Tickets, t)
		return nil
	})
}

// readTickets takes in what the role tickets says, from the beginning of its topic: the newest of each stays there. A cluster that
// does not have the topic yet is asked again.
func (f *Follower) readTickets(ctx context.Context) {
	for ctx.Err() == nil {
		err := kafka.Read(ctx, *f.config.Kafka, kafka.Reading{
			Topics: []string{kafka.TicketTopic},
			See:    func(r kafka.Record) error { return f.seeTicket(ctx, r) },
			Follow: func(time.Time) error { return nil },
		})
		if ctx.Err() != nil {
			return
		}
		f.log.Debug("tickets cannot be read", "error", err)
		wait(ctx, ticketsAgain)
	}
}

// ticketsAgain is how long reading tickets waits after an error.
const ticketsAgain = 10 * time.Second

func (f *Follower) seeTicket(ctx context.Context, r kafka.Record) error {
	var t results.Ticket
	if err := json.Unmarshal(r.Value, &t); err != nil || t.Schema != results.TicketSchema || string(r.Key) != t.Incident+"/"+t.Desk {
		return nil // it is not ours
	}
	for _, known := range f.Tickets(t.Incident) {
		if known.Desk == t.Desk && !t.At.After(known.At) {
			return nil
		}
	}
	return f.PutTicket(ctx, t)
}
