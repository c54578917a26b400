package sqlgate_test

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child/gate/sqlgate"
)

// All fields of a Spec. The program keeps its tables in a schema of their own, and creates
// them with its other migrations.
func ExampleSpec() {
	var db *sql.DB // from sql.Open, with the driver of your database
	leases := sqlgate.New(db, sqlgate.Spec{
		TTL:       30 * time.Second,
		Dialect:   sqlgate.MySQL,
		PollEvery: time.Second,         // a hand-over takes up to a second
		Member:    "shop-7f9c, node 4", // what the others say about this process
		Leases:    "ops.leases",
		Fences:    "ops.fences",
		Shards:    "ops.shards", // for gate.Shards
	})
	fmt.Println(leases.TTL())
	for _, statement := range leases.Schema() {
		table, _, _ := strings.Cut(statement, " (")
		fmt.Println(table)
	}
	// Output:
	// 30s
	// CREATE TABLE IF NOT EXISTS ops.leases
	// CREATE TABLE IF NOT EXISTS ops.fences
	// CREATE TABLE IF NOT EXISTS ops.shards_groups
	// CREATE TABLE IF NOT EXISTS ops.shards_members
	// CREATE TABLE IF NOT EXISTS ops.shards
}
