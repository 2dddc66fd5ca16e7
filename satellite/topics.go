package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"lamplighter/inventory"
	"lamplighter/results/kafka"
)

const topicsExitCodes = `
Exit codes: 0 the topics are as they should be, 1 something differs or is missing, 2 usage, 4 Kafka was not reached or refused.
`

// kafkaFlags are how a command reaches Kafka.
type kafkaFlags struct {
	brokers      []string
	replicas     int
	tls          bool
	caFile       string
	mechanism    string
	user         string
	passwordFile string
}

func newTopics() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "create or check the topics on Kafka",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var f kafkaFlags
	for _, sub := range []*cobra.Command{
		{Use: "create", Short: "make the topics that are missing, then check them all",
			RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout(), cmd.ErrOrStderr(), true) }},
		{Use: "check", Short: "compare the topics that are there with what they should be",
			RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.OutOrStdout(), cmd.ErrOrStderr(), false) }},
	} {
		sub.Args, sub.Long = cobra.NoArgs, sub.Short+".\n"+topicsExitCodes
		f.register(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

func (f *kafkaFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.brokers, "brokers", nil, "`host:port` of brokers, separated by commas")
	flags.IntVar(&f.replicas, "replicas", 3, "`number` of brokers that keep each record")
	flags.BoolVar(&f.tls, "tls", false, "speak TLS")
	flags.StringVar(&f.caFile, "ca-file", "", "PEM `file` of the authorities that the brokers' certificates come from; the system's without it")
	flags.StringVar(&f.mechanism, "login", "", "`mechanism` to log in by: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	flags.StringVar(&f.user, "user", "", "`name` to log in with")
	flags.StringVar(&f.passwordFile, "password-file", "", "`file` that holds the password")
	_ = cmd.MarkFlagRequired("brokers")
}

func (f *kafkaFlags) run(stdout, stderr io.Writer, create bool) error {
	c, err := f.config()
	if err != nil {
		return err
	}
	if create {
		made, err := kafka.CreateTopics(c, f.replicas)
		for _, name := range made {
			fmt.Fprintln(stdout, name+": created")
		}
		if err != nil {
			fmt.Fprintf(stderr, "lamplighter: %v\n", err)
			return exitUnknown
		}
	}
	differences, err := kafka.CheckTopics(c, f.replicas)
	if err != nil {
		fmt.Fprintf(stderr, "lamplighter: %v\n", err)
		return exitUnknown
	}
	if len(differences) > 0 {
		fmt.Fprintln(stdout, strings.Join(differences, "\n"))
		return exitUnavailable
	}
	fmt.Fprintf(stdout, "%d topics are as they should be\n", len(kafka.Topics(f.replicas)))
	return nil
}

func (f *kafkaFlags) config() (kafka.Config, error) {
	c := kafka.Config{Brokers: f.brokers, Login: kafka.Login{Mechanism: kafka.Mechanism(f.mechanism), User: f.user}}
	if f.replicas < 1 || f.replicas > 100 {
		return c, fmt.Errorf("--replicas: want 1 to 100, got %d", f.replicas)
	}
	if f.caFile != "" && !f.tls {
		return c, errors.New("--ca-file: want --tls, too")
	}
	if f.tls {
		roots, err := loadRoots(f.caFile)
		if err != nil {
			return c, fmt.Errorf("--ca-file: %w", err)
		}
		c.TLS = &tls.Config{RootCAs: roots}
	}
	if f.passwordFile != "" {
		text, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return c, fmt.Errorf("--password-file: %w", err)
		}
		c.Login.Password = inventory.NewSecret(strings.TrimRight(string(text), "\r\n"))
	}
	return c, c.Validate()
}
