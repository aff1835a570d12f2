package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/work"
)

// progress shows runs: a live line per space on a terminal, a line per change in a pipe, an object per change with --json.
type progress struct {
	cli   *cli
	live  bool
	now   func() time.Time
	start time.Time
	order []string
	block []string // spaces of the host's own that failed while others wait for them
	lines map[string]*spaceLine
	drawn int // lines on the terminal that the next draw replaces
}

type spaceLine struct {
	slug, step, message, state string
	at, count                  int // position of the step, and how many there are
	started, ended             time.Time
	done, failed               bool
	told                       bool // that it waits, and for what
	addresses                  []string
}

// event is one line of --json.
type event struct {
	Time      time.Time `json:"time"`
	Space     string    `json:"space"`
	Step      string    `json:"step,omitempty"`
	State     string    `json:"state"` // of the step: running, waiting, done, failed; or active at the end
	Message   string    `json:"message,omitempty"`
	Seconds   float64   `json:"seconds,omitempty"` // since the run was first claimed
	Addresses []string  `json:"addresses,omitempty"`
}

func newProgress(c *cli, now func() time.Time) *progress {
	return &progress{cli: c, live: c.interactive() && !c.json, now: now, start: now(), lines: map[string]*spaceLine{}}
}

// quiet keeps the worker's log out of the progress, which says the same; log.level = "debug" brings it back.
func quiet(a *app) *slog.Logger {
	if strings.EqualFold(a.config.Log.Level, "debug") {
		return a.log
	}
	return slog.New(slog.DiscardHandler)
}

func (p *progress) nothing() {
	if p.cli.json {
		return
	}
	fmt.Fprintln(p.cli.out, "Nothing to provision: no approved space waits. Requests that wait for a decision: frama request list")
}

// blocks notes that spaces wait for this one, which failed.
func (p *progress) blocks(slug string) { p.block = union(p.block, []string{slug}) }

func (p *progress) finished(id string) bool { return p.lines[id] != nil && p.lines[id].done }

// update takes a space as it is now and says whether its run has ended.
func (p *progress) update(v control.SpaceView) bool {
	line := p.lines[v.Space.ID]
	if line == nil {
		line = &spaceLine{slug: v.Space.Slug}
		p.lines[v.Space.ID] = line
		p.order = append(p.order, v.Space.ID)
	}
	run := v.LastRun()
	if run == nil {
		line.done = true
		return true
	}
	before := *line
	line.started, line.count = run.StartedAt, len(run.Steps)
	if step, more := run.Current(); more {
		line.step, line.at, line.state, line.message = step.Name, step.Seq, string(step.State), step.Message
	} else {
		line.step, line.at, line.message = "", len(run.Steps), ""
	}
	switch run.State {
	case work.RunDone:
		line.done, line.state, line.ended = true, string(v.Space.State), run.EndedAt
		for _, i := range v.Instances {
			line.addresses = append(line.addresses, i.URL)
		}
	case work.RunWithdrawn:
		line.done, line.state, line.ended = true, string(v.Space.State), run.EndedAt
	case work.RunParked:
		line.done, line.failed, line.state, line.ended = true, true, "failed", p.now()
	}
	if !p.live {
		p.changes(before, line, run)
	}
	return line.done
}

// changes prints what is new since the last look: each step that was finished in between, and where the run stands.
func (p *progress) changes(before spaceLine, line *spaceLine, run *work.Run) {
	for _, s := range run.Steps[min(before.at, len(run.Steps)):min(line.at, len(run.Steps))] {
		p.emit(event{Time: s.EndedAt, Space: line.slug, Step: s.Name, State: "done", Seconds: seconds(s.EndedAt.Sub(s.StartedAt))})
	}
	switch {
	case line.done && !line.failed:
		p.emit(event{Time: line.ended, Space: line.slug, State: line.state, Seconds: seconds(line.ended.Sub(line.started)), Addresses: line.addresses})
	case line.done:
		p.emit(event{Time: p.now(), Space: line.slug, Step: line.step, State: line.state, Message: line.message})
	case line.state == "waiting" && line.message != "" && (line.message != before.message || line.step != before.step):
		line.told = true
		p.emit(event{Time: p.now(), Space: line.slug, Step: line.step, State: line.state, Message: line.message})
	case line.step != before.step:
		line.told = false
	}
}

