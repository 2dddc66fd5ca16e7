package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// meant asks whether something is meant that concerns many. Where nobody can be asked --yes has to say so.
func meant(cmd *cobra.Command, question string, yes bool) error {
	if yes {
		return nil
	}
	file, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return errors.New("nothing was done: this is no terminal to ask at; --yes says that it is meant")
	}
	return answered(file, cmd.ErrOrStderr(), question)
}

// answered asks, and wants a yes.
func answered(from io.Reader, to io.Writer, question string) error {
	fmt.Fprintf(to, "%s [y/N] ", question)
	line, err := bufio.NewReader(from).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	if err != nil {
		fmt.Fprintln(to)
	}
	return errors.New("nothing was done")
}
