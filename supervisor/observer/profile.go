package observer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// A profile is what is needed of a pprof profile of goroutines, in the protobuf form. The
// text form has the labels too, but costs three times as much to make.
type profile struct {
	samples   []sample
	locations map[uint64][]line // the innermost inlined call first
	functions map[uint64]function
	strings   []string
}

// A sample is a stack that several goroutines share.
type sample struct {
	locations []uint64 // the innermost first
	count     int64
	label     string // of labelKey
}

type line struct {
	function uint64
	number   int64
}

type function struct{ name, file int64 }

// mostProfile bounds the unpacked size of a profile.
const mostProfile = 256 << 20

// parseProfile parses the output of pprof.Profile.WriteTo with debug=0.
func parseProfile(packed []byte) (*profile, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, mostProfile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > mostProfile {
		return nil, errors.New("the profile of the goroutines is too large")
	}
	return decodeProfile(text)
}

// Fields of the messages of profile.proto.
const (
	profileSample, profileLocation, profileFunction, profileStrings = 2, 4, 5, 6
	sampleLocation, sampleValue, sampleLabel                        = 1, 2, 3
	labelKeyField, labelStrField                                    = 1, 2
	locationID, locationLine                                        = 1, 4
	lineFunction, lineNumber                                        = 1, 2
	functionID, functionName, functionFile                          = 1, 2, 4
)

func decodeProfile(text []byte) (*profile, error) {
	p := &profile{locations: map[uint64][]line{}, functions: map[uint64]function{}}
	type pair struct{ key, str uint64 }
	labels := [][]pair{}
	err := fields(text, func(f field) error {
		switch f.number {
		case profileStrings:
			p.strings = append(p.strings, string(f.bytes))
		case profileSample:
			var s sample
			var own []pair
			err := fields(f.bytes, func(f field) error {
				switch f.number {
				case sampleLocation:
					return f.each(func(v uint64) { s.locations = append(s.locations, v) })
				case sampleValue:
					return f.each(func(v uint64) { s.count = int64(v) })
				case sampleLabel:
					var l pair
					err := fields(f.bytes, func(f field) error {
						switch f.number {
						case labelKeyField:
							l.key = f.value
						case labelStrField:
							l.str = f.value
						}
						return nil
					})
					own = append(own, l)
					return err
				}
				return nil
			})
			p.samples, labels = append(p.samples, s), append(labels, own)
			return err
		case profileLocation:
			var id uint64
			var lines []line
			err := fields(f.bytes, func(f field) error {
				switch f.number {
				case locationID:
					id = f.value
				case locationLine:
					var l line
					err := fields(f.bytes, func(f field) error {
						switch f.number {
						case lineFunction:
							l.function = f.value
						case lineNumber:
							l.number = int64(f.value)
						}
						return nil
					})
					lines = append(lines, l)
					return err
				}
				return nil
			})
			p.locations[id] = lines
			return err
		case profileFunction:
			var id uint64
			var fn function
			err := fields(f.bytes, func(f field) error {
				switch f.number {
				case functionID:
					id = f.value
				case functionName:
					fn.name = int64(f.value)
				case functionFile:
					fn.file = int64(f.value)
				}
				return nil
			})
			p.functions[id] = fn
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, own := range labels { // the strings come after the samples
		for _, l := range own {
			if p.text(int64(l.key)) == labelKey {
				p.samples[i].label = p.text(int64(l.str))
			}
		}
	}
	return p, nil
}

// text returns a string of the table; empty if there is none with that index.
func (p *profile) text(i int64) string {
	if i < 0 || i >= int64(len(p.strings)) {
		return ""
	}
	return p.strings[i]
}

// stack formats the stack of a sample as runtime/debug.Stack does, without addresses. It
// is cut after that number of bytes.
func (p *profile) stack(s *sample, most int) string {
	var text []byte
	for _, id := range s.locations {
		for _, l := range p.locations[id] {
			fn := p.functions[l.function]
			text = fmt.Appendf(text, "%s\n\t%s:%d\n", p.text(fn.name), p.text(fn.file), l.number)
		}
		if len(text) > most {
			break
		}
	}
	return valid(string(text), most)
}

var errProfile = errors.New("the profile of the goroutines cannot be read")

// A field is a field of a protobuf message: a number, or bytes.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
	packed bool // it has bytes
}

// each calls f for each value of a repeated number, packed or not.
func (f field) each(do func(uint64)) error {
	if !f.packed {
		do(f.value)
		return nil
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := varint(rest)
		if n == 0 {
			return errProfile
		}
		do(v)
		rest = rest[n:]
	}
	return nil
}

// fields calls do for each field of a message.
func fields(text []byte, do func(field) error) error {
	for len(text) > 0 {
		key, n := varint(text)
		if n == 0 {
			return errProfile
		}
		text = text[n:]
		f := field{number: key >> 3}
		switch key & 7 {
		case 0:
			if f.value, n = varint(text); n == 0 {
				return errProfile
			}
			text = text[n:]
		case 1, 5:
			size := 8
			if key&7 == 5 {
				size = 4
			}
			if len(text) < size {
				return errProfile
			}
			text = text[size:]
		case 2:
			size, n := varint(text)
			if n == 0 || size > uint64(len(text)-n) {
				return errProfile
			}
			f.bytes, f.packed = text[n:n+int(size)], true
			text = text[n+int(size):]
		default:
			return errProfile
		}
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

// varint returns the number at the begin of text and its length; zero if there is none.
func varint(text []byte) (v uint64, n int) {
	for n < len(text) && n < 10 {
		b := text[n]
		v |= uint64(b&0x7f) << (7 * n)
		n++
		if b < 0x80 {
			return v, n
		}
	}
	return 0, 0
}
