package inventory

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
)

// WriteCSV writes what ReadCSV reads: all columns, then the labels, sorted.
func WriteCSV(w io.Writer, bmcs []BMC) error {
	names := map[string]bool{}
	for _, b := range bmcs {
		for name := range b.Labels {
			names[name] = true
		}
	}
	labels := slices.Sorted(maps.Keys(names))
	out := csv.NewWriter(w)
	_ = out.Write(append(Columns(), labels...)) // the writer keeps its error for Error
	for _, b := range bmcs {
		row := make([]string, 0, len(columns)+len(labels))
		for _, c := range columns {
			row = append(row, c.get(b))
		}
		for _, name := range labels {
			row = append(row, b.Labels[name])
		}
		_ = out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}
