package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"lamplighter/results/kafka"
)

const topicsExitCodes = `
Exit codes: 0 the topics are as they should be, 1 something differs or is missing, 2 usage, 4 Kafka was not reached or refused.
`

// kafkaFlags are how a command reaches Kafka.
type kafkaFlags struct {
	Kafka
	login    string
	replicas int
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
			RunE: func(cmd *cobra.Command, _ []string) error {
				return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), true)
			}},
		{Use: "check", Short: "compare the topics that are there with what they should be",
			RunE: func(cmd *cobra.Command, _ []string) error {
				return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), false)
			}},
	} {
		sub.Args, sub.Long = cobra.NoArgs, sub.Short+".\n"+topicsExitCodes
		f.register(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

func (f *kafkaFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.Brokers, "brokers", nil, "`host:port` of brokers, separated by commas")
	flags.IntVar(&f.replicas, "replicas", 3, "`number` of brokers that keep each record")
	flags.BoolVar(&f.TLS, "tls", false, "speak TLS")
	flags.StringVar(&f.CAFile, "ca-file", "", "PEM `file` of the authorities that the brokers' certificates come from; the system's without it")
	flags.StringVar(&f.login, "login", "", "`mechanism` to log in by: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	flags.StringVar(&f.User, "user", "", "`name` to log in with")
	flags.StringVar(&f.PasswordFile, "password-file", "", "`file` that holds the password, readable by its owner only")
	_ = cmd.MarkFlagRequired("brokers")
}

func (f *kafkaFlags) run(ctx context.Context, stdout, stderr io.Writer, create bool) error {
	c, err := f.config(ctx)
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

func (f *kafkaFlags) config(ctx context.Context) (kafka.Config, error) {
	if f.replicas < 1 || f.replicas > 100 {
		return kafka.Config{}, fmt.Errorf("--replicas: want 1 to 100, got %d", f.replicas)
	}
	f.Login = kafka.Mechanism(f.login)
	return f.connection(ctx)
}
