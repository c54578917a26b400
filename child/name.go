package child

import (
	"strconv"
	"sync/atomic"

	"github.com/coppice-go/coppice/internal/naming"
)

var names atomic.Uint64

// UniqueName returns prefix, a dash and a number, such as job-17. Each call in a
// process returns a different number.
func UniqueName(prefix string) string {
	return prefix + "-" + strconv.FormatUint(names.Add(1), 10)
}

// NameOf returns the name of a child that serves key, such as a tenant, an address or a
// partition. The name is a valid Spec.Name for every key. It is always the same for the
// same key, also in another process, unless the key contains pointers or channels. Two
// keys of one type have the same name only if they are equal.
//
// A string is its own name, with characters that are not allowed in names escaped as in
// a URL: "eu/1" becomes eu%2F1, and a percent sign becomes %25. A key with a String
// method is named by the result of String, which must distinguish the keys. Structs and
// arrays are written as their fields or elements, arrays and slices of bytes in
// hexadecimal. A name that would be longer than 128 bytes ends with a hash of the whole
// text.
func NameOf(key any) string { return naming.Of(key) }
