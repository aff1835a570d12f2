package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

func newTopCommand(c *cli) *cobra.Command {
	var every time.Duration
	var once bool
	cmd := &cobra.Command{
		Use: "top", GroupID: "ops", Args: cobra.NoArgs, Short: "Shows spaces, runs, clusters and limits, live",
		Long: `Shows spaces, runs, clusters and limits, and again every few seconds until q or Ctrl-C. In a pipe, with --once or with
--json it shows them once.`,
		Example: "  frama top\n  frama top --every 10s\n  frama top --once",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < 500*time.Millisecond {
				return usageError{fmt.Errorf("--every: %s is less than half a second", every)}
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			if once || c.json || !c.interactive() {
				o, err := c.overview(cmd.Context(), a)
				if err != nil {
					return err
				}
				return c.print(o, func(w io.Writer) { writeOverview(w, o, now(), 0) })
			}
			return c.top(cmd.Context(), a, every)
		},
	}
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "pause between two looks")
	cmd.Flags().BoolVar(&once, "once", false, "show it once, also on a terminal")
	return cmd
}

// overview is what frama top shows.
type overview struct {
	Tally    store.Tally
	Clusters []control.ClusterView
	Running  []work.Run // that are worked on
	Parked   []work.Run // that wait for a person
	Names    map[string]string
	Near     []control.QuotaRow
}

// shown is how many lines each part of the overview has at most.
const shown = 12

func (c *cli) overview(ctx context.Context, a *app) (o overview, err error) {
	if err = a.store.Read(ctx, func(tx *store.Tx) error {
		o.Tally, err = tx.Tally()
		return err
	}); err != nil {
		return o, err
	}
	if o.Clusters, err = a.control.Clusters(ctx, c.actor()); err != nil {
		return o, err
	}
	for _, part := range []struct {
		state work.RunState
		to    *[]work.Run
	}{{work.RunRunning, &o.Running}, {work.RunReady, &o.Running}, {work.RunParked, &o.Parked}} {
		runs, err := a.control.Runs(ctx, c.actor(), part.state, shown)
		if err != nil {
			return o, err
		}
		*part.to = append(*part.to, runs...)
	}
	o.Names = map[string]string{}
	for _, run := range slices.Concat(o.Running, o.Parked) {
		if v, err := a.control.Space(ctx, c.actor(), run.SpaceID); err == nil {
			o.Names[run.SpaceID] = v.Space.Slug
		}
	}
	page, err := a.control.Quotas(ctx, c.actor(), control.QuotaFilter{Order: control.QuotaNear, Size: shown})
	o.Near = slices.DeleteFunc(page.Rows, func(r control.QuotaRow) bool { return r.Quota.Level == hosting.LevelOK })
	return o, err
}

// top shows the overview again and again until somebody types q.
func (c *cli) top(ctx context.Context, a *app, every time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if in, ok := c.in.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return fmt.Errorf("the terminal: %w", err)
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }()
		go func() {
			keys := bufio.NewReader(in)
			for {
				key, err := keys.ReadByte()
				if err != nil || key == 'q' || key == 'Q' || key == 3 || key == 4 { // Ctrl-C and Ctrl-D reach us as keys here
					cancel()
					return
				}
			}
		}()
	}
	const enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l" // another screen, without a cursor
	fmt.Fprint(c.out, enter)
	defer fmt.Fprint(c.out, leave)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var page strings.Builder
		switch o, err := c.overview(ctx, a); {
		case ctx.Err() != nil:
			return nil
		case err != nil: // it may be back at the next look
			fmt.Fprintf(&page, "%s\n\n%s\n", now().Local().Format(time.TimeOnly), c.explain(err))
		default:
			width, height := c.screen()
			writeOverview(&page, o, now(), width)
			page.WriteString("\nq quits\n")
			cut(&page, height)
		}
		// In raw mode a line break only moves down.
		fmt.Fprint(c.out, "\x1b[H"+strings.ReplaceAll(page.String(), "\n", "\x1b[K\r\n")+"\x1b[J")
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// screen is the size of the terminal, in characters.
func (c *cli) screen() (width, height int) {
	if f, ok := c.out.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil {
			return w, h
		}
	}
	return 80, 24
}

// cut leaves as many lines as the screen has.
func cut(page *strings.Builder, height int) {
	lines := strings.SplitAfter(page.String(), "\n")
	if height < 2 || len(lines) <= height {
		return
	}
	text := strings.TrimSuffix(strings.Join(lines[:height-1], ""), "\n")
	page.Reset()
	page.WriteString(text)
}

// writeOverview writes the overview; lines are cut at the width, unless it is 0.
func writeOverview(out io.Writer, o overview, at time.Time, width int) {
	var b strings.Builder
	t := o.Tally
	fmt.Fprintf(&b, "frama  %s\n\n", at.Local().Format(time.DateTime))
	fmt.Fprintf(&b, "spaces    %s\n", states(t.Spaces, strs(hosting.SpaceStates())))
	fmt.Fprintf(&b, "requests  %s\n", states(t.Requests, strs(hosting.RequestStates())))
	fmt.Fprintf(&b, "services  %s\n", states(t.Instances, []string{"healthy", "pending", "unhealthy", "unknown"}))
	fmt.Fprintf(&b, "limits    %s\n", states(t.Levels, strs(hosting.Levels())))
	fmt.Fprintf(&b, "mails     %s\n", states(t.Mails, []string{"waiting", "failed", "sent"}))
	for _, v := range o.Clusters {
		b.WriteString("\n")
		writeCluster(&b, v, at)
	}
	runs := func(title string, all []work.Run) {
		if len(all) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		table := newTable(&b)
		for _, run := range all[:min(len(all), shown)] {
			step, _ := run.Current()
			table.row("  "+o.Names[run.SpaceID], run.Kind, fmt.Sprintf("%d/%d", min(step.Seq+1, len(run.Steps)), len(run.Steps)), step.Name, string(step.State), ago(run.CreatedAt), step.Message)
		}
		table.flush()
	}
	runs("at work", o.Running)
	runs("waiting for a person: frama run retry", o.Parked)
	if len(o.Near) > 0 {
		b.WriteString("\nnear or over a limit: frama quota list\n")
		table := newTable(&b)
		for _, r := range o.Near {
			table.row("  "+r.Space.Slug, r.Quota.Metric, bar(r.Quota.Permille(), 20), percent(r.Quota.Permille()), string(r.Quota.Level),
				hosting.Figure(r.Quota.Metric, r.Quota.Used)+" of "+hosting.Figure(r.Quota.Metric, r.Quota.Limit))
		}
		table.flush()
	}
	for line := range strings.Lines(b.String()) {
		text := []rune(strings.TrimRight(line, " \n"))
		if width > 0 && len(text) > width {
			text = append(text[:width-1], '…')
		}
		fmt.Fprintln(out, string(text))
	}
}

// states writes how many there are of each, those there are.
func states(counts map[string]int, order []string) string {
	var list []string
	for _, s := range order {
		if counts[s] > 0 {
			list = append(list, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
