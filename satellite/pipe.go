package main

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"
)

// pipe is a stdout whose reader may go away. The first write that finds nobody calls gone, which ends the command as Ctrl-C
// does: with a SIGPIPE it would die at once, and every BMC that is just visited would keep a session.
type pipe struct {
	w      io.Writer
	gone   func()
	broken atomic.Bool
}

func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if errors.Is(err, syscall.EPIPE) && !p.broken.Swap(true) {
		p.gone()
	}
	return n, err
}

// stdout is p, or the file itself where it is a terminal, which has a size and never breaks.
func (p *pipe) stdout(file *os.File) io.Writer {
	if term.IsTerminal(int(file.Fd())) {
		return file
	}
	p.w = file
	return p
}
