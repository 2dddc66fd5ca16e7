package actor

import "lamplighter/checks"

// OnClosed has f told of each visit that was closed.
func (v *Visits) OnClosed(f func(*checks.Visit)) { v.closed = f }
