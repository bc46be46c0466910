package blocklist

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
)

// presses compress the chunks of all texts of an edition, on every core.
type presses struct {
	jobs chan *job
	wg   sync.WaitGroup
}

// job is one chunk on its way; done is closed when packed and err are set.
type job struct {
	chunk  []byte
	packed packed
	err    error
	done   chan struct{}
}

func startPresses() *presses {
	p := &presses{jobs: make(chan *job)}
	for range runtime.GOMAXPROCS(0) {
		p.wg.Go(func() {
			packer, err := newPacker()
			for j := range p.jobs {
				if j.err = err; err == nil {
					j.packed, j.err = packer.pack(j.chunk)
				}
				j.chunk = nil
				close(j.done)
			}
		})
	}
	return p
}

func (p *presses) stop() {
	close(p.jobs)
	p.wg.Wait()
}

// queued bounds the chunks of one text that wait to be written.
const queued = 16

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// writeText writes a text in all its forms: one pass over the set is summed
// and cut, the chunks that old has are taken from there, the others are
// compressed.
func (p *presses) writeText(dir string, f File, serial Serial, set *Set, old *archive) ([]FileSum, error) {
	plain := &summed{name: f.Name, hash: sha256.New(), w: bufio.NewWriter(io.Discard)}
	crc := crc32.NewIEEE()
	outs, err := createForms(dir, f.Name)
	if err != nil {
		return nil, err
	}
	queue := make(chan *job, queued)
	stopped, failed := make(chan struct{}), error(nil)
	var writing sync.WaitGroup
	writing.Go(func() {
		for j := range queue {
			<-j.done
			for i, out := range outs {
				if failed == nil {
					_, e := out.Write(j.packed[i])
					if failed = errors.Join(j.err, e); failed != nil {
						close(stopped)
					}
				}
			}
		}
	})
	c := &cutter{emit: func(chunk []byte) error {
		j := &job{done: closed}
		var known bool
		if j.packed, known = old.find(chunk); !known {
			j.chunk, j.done = bytes.Clone(chunk), make(chan struct{})
			p.jobs <- j
		}
		select {
		case queue <- j:
			return nil
		case <-stopped:
			return errStopped
		}
	}}
	_, err = outs[0].Write(gzipBegin)
	if err == nil {
		err = f.Write(io.MultiWriter(plain, crc, c), serial, set)
	}
	if err == nil {
		err = c.close()
	}
	close(queue)
	writing.Wait()
	if failed != nil {
		err = failed
	}
	if err == nil {
		_, err = outs[0].Write(gzipTrailer(crc.Sum32(), plain.n))
	}
	sums := make([]FileSum, 0, 1+len(outs))
	for _, out := range append([]*summed{plain}, outs...) {
		sum, e := out.finish(err)
		if err == nil && e != nil {
			err = e
		}
		sums = append(sums, sum)
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", f.Name, err)
	}
	return sums, nil
}

// errStopped ends the making of a text that can not be written; the reason is
// with the writer.
var errStopped = errors.New("stopped")

// createForms creates the files of a text's compressed forms.
func createForms(dir, name string) (outs []*summed, err error) {
	for _, enc := range encodings {
		out, err := createSummed(dir, name+enc.suffix)
		if err != nil {
			for _, o := range outs {
				_, _ = o.finish(err)
			}
			return nil, err
		}
		outs = append(outs, out)
	}
	return outs, nil
}
