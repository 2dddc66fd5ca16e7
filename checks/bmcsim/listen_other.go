//go:build !linux

package bmcsim

import "syscall"

func bindToLoopback(_, _ string, _ syscall.RawConn) error { return nil }
