package naming

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
)

// Of returns the name of a key. See child.NameOf.
func Of(key any) string { return Escape(keyText(key)) }

func keyText(key any) string {
	v := reflect.ValueOf(key)
	if _, ok := key.(fmt.Stringer); ok || !v.IsValid() {
		return oneline.Sprint(key)
	}
	if v.Kind() == reflect.String {
		return v.String()
	}
	var text strings.Builder
	writeKey(&text, v)
	return text.String()
}

// writeKey writes a part of a key unambiguously. fmt would write {"a b" "c"} and
// {"a" "b c"} the same.
func writeKey(text *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		text.WriteString(strconv.Quote(v.String()))
	case reflect.Interface:
		if v.IsNil() {
			text.WriteString("nil")
			return
		}
		text.WriteString(v.Elem().Type().String() + "(")
		writeKey(text, v.Elem())
		text.WriteString(")")
	case reflect.Struct:
		writeParts(text, "{", v.NumField(), v.Field, "}")
	case reflect.Array, reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			for i := range v.Len() {
				fmt.Fprintf(text, "%02x", v.Index(i).Uint())
			}
			return
		}
		writeParts(text, "[", v.Len(), v.Index, "]")
	// By kind, because fmt would call the String method of a field, which may give two values
	// the same text.
	case reflect.Bool:
		fmt.Fprint(text, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fmt.Fprint(text, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		fmt.Fprint(text, v.Uint())
	case reflect.Float32, reflect.Float64:
		fmt.Fprint(text, v.Float()+0) // +0 turns -0, which equals 0, into 0
	case reflect.Complex64, reflect.Complex128:
		fmt.Fprint(text, v.Complex()+0)
	case reflect.Pointer, reflect.Chan, reflect.UnsafePointer:
		fmt.Fprintf(text, "%#x", v.Pointer())
	default:
		fmt.Fprint(text, v)
	}
}

func writeParts(text *strings.Builder, open string, n int, part func(int) reflect.Value, end string) {
	text.WriteString(open)
	for i := range n {
		if i > 0 {
			text.WriteString(" ")
		}
		writeKey(text, part(i))
	}
	text.WriteString(end)
}
