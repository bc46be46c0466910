package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// Disk is a folder as the programs see it, and as it may be found after a power cut: of each file what was written since it
// was last synced may be lost, and of each folder, by itself, what names came, went or changed since. That is what POSIX
// promises; file systems keep more, each something else.
type Disk struct {
	dir  string
	root *node
}

// node is a file or a folder.
type node struct {
	mode           fs.FileMode
	data, sureData []byte           // of a file
	names, sure    map[string]*node // of a folder
}

func newFolder(mode fs.FileMode) *node {
	return &node{mode: fs.ModeDir | mode.Perm(), names: map[string]*node{}, sure: map[string]*node{}}
}

// Read takes a folder as it is for one that is wholly written to the disk.
func Read(dir string) (*Disk, error) {
	root, err := readNode(dir)
	return &Disk{dir, root}, err
}

func readNode(path string) (*node, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		return &node{mode: info.Mode(), data: data, sureData: data}, err
	}
	n := newFolder(info.Mode())
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if n.names[e.Name()], err = readNode(filepath.Join(path, e.Name())); err != nil {
			return nil, err
		}
	}
	n.sure = maps.Clone(n.names)
	return n, nil
}

// find returns what is at a path, or nil, and the folder that it is or would be in.
func (d *Disk) find(path string) (parent, n *node) {
	if path == d.dir {
		return nil, d.root
	}
	rel, ok := strings.CutPrefix(path, d.dir+"/")
	if !ok {
		return nil, nil
	}
	n = d.root
	for name := range strings.SplitSeq(rel, "/") {
		if n == nil {
			return nil, nil
		}
		parent, n = n, n.names[name]
	}
	return parent, n
}

// changesContent says whether a file may hold something else after the call.
func (c Call) changesContent() bool {
	switch c.Name {
	case "openat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "splice", "fallocate", "ftruncate":
		return c.Is(Changes)
	}
	return false
}

// Permissions of what the program made; those that it chose are not followed.
const (
	folderMode = 0o750
	fileMode   = 0o640
)

// Apply makes a call on the disk, and says whether a power cut after it may find something else than one before it. The
// program must have been traced with Keep.
func (d *Disk) Apply(c Call) (bool, error) {
	if !c.Done || c.Err != 0 || !c.Is(Changes|Syncs) {
		return false, nil
	}
	parent, n := d.find(c.Path)
	base := filepath.Base(c.Path)
	switch {
	case strings.HasSuffix(c.Path, " (deleted)"), strings.HasPrefix(c.Name, "fch"), c.Name == "utimensat":
		return false, nil
	case c.Is(Syncs):
		if n == nil {
			return false, fmt.Errorf("%v: it is not there", c)
		}
		n.sureData, n.sure = n.data, maps.Clone(n.names)
	case c.changesContent():
		if n == nil {
			if parent == nil {
				return false, fmt.Errorf("%v: its folder is not there", c)
			}
			n = &node{mode: fileMode}
			parent.names[base] = n
		}
		n.data = c.Content
	case parent == nil:
		return false, fmt.Errorf("%v: its folder is not there", c)
	case c.Name == "mkdirat":
		parent.names[base] = newFolder(folderMode)
	case c.Name == "unlinkat":
		delete(parent.names, base)
	case c.Name == "renameat", c.Name == "renameat2":
		from, moved := d.find(c.From)
		if moved == nil {
			return false, fmt.Errorf("%v: it is not there", c)
		}
		delete(from.names, filepath.Base(c.From))
		parent.names[base] = moved
	default:
		return false, fmt.Errorf("%v: a disk does not know this call", c)
	}
	return true, nil
}

// Write makes a folder of what is found after a power cut now. Lucky says of each file, and of each folder, whether all
// that is not yet sure about it reached the disk all the same.
func (d *Disk) Write(to string, lucky func(folder bool) bool) error {
	return d.root.write(to, lucky)
}

func (n *node) write(to string, lucky func(folder bool) bool) error {
	if !n.mode.IsDir() {
		data := n.sureData
		if lucky(false) {
			data = n.data
		}
		return errors.Join(os.WriteFile(to, data, n.mode.Perm()), os.Chmod(to, n.mode.Perm()))
	}
	names := n.sure
	if lucky(true) {
		names = n.names
	}
	if err := os.MkdirAll(to, n.mode.Perm()); err != nil {
		return err
	}
	for name, below := range names {
		if err := below.write(filepath.Join(to, name), lucky); err != nil {
			return err
		}
	}
	return os.Chmod(to, n.mode.Perm())
}
