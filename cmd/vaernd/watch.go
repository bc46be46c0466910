package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// stamps tell whether files are still the ones they were: by inode, size, mode
// and time. Editions and ISP files are replaced by renaming, which gives
// another inode.
type stamps map[string]os.FileInfo

func (s stamps) add(path string) {
	if info, err := os.Stat(path); err == nil {
		s[path] = info
	}
}

func (s stamps) equal(t stamps) bool {
	return s != nil && t != nil && maps.EqualFunc(s, t, func(a, b os.FileInfo) bool {
		return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime())
	})
}

// stampLatest looks at what says which edition of the list in dir is published.
func stampLatest(dir string) stamps {
	s := stamps{}
	s.add(filepath.Join(dir, "latest"))
	return s
}

// stampISPs looks at all files of ISPs, and at their folder.
func stampISPs(dir string) stamps {
	s := stamps{}
	s.add(dir)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			s.add(filepath.Join(dir, e.Name()))
		}
	}
	return s
}
