package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"framagit.org/frama/frama/services/hosting"
)

func newUserCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "user", GroupID: "admin", Short: "The host's staff: add, list, passwd"},
		newUserListCommand(c), newUserAddCommand(c), newUserPasswdCommand(c))
}

func newUserAddCommand(c *cli) *cobra.Command {
	var name, role string
	cmd := &cobra.Command{
		Use: "add EMAIL", Args: cobra.ExactArgs(1), Short: "Adds a member of the staff; the password is asked for, or read from standard input",
		Long: `Adds a member of the staff. Roles: reviewer (reads everything, decides on requests), operator (also retries runs),
admin (also manages users). The password never goes on the command line, where others could see it.`,
		Example: "  frama user add ana@example.org --name Ana --role reviewer\n  pass show frama/ana | frama user add ana@example.org --role admin",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("--role", role, strs(hosting.Roles())); err != nil {
				return err
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			password, err := c.askPassword()
			if err != nil {
				return err
			}
			if name == "" {
				name, _, _ = strings.Cut(args[0], "@")
			}
			u, err := a.control.AddUser(cmd.Context(), c.actor(), args[0], name, hosting.Role(role), password)
			if err != nil {
				return err
			}
			return c.print(u, func(w io.Writer) { fmt.Fprintf(w, "%s may sign in at %s/admin\n", u.Email, a.config.PublicURL) })
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name as colleagues see it")
	choices(cmd, &role, "role", string(hosting.RoleReviewer), strs(hosting.Roles()))
	return cmd
}

func newUserListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists the staff", Example: "  frama user list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			users, err := a.control.Users(cmd.Context(), c.actor())
			if err != nil {
				return err
			}
			return c.print(users, func(w io.Writer) {
				if len(users) == 0 {
					fmt.Fprintln(w, "No staff yet. Add yourself: frama user add you@example.org --role admin")
					return
				}
				t := newTable(w, "EMAIL", "NAME", "ROLE", "SINCE")
				for _, u := range users {
					t.row(u.Email, u.Name, string(u.Role), ago(u.CreatedAt))
				}
				t.flush()
			})
		},
	}
}

func newUserPasswdCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "passwd EMAIL", Args: cobra.ExactArgs(1), Short: "Changes a password and ends the sessions it opened",
		Example: "  frama user passwd ana@example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			password, err := c.askPassword()
			if err != nil {
				return err
			}
			if err := a.control.SetPassword(cmd.Context(), c.actor(), args[0], password); err != nil {
				return absent(err, "member of the staff", args[0], "frama user list")
			}
			return c.print(map[string]string{"changed": args[0]}, func(w io.Writer) { fmt.Fprintln(w, "Changed.") })
		},
	}
}

// askPassword reads a new password: twice from a person, one line from a pipe.
func (c *cli) askPassword() (string, error) {
	first, err := c.readPassword("Password: ")
	if err != nil || !c.asksPerson() {
		return first, err
	}
	second, err := c.readPassword("Again: ")
	if err == nil && first != second {
		err = usageError{errors.New("the two passwords differ")}
	}
	if err != nil {
		return "", err
	}
	return first, nil
}

// asksPerson says whether somebody types at a terminal.
func (c *cli) asksPerson() bool {
	f, ok := c.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readPassword reads a password once: without echo from a person, one line from a pipe.
func (c *cli) readPassword(prompt string) (string, error) {
	if !c.asksPerson() {
		line, err := bufio.NewReader(io.LimitReader(c.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	fmt.Fprint(c.err, prompt)
	typed, err := term.ReadPassword(int(c.in.(*os.File).Fd()))
	fmt.Fprintln(c.err)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(typed), nil
}
