package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/telemetry"
)

// cli is what every command shares: the streams, the environment and the global flags.
type cli struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	file     string             // --config
	json     bool               // --json
	hook     func(store.Moment) // around every commit, for tests that end the process there; nil otherwise
	flags    *pflag.FlagSet     // of the command that runs; those that stand for keys override the configuration
}

// run executes one command line and returns the exit status. Tests call it as main does.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &cli{in: in, out: out, err: errOut, environ: os.Environ()}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	c.json = slices.Contains(args, "--json") // a command line that cannot be parsed is answered as it asks, too
	cmd, err := root.ExecuteContextC(ctx)
	return c.report(cmd, err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "frama",
		Short: "Gives associations their own pads, spreadsheets and clouds, on a Nomad cluster",
		Long: `frama is the control plane of an alternative host: associations ask for a space through a form, reviewers
decide in a dashboard, and frama provisions what was approved.

Exit status: 0 when all went well, 1 when something failed, 2 when the command or the configuration is wrong.
Configuration comes from ` + defaultFile + `, FRAMA_… variables and flags; "frama config keys" lists all of it.`,
		Example: `  frama dev                     a complete platform on this machine, to try and to develop
  frama doctor                  checks everything frama depends on
  frama request list            requests that wait for a decision
  frama provision               provisions every approved space`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&c.file, "config", envOr(c.environ, "FRAMA_CONFIG", ""), "configuration `file` (default "+defaultFile+" where it exists)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "answer in JSON")
	keyFlag(root.PersistentFlags(), "log-level", "log.level", "debug, info, warn or error")
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) { c.flags = cmd.Flags() }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(&cobra.Group{ID: "ops", Title: "Day to day:"}, &cobra.Group{ID: "run", Title: "Services:"},
		&cobra.Group{ID: "admin", Title: "Set-up and care:"})
	root.SetHelpCommandGroupID("admin")
	root.SetCompletionCommandGroupID("admin")
	root.AddCommand(
		newProvisionCommand(c), newRequestCommand(c), newSpaceCommand(c), newRunCommand(c), newBackingCommand(c),
		newQuotaCommand(c), newUsageCommand(c), newRetentionCommand(c), newPlanCommand(c), newClusterCommand(c), newCostCommand(c), newTopCommand(c),
		newServeCommand(c), newEdgeCommand(c), newVolumeCommand(c), newFirewallCommand(c), newDevCommand(c),
		newCatalogueCommand(c), newUserCommand(c), newMigrateCommand(c), newDoctorCommand(c), newConfigCommand(c), newVersionCommand(c),
	)
	return root
}

// report prints an error the way people and scripts expect, and returns the exit status.
func (c *cli) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errSilent) {
		return exitFailed
	}
	message := c.explain(err)
	status := exitFailed
	var usage usageError
	if errors.As(err, &usage) || cobraRefused(err) {
		status = exitUsage
	}
	if c.json {
		_ = json.NewEncoder(c.err).Encode(map[string]any{"error": message, "status": status})
		return status
	}
	fmt.Fprintf(c.err, "frama: %s\n", message)
	if status == exitUsage && cmd != nil {
		fmt.Fprintf(c.err, "Try '%s --help'.\n", cmd.CommandPath())
	}
	return status
}

// cobraRefused tells the mistakes on a command line that cobra finds itself: it has no type for them.
func cobraRefused(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "unknown command") || strings.HasPrefix(text, "required flag(s)") || strings.Contains(text, "arg(s)")
}

// parent makes a command that only holds others. A name among them that nobody knows is a mistake, not a wish for help.
func parent(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(children...)
	cmd.Example = "  frama " + cmd.Name() + " " + children[0].Name()
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf(" (did you mean %s?)", near[0])
		}
		return usageError{errors.New(text)}
	}
	return cmd
}

// errSilent ends a command with status 1 when all there is to say has been said.
var errSilent = errors.New("failed")

// explain words an error for the one at the terminal, in English like all of the command line.
func (c *cli) explain(err error) string {
	var known *hosting.Error
	if !errors.As(err, &known) {
		return err.Error()
	}
	words, loadErr := locale.Load()
	if loadErr != nil {
		return err.Error()
	}
	// What callers wrapped around it says which thing is meant.
	context, wrapped := strings.CutSuffix(err.Error(), known.Error())
	if !wrapped {
		context = ""
	}
	text := context + words.T("en", known.Key, known.Args...)
	for _, f := range known.Fields {
		text += fmt.Sprintf("\n  %s: %s", f.Field, words.T("en", f.Key, f.Args...))
	}
	if known.Err != nil {
		text += ": " + known.Err.Error()
	}
	return text
}

// absent words the absence of something named on the command line; other errors stay as they are.
func absent(err error, what, name, list string) error {
	if hosting.CodeOf(err) == hosting.NotFound {
		return fmt.Errorf("there is no %s %q: %s shows those there are", what, name, list)
	}
	return err
}

// print writes a value as JSON with --json, or calls text.
func (c *cli) print(value any, text func(w io.Writer)) error {
	if !c.json {
		text(c.out)
		return nil
	}
	if list := reflect.ValueOf(value); list.Kind() == reflect.Slice && list.IsNil() {
		value = []struct{}{} // an empty list is [], which scripts can go through, not null
	}
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}

// actor is whoever sits at the terminal: who may run frama with its database is its administrator.
func (c *cli) actor() hosting.Actor {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return hosting.Actor{Name: "cli:" + name, Role: hosting.RoleAdmin}
}

// interactive says whether a person sits at the terminal.
func (c *cli) interactive() bool {
	f, ok := c.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && envOr(c.environ, "TERM", "dumb") != "dumb"
}

func (c *cli) logger(conf config) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(conf.Log.Level))
	options := &slog.HandlerOptions{Level: level}
	if conf.Log.Format == "json" {
		return slog.New(telemetry.Handler{Handler: slog.NewJSONHandler(c.err, options)})
	}
	return slog.New(telemetry.Handler{Handler: slog.NewTextHandler(c.err, options)})
}

// choices adds a flag that takes one of a few words, and completes them. Whether it is one of them is for the command
// to check, with oneOf.
func choices(cmd *cobra.Command, to *string, name, fallback string, words []string) {
	cmd.Flags().StringVar(to, name, fallback, strings.Join(words, ", "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func envOr(environ []string, name, fallback string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok && value != "" {
			return value
		}
	}
	return fallback
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func now() time.Time { return time.Now().UTC() }
