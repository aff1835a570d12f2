package page

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads what the trials earned back from a page.
func Parse(text string) ([]Earned, error) {
	_, table, found := strings.Cut(text, "\n"+runsTitle+"\n")
	if !found {
		return nil, fmt.Errorf("the page has no section %q: it was not written by frama", strings.TrimPrefix(runsTitle, "## "))
	}
	var all []Earned
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| application |") {
			continue
		}
		fields := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
		if len(fields) != 5 {
			return nil, fmt.Errorf("the page has a line of %d fields instead of 5: %s", len(fields), line)
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(strings.ReplaceAll(fields[i], "\x00", "|"))
		}
		level, err := strconv.Atoi(fields[1])
		if err != nil || level < 0 || level >= len(Levels()) {
			return nil, fmt.Errorf("the page gives %s the level %q", fields[0], fields[1])
		}
		all = append(all, Earned{App: fields[0], Level: level, Version: fields[2], Ran: strings.TrimPrefix(fields[3], "–"), Next: fields[4]})
	}
	return all, nil
}

// Merge puts what a run earned over what earlier ones did.
func Merge(earlier, later []Earned) []Earned {
	at := map[string]int{}
	var all []Earned
	for _, e := range append(append([]Earned{}, earlier...), later...) {
		if i, known := at[e.App]; known {
			all[i] = e
			continue
		}
		at[e.App] = len(all)
		all = append(all, e)
	}
	return all
}