func (p *progress) emit(e event) {
	if p.cli.json {
		_ = json.NewEncoder(p.cli.out).Encode(e)
		return
	}
	text := fmt.Sprintf("%s  %-24s  %-11s  %-8s", e.Time.Local().Format("15:04:05"), e.Space, e.Step, e.State)
	if e.Seconds > 0 {
		text += fmt.Sprintf("  %.1f s", e.Seconds)
	}
	if e.Message != "" {
		text += "  " + printable(e.Message)
	}
	if len(e.Addresses) > 0 {
		text += "  " + strings.Join(e.Addresses, " ")
	}
	fmt.Fprintln(p.cli.out, strings.TrimRight(text, " "))
}

// draw replaces the live lines. With many spaces only those at work and those that failed have one.
func (p *progress) draw() {
	if !p.live {
		return
	}
	var rows []string
	done := 0
	for _, id := range p.order {
		line := p.lines[id]
		if line.done && !line.failed {
			done++
			if len(p.order) > 15 {
				continue
			}
		}
		rows = append(rows, p.row(line))
	}
	if len(rows) > 15 {
		rows = append(rows[:15], fmt.Sprintf("  … and %d more", len(rows)-15))
	}
	if len(p.order) > 15 {
		rows = append(rows, fmt.Sprintf("%d of %d active", done, len(p.order)))
	}
	var b strings.Builder
	if p.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", p.drawn)
	}
	for _, r := range rows {
		b.WriteString("\x1b[2K" + r + "\n")
	}
	b.WriteString("\x1b[J")
	p.drawn = len(rows)
	fmt.Fprint(p.cli.out, b.String())
}

func (p *progress) row(l *spaceLine) string {
	bar := strings.Repeat("■", l.at) + strings.Repeat("·", max(l.count-l.at, 0))
	spent := ""
	if !l.started.IsZero() {
		end := l.ended
		if end.IsZero() {
			end = p.now()
		}
		spent = fmt.Sprintf("%5.1f s", seconds(end.Sub(l.started)))
	}
	text := l.step + " " + printable(l.message)
	switch {
	case l.failed:
		text = "FAILED at " + l.step + ": " + printable(l.message)
	case l.done:
		text = l.state + "  " + strings.Join(l.addresses, " ")
	case l.started.IsZero():
		text = "waits for a worker"
	}
	return clip(fmt.Sprintf("%-24s %s %7s  %s", l.slug, bar, spent, text), p.cli.width()-1)
}

// width is that of the terminal: a line that wraps could not be drawn over.
func (c *cli) width() int {
	if f, ok := c.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			return width
		}
	}
	return 80
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// summary ends the show: status 1 when a space failed or still waits, with what to do next.
func (p *progress) summary() error {
	active, failed, waiting := 0, []string{}, []string{}
	for _, id := range p.order {
		switch l := p.lines[id]; {
		case l.failed:
			failed = append(failed, l.slug)
		case l.done:
			active++
		default:
			waiting = append(waiting, l.slug)
			if !p.live && !l.told && l.step != "" {
				p.emit(event{Time: p.now(), Space: l.slug, Step: l.step, State: "waiting", Message: l.message}) // cut short in a step
			}
		}
	}
	slices.Sort(failed)
	if p.cli.json {
		_ = json.NewEncoder(p.cli.out).Encode(map[string]any{"active": active, "failed": failed, "blocked": union([]string{}, p.block), "waiting": waiting,
			"seconds": seconds(p.now().Sub(p.start))})
	} else {
		fmt.Fprintf(p.cli.out, "%d active, %d failed, %d waiting, in %.1f s\n", active, len(failed), len(waiting), seconds(p.now().Sub(p.start)))
		if mend := union(failed, p.block); len(mend) > 0 {
			fmt.Fprintf(p.cli.out, "See why: frama space show %s. Once mended: frama provision %s\n", mend[0], strings.Join(mend, " "))
		}
		if len(waiting) > 0 {
			fmt.Fprintln(p.cli.out, "What waits goes on with the next frama provision.")
		}
	}
	if len(failed)+len(waiting) > 0 {
		return errSilent
	}
	return nil
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
