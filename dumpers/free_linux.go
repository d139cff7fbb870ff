package dumpers

import "syscall"

// free returns how many bytes a directory's file system has left for this
// process's user; known is false where that can't be told.
func free(dir string) (bytes int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
