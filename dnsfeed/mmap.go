package dnsfeed

import (
	"errors"
	"fmt"
	"runtime"
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
// A page that cannot be read cuts the transfer that needed it, nothing else.
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
	m, err := OpenImage(data, before)
	if err != nil {
		_ = syscall.Munmap(data)
		return nil, err
	}
	runtime.KeepAlive(before) // its messages were looked at
	runtime.AddCleanup(m, func(data []byte) { _ = syscall.Munmap(data) }, data)
	return m, nil
}
