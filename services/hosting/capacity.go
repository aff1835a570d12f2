package hosting

import "time"

// Capacity is what a cluster has and who holds it, when it was last looked at.
type Capacity struct {
	Cluster     string
	Nodes       int       // that can take work
	Allocatable Resources // of those nodes, without what they keep for themselves
	Used        Resources // held by allocations of anybody
	Foreign     Resources // held by allocations that are not frama's
	SeenAt      time.Time // zero: nobody looked yet, so nothing is known
}

// Overcommit is how many times over a resource may be promised. Disk never is.
type Overcommit struct {
	CPU    float64
	Memory float64
}

// Promisable is what spaces can be promised in all: what is allocatable and not held by others, times the factors.
func (c Capacity) Promisable(o Overcommit) Resources {
	return Resources{
		CPU:    int(float64(c.Allocatable.CPU-c.Foreign.CPU) * max(o.CPU, 1)),
		Memory: int(float64(c.Allocatable.Memory-c.Foreign.Memory) * max(o.Memory, 1)),
		Disk:   c.Allocatable.Disk - c.Foreign.Disk,
	}
}

// Fits says whether more can be promised beside what is reserved: CPU, memory and disk each. Where no more of one is asked
// for, it does not matter how much of that is left.
func (c Capacity) Fits(reserved, more Resources, o Overcommit) bool {
	p := c.Promisable(o)
	fits := func(reserved, more, promisable int) bool { return more <= 0 || reserved+more <= promisable }
	return fits(reserved.CPU, more.CPU, p.CPU) && fits(reserved.Memory, more.Memory, p.Memory) && fits(reserved.Disk, more.Disk, p.Disk)
}

// CapacityDay is what a cluster had, had promised and used on a day.
type CapacityDay struct {
	Cluster     string
	Day         time.Time // midnight UTC
	Promisable  Resources
	Reserved    Resources
	Used        Resources
	StorageUsed int64 // bytes, measured in all spaces
	Spaces      int
}
