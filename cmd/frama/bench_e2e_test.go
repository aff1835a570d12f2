//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// benchLine is one line of make bench: what frama needs, and against what it is held in the same run.
type benchLine struct {
	name    string
	value   float64
	unit    string
	ratio   float64 // how many times as much as the other way takes; above 1 frama is the slower or larger one
	against string  // the other way, in one word
	goal    float64 // the ratio to stay below; 0 for none
}

func (f benchLine) print() {
	fmt.Printf("bench %s value=%s unit=%s ratio=%.2f against=%s\n", f.name, significant(f.value), f.unit, f.ratio, f.against)
	if f.goal > 0 {
		verdict := "met"
		if f.ratio > f.goal {
			verdict = "MISSED"
		}
		say("goal: ratio at most %.1f, %s", f.goal, verdict)
	}
}

// begin ends the line that the test framework began with the benchmark's name.
func begin() { fmt.Println() }

// say prints progress.
func say(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }

// significant writes three digits, or all of the integer part.
func significant(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func median[T int | float64 | time.Duration](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// buildBare builds a program that does the least there is to do, with the same compiler and libraries as frama.
func buildBare(t testing.TB, name, source string) string {
	t.Helper()
	dir := shortDir(t)
	file, binary := filepath.Join(dir, name+".go"), filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, file)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return binary
}

// launchBinary starts a program whose output goes to a file, and ends it when the benchmark ends or stop is called.
func launchBinary(t testing.TB, log string, env []string, path string, args ...string) (pid int, stop func()) {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return cmd.Process.Pid, stop
}
