//go:build !unix

package sshsig

import "os"

// readableByOthers can not be answered by the mode bits of these systems.
func readableByOthers(os.FileInfo) bool { return false }
