package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// setting is one key of the configuration. Its set gets the value's text, or the texts of a list, and says what it wanted
// if that is something else.
type setting struct {
	key  string
	list bool
	// private texts are not shown, even where they are wrong.
	private bool
	set     func(texts []string) (want string)
	// named, if set, makes the key a section of sections, each with a name that the file gives it, and the settings that named says.
	named func(name string) []setting
}

// settings are all keys, with where their values go. A map's keys follow from the chain of checks.
func (c *Config) settings() []setting {
	all := []setting{
		textSetting("satellite", &c.Satellite),
		textSetting("site", &c.Site),
		textSetting("inventory", &c.Inventory),
		textSetting("keyring", &c.Keyring),
		parsed("login", &c.Login, "a path such as racks/{site}/{rack} with at most one of {bmc}, {site}, {room}, {row}, {rack}, {vendor}, {model}, {protocol} between two slashes", inventory.ParseLoginPath),
		textSetting("memory", &c.Memory),
		textSetting("verdicts", &c.Verdicts),
		parsed("listen", &c.Listen, "host:port, or nothing", parseListen),
		parsed("trust", &c.Trust, "ca, pin: and 64 hex digits, tofu or insecure", parseTrust),
		textSetting("ca_file", &c.CAFile),
		listed("ping", &c.Ping, "a list of icmp, tcp, rmcp, each once", parseWay),
		listed("anchors", &c.Anchors, "a list of IP addresses, each once", netip.ParseAddr),
		durationSetting("expiry_soon", &c.ExpirySoon),
		durationSetting("slow", &c.Slow),
		durationSetting("interval", &c.Interval),
		parsed("visits", &c.Visits, "a whole number", strconv.Atoi),
		parsed("look_round", &c.LookRound, "a whole number", strconv.Atoi),
		durationSetting("fence.pause_min", &c.Fence.PauseMin),
		durationSetting("fence.pause_max", &c.Fence.PauseMax),
		parsed("fence.confirm_login", &c.Fence.ConfirmLogin, "true or false", parseBool),
		durationSetting("drain", &c.Drain),
		parsed("log.level", &c.Log.Level, "debug, info, warn or error", parseLevel),
		parsed("log.format", &c.Log.Format, "text or json", oneOf("text", "json")),
	}
	all = append(all, c.Targets.settings()...)
	all = append(all, c.CMDB.settings()...)
	all = append(all, c.RabbitMQ.settings()...)
	all = append(all, c.Kafka.settings()...)
	all = append(all, c.Results.settings()...)
	all = append(all, c.Incidents.settings()...)
	all = append(all, c.Tickets.settings()...)
	for _, check := range checks.Default() {
		all = append(all, mapped("timeouts", c.Timeouts, check.Name, wantDuration, parseDuration))
		if check.Every > 0 {
			all = append(all, mapped("every", c.Every, check.Name, wantDuration+", or 0s for each round", parseEvery))
		}
	}
	return all
}

func textSetting(key string, to *string) setting {
	return parsed(key, to, "text", func(s string) (string, error) { return s, nil })
}

const wantDuration = "a time with its unit, such as 30s, 5m, 1h or 30d"

func durationSetting(key string, to *time.Duration) setting {
	return parsed(key, to, wantDuration, parseDuration)
}

func mapped[K ~string, T any](section string, to map[K]T, key K, want string, parse func(string) (T, error)) setting {
	return setting{key: section + "." + string(key), set: func(texts []string) string {
		value, err := parse(texts[0])
		if err != nil {
			return want
		}
		to[key] = value
		return ""
	}}
}

func parsed[T any](key string, to *T, want string, parse func(string) (T, error)) setting {
	return setting{key: key, set: func(texts []string) string {
		value, err := parse(texts[0])
		if err != nil {
			return want
		}
		*to = value
		return ""
	}}
}

func listed[T comparable](key string, to *[]T, want string, parse func(string) (T, error)) setting {
	return setting{key: key, list: true, set: func(texts []string) string {
		values := []T{}
		for _, text := range texts {
			value, err := parse(text)
			if err != nil || slices.Contains(values, value) {
				return want
			}
			values = append(values, value)
		}
		*to = values
		return ""
	}}
}

var errWanted = errors.New("something else was wanted") // the setting says what

// parseDuration reads what time.ParseDuration reads, and days. Nothing that it reads may be zero or less.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n == 0 || n > math.MaxInt64/uint64(24*time.Hour) {
			return 0, errWanted
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d <= 0 {
		err = errWanted
	}
	return d, err
}

func parseEvery(s string) (time.Duration, error) {
	if s == "0s" {
		return 0, nil
	}
	return parseDuration(s)
}

func parseTrust(s string) (inventory.Trust, error) {
	if s == "" {
		return inventory.Trust{}, errWanted
	}
	return inventory.ParseTrust(s)
}

func parseWay(s string) (checks.Way, error) {
	way, err := oneOf(string(checks.WayICMP), string(checks.WayTCP), string(checks.WayRMCP))(s)
	return checks.Way(way), err
}

func parseBool(s string) (bool, error) {
	text, err := oneOf("true", "false")(s)
	return text == "true", err
}

func parseLevel(s string) (level slog.Level, err error) {
	if s, err = oneOf("debug", "info", "warn", "error")(s); err != nil {
		return level, err
	}
	if err := level.UnmarshalText([]byte(s)); err != nil {
		return level, fmt.Errorf("log level %q: %w", s, err)
	}
	return level, nil
}

func oneOf(words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", errWanted
		}
		return s, nil
	}
}
