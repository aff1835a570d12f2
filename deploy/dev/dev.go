// Package dev starts the real parts of a platform on one machine, for development and tests: a Nomad agent, an ACME
// test server, a mailbox to read in the browser, PostgreSQL, MariaDB and Redis. They run as child processes with their
// data in one folder, and stop with the process that started them: in order on Stop, at once when it dies.
//
// Nothing is installed here: make tools fills a cache folder, Tool finds what is in it.
package dev

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Cache is the folder that make tools fills: $FRAMA_CACHE, else a folder frama where the user's caches are. The rule
// is the same as in the scripts of deploy/tools.
func Cache() string {
	if dir := os.Getenv("FRAMA_CACHE"); dir != "" {
		return absolute(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(absolute(dir), "frama")
	}
	return filepath.Join(absolute(os.Getenv("HOME")), ".cache", "frama")
}

// Tool returns the path of a tool: what make tools builds or installs for frama alone (nomad, pebble,
// pebble-challtestsrv, maildev) from the cache, any other (haproxy,
// redis-server, chromium, node, …) from PATH. The error says how to get it.
func Tool(name string) (string, error) {
	if path := os.Getenv("FRAMA_TEST_NOMAD"); path != "" && name == "nomad" {
		return absolute(path), nil // another version of it
	}
	place := cached(name)
	if place == "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%s is not installed: run make tools", name)
		}
		return path, nil
	}
	path := filepath.Join(Cache(), place)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not in the cache (%s): run make tools", name, path)
	}
	return path, nil
}

// cached is where in the cache a tool is, empty for those of the machine.
func cached(name string) string {
	switch name {
	case "nomad", "pebble", "pebble-challtestsrv", "versitygw":
		return filepath.Join("bin", name)
	case "maildev":
		return filepath.Join("maildev", "node_modules", "maildev", "bin", "maildev")
	}
	return ""
}

// absolute gives children, which run in other folders, the path that this process means.
func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil { // the working folder was deleted
		return path
	}
	return abs
}

// orTool is path, or the tool of that name when path is empty.
func orTool(path, name string) (string, error) {
	if path != "" {
		return path, nil
	}
	return Tool(name)
}
