package child

import (
	"strconv"
	"sync/atomic"

	"github.com/coppice-go/coppice/internal/naming"
)

var names atomic.Uint64

// UniqueName returns prefix, a dash and a number, such as job-17. No two calls
// in one process return the same number.
func UniqueName(prefix string) string {
	return prefix + "-" + strconv.FormatUint(names.Add(1), 10)
}

// NameOf returns a name for the child of a key, such as a tenant, an address or a
// partition. It is a valid Spec.Name for every key, and always the same for the same
// key, also in another process, unless there are pointers or channels in the key. Two
// keys of one type have the same name only if they are equal.
//
// A string is its own name, with what a name must not have in it written as in a
// URL: "eu/1" becomes eu%2F1, and a percent sign %25. A key with a String method goes
// by what that returns, which must tell keys apart. A struct or array is written as
// its fields or elements, and an array or slice of bytes in hexadecimal. A name that
// would be longer than 128 bytes ends with a hash of the whole.
func NameOf(key any) string { return naming.Of(key) }
