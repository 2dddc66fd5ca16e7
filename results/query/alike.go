package query

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Alike is, by each of a field's values, the shortest of those that a filter with = takes for the same: Dell of dell and Dell Inc., 2.14 of
// 2.14.0.
func (f Field) Alike(values []string) map[string]string {
	shortest := map[string]string{}
	for _, value := range values {
		key := f.folded(value)
		if best, known := shortest[key]; !known || len(value) < len(best) || len(value) == len(best) && value < best {
			shortest[key] = value
		}
	}
	alike := make(map[string]string, len(values))
	for _, value := range values {
		key := f.folded(value)
		alike[value] = shortest[key]
		for end := 1; f.Kind == Company && end < len(key); end++ {
			if name, known := shortest[key[:end]]; known && isCompany(key, key[:end]) {
				alike[value] = name
				break
			}
		}
	}
	return alike
}

// folded is the same of values that = takes for the same, but for the longer names of companies.
func (f Field) folded(value string) string {
	switch {
	case f.Kind == Version && strings.ContainsFunc(value, unicode.IsDigit):
		all := slices.Clone(parts(value))
		for i, p := range all {
			if p[0] <= '9' {
				all[i] = strings.TrimLeft(p, "0")
			}
		}
		for len(all) > 0 && all[len(all)-1] == "" {
			all = all[:len(all)-1]
		}
		return "v" + strings.Join(all, ".") // what is no version has no digit, and is another
	case f.Kind == Number:
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			return strconv.FormatFloat(number, 'g', -1, 64)
		}
	}
	return strings.ToLower(value)
}
