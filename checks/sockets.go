package checks

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks/icmp"
	"lamplighter/checks/rmcp"
)

// Wires are what all visits of a process share: settings and the sockets for ICMP and RMCP.
type Wires struct {
	Settings Settings

	echo *icmp.Socket
	rmcp *rmcp.Client
}

// OpenWires opens the sockets. Without the right to raw or unprivileged ICMP it works on without: ping then asks by TCP and
// RMCP only, and says so in its facts. Nothing is read before Run.
func OpenWires(s Settings) (*Wires, error) {
	client, err := rmcp.Listen()
	if err != nil {
		return nil, fmt.Errorf("open the RMCP socket: %w", err)
	}
	client.Allow = s.Targets.Dial
	return &Wires{Settings: s, echo: icmp.Listen(), rmcp: client}, nil
}

// Run reads from the sockets until ctx ends, then closes them.
func (w *Wires) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.echo.Run(ctx) })
	group.Go(func() error { return w.rmcp.Run(ctx) })
	return group.Wait()
}
