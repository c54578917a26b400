package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// The journal is a file that only grows: a line that names the tree it is about, then one record per source file,
//
//	length of the payload (4 bytes) | its CRC-32C (4 bytes) | payload (a source in JSON)
//
// A record is valid or it is not there. Whoever dies while writing leaves a torn record at the end; the next one to open
// the file cuts it off and goes on. All of it can be made again from the source tree, so that nothing is flushed to the
// disk record by record: what a crash of the machine takes away is read again. One process at a time may write to it.
type journal struct {
	file  *os.File
	w     io.Writer // the file, or what chaos put in front of it
	index *index    // of all records in the file
	cut   int64     // bytes of a torn or damaged tail that were cut on opening
}

const recordHead = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errForeign says that the file is something else, or about another tree. It is left alone.
var errForeign = errors.New("not a journal of this tree")

func title(root string) []byte { return fmt.Appendf(nil, "codesearch journal 1: %q\n", root) }

// openJournal opens or creates the journal of root, reads all of it and makes it ready to be written to.
func openJournal(path, root string) (_ *journal, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	j := &journal{file: file, w: file, index: newIndex()}
	end, err := replay(file, info.Size(), root, func(s source) { j.index.add(s) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if j.cut = info.Size() - end; j.cut > 0 {
		if err := file.Truncate(end); err != nil {
			return nil, err
		}
	}
	if _, err := file.Seek(end, io.SeekStart); err != nil {
		return nil, err
	}
	if end == 0 {
		if _, err := file.Write(title(root)); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// record writes those of sources that are new. After an error (or a panic) the end of the file is in doubt: open it anew.
func (j *journal) record(sources []source) error {
	for _, s := range sources {
		if j.index.has(s.Path) {
			continue
		}
		rec, err := encode(s)
		if err != nil {
			return err
		}
		if _, err := j.w.Write(rec); err != nil {
			return err
		}
		j.index.add(s)
	}
	return nil
}

func (j *journal) close() error { return errors.Join(j.file.Sync(), j.file.Close()) }

func encode(s source) ([]byte, error) {
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	rec := make([]byte, recordHead, recordHead+len(payload))
	binary.LittleEndian.PutUint32(rec, uint32(len(payload)))
	binary.LittleEndian.PutUint32(rec[4:], crc32.Checksum(payload, castagnoli))
	return append(rec, payload...), nil
}

// replay tells each the valid records of a journal of size bytes and returns where the last one ends. What follows after
// that place is torn or damaged and no error; an error is a file that cannot be read, or is not ours.
func replay(r io.Reader, size int64, root string, each func(source)) (end int64, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	want := title(root)
	got := make([]byte, min(size, int64(len(want))))
	if _, err := io.ReadFull(in, got); err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(want, got) {
		return 0, errForeign
	}
	if len(got) < len(want) { // died while writing the first line
		return 0, nil
	}
	end = int64(len(want))
	var head [recordHead]byte
	var payload []byte
	for size-end >= recordHead {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return end, err
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n > size-end-recordHead {
			break
		}
		payload = slices.Grow(payload[:0], int(n))[:n]
		if _, err := io.ReadFull(in, payload); err != nil {
			return end, err
		}
		var s source
		if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(head[4:]) || json.Unmarshal(payload, &s) != nil {
			break
		}
		each(s)
		end += recordHead + n
	}
	return end, nil
}
