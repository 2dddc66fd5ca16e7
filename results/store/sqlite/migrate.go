package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
)

// migrations are the steps from each version of the file to the next, forward only: what a release has shipped never changes.
//
//go:embed migrations/*.sql
var migrations embed.FS

// step is the migration to a version.
func step(version int) (string, error) {
	text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", version))
	return string(text), err
}

// newest is the version that this program writes.
func newestVersion() int {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		panic(err) // it is in the program
	}
	return len(files)
}

// migrate brings the file to the newest version. Each step is kept whole, or not at all.
func migrate(ctx context.Context, conn *sql.Conn) error { return migrateTo(ctx, conn, newestVersion()) }

func migrateTo(ctx context.Context, conn *sql.Conn, last int) error {
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if newest := newestVersion(); version > newest {
		return fmt.Errorf("a newer lamplighter wrote it: its version is %d, and this one knows %d", version, newest)
	}
	for next := version + 1; next <= last; next++ {
		text, err := step(next)
		if err != nil {
			return err
		}
		whole := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nCOMMIT;", text, next)
		if _, err := conn.ExecContext(ctx, whole); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // where nothing was begun it fails
			return fmt.Errorf("migrate from version %d to %d: %w", next-1, next, err)
		}
	}
	return nil
}
