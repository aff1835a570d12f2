package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/catalogue/page"
	"framagit.org/frama/frama/provisioner/trial"
)

// trialShow shows trials: a live line for each on a terminal, a line a level in a pipe, nothing before the end with --json.
type trialShow struct {
	cli   *cli
	live  bool
	wide  int // of the names
	start time.Time

	mu    sync.Mutex
	lines map[string]*trialLine // by application, those at work
	order []string
	told  map[string]int // outcomes that were printed
}

type trialLine struct {
	result trial.Result
	level  trial.Level // being tried
	since  time.Time
}

func newTrialShow(c *cli, apps []catalogue.App) *trialShow {
	s := &trialShow{cli: c, live: c.interactive() && !c.json, start: now(), lines: map[string]*trialLine{}, told: map[string]int{}}
	for _, a := range apps {
		s.wide = max(s.wide, len(a.Name))
	}
	return s
}

// tell is told of each level before it is tried.
func (s *trialShow) tell(r trial.Result, level trial.Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cli.json {
		return
	}
	if !s.live {
		for _, o := range r.Outcomes[s.told[r.App]:] {
			text := fmt.Sprintf("%-*s  %d %-14s  %-8s  %6.1f s  %s", s.wide, r.App, o.Level, o.Name, o.State, o.Seconds, printable(o.Reason))
			fmt.Fprintln(s.cli.out, strings.TrimRight(text, " "))
		}
		s.told[r.App] = len(r.Outcomes)
		return
	}
	if s.lines[r.App] == nil {
		s.order = append(s.order, r.App)
		fmt.Fprintln(s.cli.out) // room for its line
	}
	s.lines[r.App] = &trialLine{result: r, level: level, since: now()}
	s.draw()
}

// draw replaces the lines of those at work, which are the last on the terminal.
func (s *trialShow) draw() {
	var b strings.Builder
	fmt.Fprintf(&b, "\x1b[%dA", len(s.order))
	for _, name := range s.order {
		l := s.lines[name]
		done := strings.Repeat("■", l.result.Level) + strings.Repeat("·", trial.LeavesNothing-min(l.result.Level, trial.LeavesNothing))
		text := ""
		if l.level != trial.Nothing {
			text = fmt.Sprintf("%d %s…", l.level, page.Levels()[l.level].Name)
		}
		b.WriteString("\x1b[2K" + clip(fmt.Sprintf("%-*s %s  %s", s.wide, name, done, text), s.cli.width()-1) + "\n")
	}
	fmt.Fprint(s.cli.out, b.String())
}

// ended turns the live line of a trial into its last one.
func (s *trialShow) ended(r trial.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cli.json {
		return
	}
	if !s.live {
		if r.Retired {
			fmt.Fprintln(s.cli.out, s.verdict(r))
		}
		return
	}
	if len(s.order) > 0 {
		fmt.Fprintf(s.cli.out, "\x1b[%dA\x1b[J", len(s.order))
	}
	fmt.Fprintln(s.cli.out, clip(s.verdict(r), s.cli.width()-1))
	s.order = slices.DeleteFunc(s.order, func(name string) bool { return name == r.App })
	if len(s.order) > 0 {
		fmt.Fprint(s.cli.out, strings.Repeat("\n", len(s.order)))
		s.draw()
	}
}

func (s *trialShow) verdict(r trial.Result) string {
	if r.Retired {
		return fmt.Sprintf("– %-*s  retired: offered to nobody, nothing is tried", s.wide, r.App)
	}
	mark := "✓"
	if !r.OK() {
		mark = "✗"
	}
	text := fmt.Sprintf("%s %-*s  level %d  %-14s", mark, s.wide, r.App, r.Level, page.Levels()[r.Level].Name)
	switch {
	case r.Image != "":
		text += fmt.Sprintf("  %s built here (the job names %s)", r.Ran, r.Version)
	case r.Ran != "":
		text += "  " + r.Ran
	}
	if o, stopped := r.Stopped(); stopped {
		text += fmt.Sprintf("  %s %s", o.Name, printable(next(r)))
	}
	return text
}

// next is what came of the level after the one that was earned.
func next(r trial.Result) string {
	o, stopped := r.Stopped()
	switch {
	case !stopped:
		return ""
	case o.State == trial.Failed:
		return "failed: " + o.Reason
	}
	return "not tried: " + o.Reason
}

// summary ends the show: status 1 when something that could be tried failed.
func (s *trialShow) summary(results []trial.Result, o trialOptions) error {
	failed := 0
	for _, r := range results {
		if !r.OK() {
			failed++
		}
	}
	if s.cli.json {
		if err := s.cli.print(results, nil); err != nil {
			return err
		}
	} else {
		s.words(results, failed, o)
	}
	if failed > 0 {
		return errSilent
	}
	return nil
}

func (s *trialShow) words(results []trial.Result, failed int, o trialOptions) {
	out := s.cli.out
	if !s.live {
		fmt.Fprintln(out)
		for _, r := range results {
			fmt.Fprintln(out, s.verdict(r))
		}
	}
	for _, r := range results {
		if stopped, _ := r.Stopped(); stopped.State == trial.Failed {
			reason := strings.ReplaceAll(stopped.Reason, "\n", "\n  ")
			fmt.Fprintf(out, "\n%s failed at level %d, %s:\n  %s\n", r.App, stopped.Level, stopped.Name, reason)
		}
	}
	fmt.Fprintf(out, "\n%d tried, %d failed, in %.0f s\n", len(results), failed, now().Sub(s.start).Seconds())
	if failed > 0 && !o.keep {
		fmt.Fprintln(out, "To look into it, with logs and what failed left as it is: the same command with --keep")
	}
	if o.write != "" {
		fmt.Fprintln(out, "Written: "+o.write)
	}
}

// writePage writes the page of the catalogue with what a run earned, over what earlier runs did.
func writePage(path string, apps *catalogue.Catalogue, results []trial.Result) error {
	var earlier []page.Earned
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if earlier, err = page.Parse(string(text)); err != nil {
			return fmt.Errorf("%s is not written over: %w", path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("page of the catalogue: %w", err)
	}
	if err := os.WriteFile(path, []byte(page.Write(apps, page.Merge(earlier, earnedOf(results)))), 0o644); err != nil {
		return fmt.Errorf("page of the catalogue: %w", err)
	}
	return nil
}

// earnedOf is what the page keeps of results. That a machine lacks a server says nothing of an application.
func earnedOf(results []trial.Result) []page.Earned {
	var all []page.Earned
	for _, r := range results {
		if r.Retired {
			continue
		}
		e := page.Earned{App: r.App, Level: r.Level, Version: r.Version, Ran: r.Ran, Next: next(r)}
		if r.Image != "" {
			e.Ran += page.BuiltHere
		}
		all = append(all, e)
	}
	return all
}
