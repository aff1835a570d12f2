package edge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// manyChanges is the number of changed entries from which a map is replaced as a whole. HAProxy 2.6 walks the whole map
// for each changed entry, while a replacement costs one pass.
const manyChanges = 200

// syncMap makes a map of the running HAProxy equal to want, and reads it again to be sure.
func (r runtimeAPI) syncMap(ctx context.Context, path string, want map[string]string) (changed bool, err error) {
	have, doubles, err := r.mapEntries(ctx, path)
	if err != nil {
		return false, err
	}
	commands := mapChanges(path, have, want)
	switch {
	case len(commands) == 0 && doubles == 0:
		return false, nil
	case doubles > 0 || len(commands) > manyChanges:
		err = r.replaceMap(ctx, path, want)
	default:
		err = r.batch(ctx, commands)
	}
	if err != nil {
		return true, fmt.Errorf("change the map %s: %w", path, err)
	}
	have, doubles, err = r.mapEntries(ctx, path)
	if err != nil {
		return true, err
	}
	if doubles > 0 || !maps.Equal(have, want) {
		return true, fmt.Errorf("change the map %s: HAProxy accepted it, but holds something else", path)
	}
	return true, nil
}

// mapChanges are the commands from have to want, in a fixed order.
func mapChanges(path string, have, want map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		switch old, known := have[k]; {
		case !known:
			out = append(out, "add map "+path+" "+k+" "+want[k])
		case old != want[k]:
			out = append(out, "set map "+path+" "+k+" "+want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := want[k]; !wanted {
			out = append(out, "del map "+path+" "+k)
		}
	}
	return out
}

// batch sends commands that answer nothing, several in one line.
func (r runtimeAPI) batch(ctx context.Context, commands []string) error {
	for chunk := range chunks(commands, 8<<10, len("; ")) {
		if err := r.quiet(ctx, strings.Join(chunk, "; ")); err != nil {
			return err
		}
	}
	return nil
}

// replaceMap fills a new version of the map beside the one in use and switches over in one go.
func (r runtimeAPI) replaceMap(ctx context.Context, path string, want map[string]string) error {
	out, err := r.do(ctx, "prepare map "+path)
	if err != nil {
		return err
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(out), "New version created: ")
	if !ok {
		return fmt.Errorf("HAProxy answered %s", answer(out))
	}
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		lines = append(lines, k+" "+want[k])
	}
	for chunk := range chunks(lines, 12<<10, len("\n")) {
		if err := r.quiet(ctx, with("add map @"+version+" "+path, strings.Join(chunk, "\n"))); err != nil {
			return err
		}
	}
	return r.quiet(ctx, "commit map @"+version+" "+path)
}

// chunks groups items so that each group, joined, stays below limit bytes.
func chunks(items []string, limit, separator int) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		start, size := 0, 0
		for i, item := range items {
			if size+len(item) > limit && i > start {
				if !yield(items[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += len(item) + separator
		}
		if start < len(items) {
			yield(items[start:])
		}
	}
}

// mapFile writes a map as HAProxy reads it at start.
func mapFile(entries map[string]string) []byte {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		b.WriteString(k + " " + entries[k] + "\n")
	}
	return []byte(b.String())
}
