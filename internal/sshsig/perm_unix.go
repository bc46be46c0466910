//go:build unix

package sshsig

import (
	"os"
	"syscall"
)

// readableByOthers reports whether group or others have any right to a private
// key file. As in ssh, it is only asked of our own files: one that somebody else
// owns and lets us read (root, by a group or an ACL) is as its owner wants it.
func readableByOthers(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Getuid() {
		return false
	}
	return info.Mode().Perm()&0o077 != 0
}
