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

// journal is an append-only file. Its first line names the source tree, and one record per source file follows:
//
//	length of the payload (4 bytes) | its CRC-32C (4 bytes) | payload (a source in JSON)
//
// A record counts only if it is valid. A run that crashes while it writes leaves a torn record at the end, and the next
// openJournal cuts it off. Everything can be rebuilt from the source tree, so records are not synced to disk one by one:
// files that a machine crash loses are read again. Only one process may write to the file at a time.
type journal struct {
	file  *os.File
	w     io.Writer // the file, or a writer of chaos in front of it
	index *index    // of all records in the file
	cut   int64     // size of the torn or damaged tail that openJournal cut off, in bytes
}

const recordHead = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errForeign reports that the file is not a journal or belongs to another tree. The file is not modified.
var errForeign = errors.New("not a journal of this tree")

func title(root string) []byte { return fmt.Appendf(nil, "codesearch journal 1: %q\n", root) }

// openJournal opens or creates the journal of root, reads all records and positions the file for appending.
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

// record writes the sources that are new. After an error or a panic the end of the file may be damaged: close the journal
// and open it again.
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

// replay calls each for every valid record of a journal of size bytes and returns the offset at which the last one ends.
// The rest is torn or damaged, which is not an error. replay returns an error if it cannot read the file, and errForeign if
// the file is not a journal of root.
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
	if len(got) < len(want) { // a crash while the first line was written
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
