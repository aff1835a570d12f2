// Package dev starts the real parts of a platform on one machine, for development and tests: a Nomad agent, an ACME
// test server, a mailbox to read in the browser and a PostgreSQL. They run as child processes with their data in one
// folder, and stop with the process that started them: in order on Stop, at once when it dies.
//
// Nothing is installed here. deploy/tools/get fills a cache folder, Tool finds what is in it.
package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// CacheDir is where deploy/tools/get puts what it builds and installs: $FRAMA_CACHE, else a folder frama in the
// user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("FRAMA_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: set FRAMA_CACHE or HOME: %w", err)
	}
	return filepath.Join(dir, "frama"), nil
}

// places says where in the cache each tool is.
var places = map[string]string{
	"nomad":                "bin/nomad",
	"pebble":               "bin/pebble",
	"pebble-challtestsrv":  "bin/pebble-challtestsrv",
	"native":               "native",
	"maildev":              "maildev/node_modules/maildev/bin/maildev",
}

// Tool returns the path of a tool: from the cache those that are built or installed there (nomad, pebble,
// pebble-challtestsrv, maildev, and native, the folder of applications), any other from PATH.
func Tool(name string) (string, error) {
	place, cached := places[name]
	if !cached {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%s is not installed: run make tools (as root, it installs Debian packages)", name)
		}
		return path, nil
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, place)
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is missing (looked for %s): run make tools", name, path)
	case err != nil:
		return "", fmt.Errorf("look for %s: %w", name, err)
	}
	return path, nil
}

// orTool is path, or the tool of that name when path is empty.
func orTool(path, name string) (string, error) {
	if path != "" {
		return path, nil
	}
	return Tool(name)
}
