package amqp

import (
	"context"
	"maps"

	"github.com/rabbitmq/amqp091-go"
)

// wasReturned reads the returns that came, and says whether that of a message is among them. The broker returns a message
// before it confirms it (basic.return, then basic.ack), and the library passes the return on before it marks the confirm.
func (p *publisher) wasReturned(id string) (reason string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		select {
		case r, open := <-p.returns:
			if open {
				p.returned[r.CorrelationId] = r.ReplyText
				continue
			}
		default:
		}
		break
	}
	reason, ok = p.returned[id]
	delete(p.returned, id)
	return reason, ok
}

// keepUnroutable raises the alarm, has what is missing declared anew, and keeps a copy.
func (p *publisher) keepUnroutable(ctx context.Context, to route, m amqp091.Publishing) {
	p.bus.unroutable.Add(1)
	p.bus.log.Error("the broker has no queue for a message", "broker", p.broker, "exchange", to.exchange, "mailbox", to.key, "message", m.MessageId)
	if to.to.name == "" {
		p.cut() // a new generation declares what every site has
		return
	}
	p.miss(to.to)
	m.Headers = maps.Clone(m.Headers)
	if err := p.publish(ctx, route{exchange: string(Unroutable), key: to.key}, m); err != nil {
		p.bus.log.Error("keep a copy of it", "message", m.MessageId, "error", err)
	}
}
