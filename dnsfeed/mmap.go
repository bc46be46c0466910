package dnsfeed

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/vaern/vaern/internal/durable"
)

// MapImage opens the image in a file as [OpenImage] does, without reading it into memory: pages
// come from the page cache, shared by all transfers and all processes.
//
// There is no Close. The file is unmapped after the last reference to the
// Image is gone: from the snapshot that served it and from each transfer that
// began with it. A count of references would free it some seconds earlier,
// and one forgotten or early release would be a leak or a crash of the whole
// server; the garbage collector keeps that count already.
//
// The file must not be truncated while in use (an edition is written once).
// A page that cannot be read cuts the transfer that needed it, or is an error
// here, and nothing else.
func MapImage(path string, before *Image) (*Image, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, fmt.Errorf("map zone image: %w", err)
	}
	defer f.Close() // the mapping outlives the descriptor

	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("map zone image: %w", err)
	}
	if info.Size() == 0 || info.Size() != int64(int(info.Size())) {
		return nil, errors.New("map zone image: file is empty or larger than memory can be")
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map zone image: %w", err)
	}
	m, err := readMapped(data, before)
	if errors.Is(err, errFault) && before != nil { // it may be the pages of the one before
		m, err = readMapped(data, nil)
	}
	if err != nil {
		_ = syscall.Munmap(data)
		return nil, err
	}
	runtime.KeepAlive(before) // its messages were looked at
	runtime.AddCleanup(m, func(data []byte) { _ = syscall.Munmap(data) }, data)
	return m, nil
}

// errFault is a page of a mapped file that can not be read: the disk fails, or
// somebody has truncated the file.
var errFault = errors.New("a part of the file can not be read")

// guarded turns such a fault, which would end the process, into an error. What
// the panic says is dropped: it might hold octets of the list.
func guarded(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errFault
		}
	}()
	return read()
}

func readMapped(data []byte, before *Image) (m *Image, err error) {
	err = guarded(func() error {
		m, err = OpenImage(data, before)
		return err
	})
	return m, err
}
