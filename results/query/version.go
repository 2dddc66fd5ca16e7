package query

import (
	"cmp"
	"regexp"
	"strings"
)

// CompareVersions tells which of two versions is older, as firmware writes them: numbers as numbers (2.9 before 2.14), words
// before it left away (iLO 5 v2.44 is 2.44), missing numbers 0 (2.14 is 2.14.0), and what announces a release before that
// release (2.14-rc1 before 2.14). It is an order: negative, 0 or positive.
func CompareVersions(a, b string) int {
	return compareAll(parts(a), parts(b))
}

func compareAll(left, right []string) int {
	for i := range max(len(left), len(right)) {
		if c := compareParts(part(left, i), part(right, i)); c != 0 {
			return c
		}
	}
	return 0
}

// versionStart finds the number that a version begins with: one after a v, else one with a dot, else the first.
var versionStart = []*regexp.Regexp{regexp.MustCompile(`(?i)(?:^|[^a-z])v(\d)`), regexp.MustCompile(`(?:^|[^\d.])(\d+\.\d)`), regexp.MustCompile(`(\d)`)}

var piece = regexp.MustCompile(`\d+|[a-z]+`)

// parts are the numbers and words of a version from its beginning on.
func parts(version string) []string {
	for _, pattern := range versionStart {
		if at := pattern.FindStringSubmatchIndex(version); at != nil {
			return piece.FindAllString(strings.ToLower(version[at[2]:]), -1)
		}
	}
	return piece.FindAllString(strings.ToLower(version), -1)
}

// part is the i-th; after the last one there is nothing, which counts as 0.
func part(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return "0"
}

// rank: what announces a release comes before the release, other words after all numbers.
func rank(p string) int {
	switch {
	case p[0] <= '9':
		return 1
	case strings.HasPrefix(p, "rc"), strings.HasPrefix(p, "pre"), p == "alpha", p == "beta", p == "dev":
		return 0
	}
	return 2
}

func compareParts(a, b string) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	if rank(a) == 1 {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if c := cmp.Compare(len(a), len(b)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}
