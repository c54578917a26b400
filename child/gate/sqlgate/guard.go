package sqlgate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child/gate"
)

// Guard makes a transaction refuse a holder of the past. Call it first of all in each
// transaction of what a gate with an Elector of this package guards. ctx is that of the run,
// or derived from it. The transaction may be in another database than the leases, which then
// must have the table of fences, too.
//
// It returns nil if the transaction may go on. If a higher token was seen, it rolls the
// transaction back and returns an error that wraps gate.ErrStale. If ctx does not belong to
// what such a gate guards, it rolls back and returns gate.ErrNoLease. After any other error,
// roll back yourself.
//
// Until the transaction ends, the Guard of another transaction with the same lease waits.
func Guard(ctx context.Context, tx *sql.Tx) error {
	for _, held := range gate.Leases(ctx) {
		switch l := held.(type) {
		case *lease:
			return l.elector.guard(ctx, tx, l.name, l.token)
		case *shardLease:
			return l.elector.guard(ctx, tx, l.name, l.token)
		}
	}
	return errors.Join(gate.ErrNoLease, tx.Rollback())
}

func (e *Elector) guard(ctx context.Context, tx *sql.Tx, name string, token int64) error {
	f := &e.fence
	for range 2 {
		raised, err := e.raise(ctx, tx, name, token)
		if raised || err != nil {
			return err
		}
		var highest int64
		switch err := tx.QueryRowContext(ctx, f.look, name).Scan(&highest); {
		case errors.Is(err, sql.ErrNoRows): // the first transaction of all
			if _, err := tx.ExecContext(ctx, f.create, name); err != nil {
				return fmt.Errorf("sqlgate: guard: %w", err)
			}
		case err != nil:
			return fmt.Errorf("sqlgate: guard: %w", err)
		default:
			return errors.Join(fmt.Errorf("sqlgate: %w: %s: token %d, after %d", gate.ErrStale, name, token, highest), tx.Rollback())
		}
	}
	return errors.Join(fmt.Errorf("sqlgate: guard: the fence of %s cannot be raised", name), tx.Rollback())
}

// raise raises the fence to the token, and reports whether it was not higher already.
func (e *Elector) raise(ctx context.Context, tx *sql.Tx, name string, token int64) (bool, error) {
	result, err := tx.ExecContext(ctx, e.fence.raise, token, name, token)
	if err != nil {
		return false, fmt.Errorf("sqlgate: guard: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("sqlgate: guard: %w", err)
	}
	return n > 0, nil
}
