package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/coppice-go/coppice/internal/badline"
)

// A line is the connection of one member to its database. It can be cut, lose replies and be
// slow, below database/sql, so that this is the same for all drivers.
type line struct {
	badline.Line
	connector driver.Connector
	queries   atomic.Int64 // statements that were answered
}

// open returns a database that is reached by the line.
func (l *line) open() *sql.DB { return sql.OpenDB(l) }

func (l *line) Connect(ctx context.Context) (driver.Conn, error) {
	if err := l.Send(ctx); err != nil {
		return nil, err
	}
	c, err := l.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{c, l}, nil
}

func (l *line) Driver() driver.Driver { return l.connector.Driver() }

// answered waits until a reply gets through.
func (l *line) answered(ctx context.Context, change bool) error {
	l.queries.Add(1)
	return l.Answer(ctx, change)
}

// A conn is a connection of the driver, on a line.
type conn struct {
	driver.Conn
	line *line
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.line.Send(ctx); err != nil {
		return nil, err
	}
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if err != nil {
		return r, err
	}
	if err := c.line.answered(ctx, true); err != nil {
		return nil, err
	}
	return r, nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.line.Send(ctx); err != nil {
		return nil, err
	}
	r, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if err != nil {
		return r, err
	}
	if err := c.line.answered(ctx, false); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return nil, fmt.Errorf("nothing of sqlgate is prepared: %s", query)
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *conn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !ok || v.IsValid()
}
