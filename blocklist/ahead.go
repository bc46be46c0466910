package blocklist

import (
	"crypto/sha256"
	"errors"
	"sync"
	"unsafe"

	"github.com/vaern/vaern/internal/sshsig"
)

// OpenAhead opens the published edition of the list in dir and reads its set,
// as [OpenLatest] and [Edition.Set] do, for the edition that will follow it.
// It reads the stored files once, and keeps what it summed. What else the
// next edition takes from this one goes on being made ready after it returns.
// Without an edition both are nil.
func OpenAhead(dir string, keys *sshsig.AllowedSigners) (*Edition, *Set, error) {
	path, err := latestDir(dir)
	if err != nil || path == "" {
		return nil, nil, err
	}
	var lock sync.Mutex
	kept := map[string][]byte{}
	e, err := open(path, keys, func(e *Edition, f FileSum) error {
		data, err := e.ReadStored(f.Name)
		lock.Lock()
		defer lock.Unlock()
		kept[f.Name] = data
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	e.kept, e.archives = kept, map[string]func() *archive{}
	set, err := e.setAhead()
	if err != nil {
		return nil, nil, err
	}
	go set.places()
	for _, f := range e.Files {
		if e.isStored(f.Name) || f.Name == entriesName {
			continue
		}
		ready := sync.OnceValue(func() *archive {
			a, err := openArchive(e, f.Name, nil)
			if err != nil {
				return nil
			}
			return a
		})
		e.archives[f.Name] = ready
		go ready()
	}
	return e, set, nil
}

// setAhead reads the set from the chunks that the next edition takes, which
// then are decompressed once for both.
func (e *Edition) setAhead() (*Set, error) {
	f, ok := e.File(entriesName)
	if !ok {
		return e.Set()
	}
	text := make([]byte, 0, f.Size)
	a, err := openArchive(e, entriesName, func(chunk []byte) error {
		if len(text)+len(chunk) > cap(text) {
			return errText
		}
		text = append(text, chunk...)
		return nil
	})
	if err != nil && !errors.Is(err, errText) {
		return nil, err
	}
	if err != nil || int64(len(text)) != f.Size || sha256.Sum256(text) != f.Sum {
		return e.Set() // which says what is wrong, if something is
	}
	e.archives[entriesName] = func() *archive { return a }
	return e.parseEntries(unsafe.String(unsafe.SliceData(text), len(text)), false) // which nobody changes from here on
}
