package rmcp

import "errors"

// Errors of a BMC and its network, matched with errors.Is.
var (
	ErrTimeout     = errors.New("no answer in time")
	ErrRefused     = errors.New("the UDP port is closed")
	ErrUnreachable = errors.New("network or host unreachable")
	ErrMalformed   = errors.New("malformed answer")
	ErrForged      = errors.New("answer with a wrong signature")
)
