package load

import (
	"runtime"
	"syscall"
	"time"
)

// Usage is what a process has used so far.
type Usage struct {
	CPU       time.Duration `json:"cpu"` // of all its threads, in the kernel too
	Allocs    uint64        `json:"allocs"`
	AllocSize uint64        `json:"alloc_size"` // bytes
}

// Self is what this process has used.
func Self() Usage {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // can't fail for oneself
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{
		CPU:    time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		Allocs: m.Mallocs, AllocSize: m.TotalAlloc,
	}
}

// Since is what was used after an earlier look.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{CPU: u.CPU - earlier.CPU, Allocs: u.Allocs - earlier.Allocs, AllocSize: u.AllocSize - earlier.AllocSize}
}
