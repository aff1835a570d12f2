package dev

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// marker is an environment variable that every process of a part carries, Nomad's executors and tasks included, which
// outlive a killed agent. It tells whose they are.
func marker(data string) string { return "DEV_PLATFORM_DATA=" + data }

// Sweep kills every process that killed starts left behind with their data in the folder, or in that of a part below it
// (nomad, …), and nothing else. It returns how many there were. Nomad's next start does so for itself, and the other
// parts die with their supervisor: this is for where there will be no next start. It refuses while a supervisor is alive.
func Sweep(data string) (int, error) {
	data = absolute(data)
	entries, err := os.ReadDir(data)
	if err != nil {
		return 0, fmt.Errorf("look for processes of killed starts: %w", err)
	}
	folders := []string{data}
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, filepath.Join(data, e.Name()))
		}
	}
	total := 0
	for _, dir := range folders {
		count, err := sweepLocked(dir)
		total += count
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func sweepLocked(dir string) (int, error) {
	if exists(filepath.Join(dir, "lock")) {
		unlock, err := lockFolder(dir)
		if err != nil {
			return 0, err
		}
		defer unlock()
	}
	return sweep(dir)
}

// sweep kills the processes that carry the marker of data, and their descendants, since some (Redis) overwrite their
// environment. It returns how many there were. The caller holds the folder's lock.
func sweep(data string) (int, error) {
	total := 0
	for range 50 {
		strays := strays(data)
		if len(strays) == 0 {
			return total, nil
		}
		total = max(total, len(strays))
		for _, pid := range strays {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return total, fmt.Errorf("processes of an earlier start do not end, kill them by hand: %v", strays(data))
}

// strays lists the processes below data, this process and its living ones excluded by the caller's lock.
func strays(data string) []int {
	marked := map[int]bool{}
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		parent, zombie := parentOf(pid)
		if zombie {
			continue
		}
		children[parent] = append(children[parent], pid)
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(v []byte) bool { return string(v) == marker(data) }) {
			marked[pid] = true
		}
	}
	var add func(pid int)
	add = func(pid int) {
		for _, child := range children[pid] {
			if !marked[child] {
				marked[child] = true
				add(child)
			}
		}
	}
	var all []int
	for pid := range marked {
		all = append(all, pid)
	}
	for _, pid := range all {
		add(pid)
	}
	all = all[:0]
	for pid := range marked {
		all = append(all, pid)
	}
	slices.Sort(all)
	return all
}

// parentOf reads /proc/<pid>/stat, whose second field may hold anything in brackets.
func parentOf(pid int) (parent int, zombie bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, true
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0, true
	}
	parent, _ = strconv.Atoi(fields[1])
	return parent, fields[0] == "Z" || fields[0] == "X"
}

// unmountBelow takes away mounts that Nomad made in its allocations (shared folders, memory for secrets), deepest
// first, so that the data folder can be removed like any other.
func unmountBelow(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var below []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		if strings.HasPrefix(point, dir+string(filepath.Separator)) {
			below = append(below, point)
		}
	}
	var failed error
	for _, point := range slices.Backward(below) {
		if err := syscall.Unmount(point, 0); err != nil && !errors.Is(err, syscall.EINVAL) {
			failed = errors.Join(failed, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return failed
}

// lockFolder makes sure that one process at a time uses the folder. The lock ends with the process.
func lockFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("the folder %s is in use by another running platform: stop that one, or choose another folder", dir)
	}
	return func() { f.Close() }, nil
}
