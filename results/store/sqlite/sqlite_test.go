package sqlite_test

import (
	"testing"

	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
	"lamplighter/results/store/storetest"
)

func open(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSQLite(t *testing.T) { storetest.Test(t, open) }
