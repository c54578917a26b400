//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCheckFindsWhatIsLostOrDoubled(t *testing.T) {
	for name, c := range map[string]struct{ ledger, acked, fault string }{
		"well":                  {ledger: "1 7 a\n2 7 a\n3 9 b\n", acked: "1\n2\n"},
		"a kill cut off a line": {ledger: "1 7 a\n2 7 a\n", acked: "1\n\n"},
		"lost":                  {ledger: "1 7 a\n4 9 b\n", fault: "ledger: entries 2 to 3 are lost"},
		"lost at the end":       {ledger: "1 7 a\n", acked: "1\n2\n", fault: "entry 2 was confirmed, and is lost"},
		"doubled":               {ledger: "1 7 a\n2 7 a\n2 9 b\n", fault: "ledger: entry 2 of token 9 by b is doubled, after 2 of token 7 by a"},
		"doubled later":         {ledger: "1 7 a\n2 7 a\n3 9 b\n3 9 a\n", fault: "entry 3 of token 9 by a is doubled"},
		"out of order":          {ledger: "1 7 a\n2 9 b\n3 7 a\n", fault: "ledger: entry 3 has token 7, after token 9"},
		"empty":                 {fault: "ledger: no entries"},
		"not a ledger":          {ledger: "one\n", fault: `ledger: line "one"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, ledgerFile), []byte(c.ledger), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a.acked"), []byte(c.acked), 0o600))
			verdict, err := check(dir)
			if c.fault == "" {
				require.NoError(t, err)
				require.Contains(t, verdict, "each once")
			} else {
				require.ErrorContains(t, err, c.fault)
			}
		})
	}
}

func TestTheLedgerRefusesStaleTokensAlone(t *testing.T) {
	dir := t.TempDir()
	l, err := openLedger(dir)
	require.NoError(t, err)
	defer l.close()
	write := func(number int, token int64) error {
		_, err := l.write(entry{Number: number, Token: token, Member: "a"})
		return err
	}
	require.NoError(t, write(1, 7))
	last, err := l.write(entry{Token: 9}) // the next leader reads
	require.NoError(t, err)
	require.Equal(t, 1, last)
	require.ErrorIs(t, write(2, 7), errStale, "also of a number that nobody has written")
	require.NoError(t, write(2, 9))
	require.NoError(t, write(2, 9), "it does not look at numbers, so that a double shows")
	require.Equal(t, 1, l.refusals())
	require.Equal(t, 2, l.turns())
	_, err = check(dir)
	require.ErrorContains(t, err, "entry 2 of token 9 by a is doubled")
}
