package bmcsim

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindToLoopback keeps other interfaces' packets away from the socket. Older kernels allow it to root only; then the check
// of each connection's and datagram's own address must do.
func bindToLoopback(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = unix.BindToDevice(int(fd), "lo") })
}
