package daemon

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/internal/config"
)

// The classes of ioprio_set(2), which have no name in the unix package.
const (
	ioprioWhoProcess = 1
	ioprioBestEffort = 2
	ioprioIdle       = 3
	ioprioClassShift = 13
	ioprioLowest     = 7 // of best effort
)

const lowNice = 10

// sharesOf is the weight of a one-shot container beside others; 0 is the
// Engine's usual one, which is 1024.
func sharesOf(c config.Class) int64 {
	switch c {
	case config.Low:
		return 256
	case config.Idle:
		return 2
	}
	return 0
}

// setClass makes all threads of this process give way to others. Threads that
// are made later take it from those that make them.
func setClass(cpu, io config.Class) error {
	if cpu == config.Normal && io == config.Normal {
		return nil
	}
	done := map[int]bool{}
	for {
		// A thread may be made while others are set: until there is no new one.
		before := len(done)
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list purser's threads: %w", err)
		}
		for _, e := range entries {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || done[tid] {
				continue
			}
			if err := setThread(tid, cpu, io); err != nil && err != unix.ESRCH {
				return err
			}
			done[tid] = true
		}
		if len(done) == before {
			return nil
		}
	}
}

func setThread(tid int, cpu, io config.Class) error {
	switch cpu {
	case config.Low:
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, lowNice); err != nil {
			return wrapGone("set the priority of a thread", err)
		}
	case config.Idle:
		attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(tid, attr, 0); err != nil {
			return wrapGone("set the scheduling of a thread", err)
		}
	}
	class := 0
	switch io {
	case config.Low:
		class = ioprioBestEffort<<ioprioClassShift | ioprioLowest
	case config.Idle:
		class = ioprioIdle << ioprioClassShift
	default:
		return nil
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(tid), uintptr(class)); errno != 0 {
		return wrapGone("set the I/O priority of a thread", errno)
	}
	return nil
}

// wrapGone leaves alone the error of a thread that has ended meanwhile.
func wrapGone(what string, err error) error {
	if err == unix.ESRCH {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// giveWay sets what BACKUP_CPU_CLASS and BACKUP_IO_CLASS say. A backup at the
// usual priority is better than none.
func (d *Daemon) giveWay() {
	if err := setClass(d.cfg.CPUClass, d.cfg.IOClass); err != nil {
		d.log.Warn("BACKUP_CPU_CLASS and BACKUP_IO_CLASS have no effect here", "error", err)
	}
}
