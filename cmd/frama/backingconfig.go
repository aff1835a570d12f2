package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/backing"
)

// backingConf declares one server that gives instances databases and the like. It stands under [[backing]] as often as
// there are servers. The tag only lists the kinds a key is for; without it, it is for all.
type backingConf struct {
	Name         string `mapstructure:"name" doc:"its name, for ever: frama keeps it with what is on the server"`
	Kind         string `mapstructure:"kind" doc:"postgres, mysql (MariaDB), redis, s3 or smtp"`
	Address      string `mapstructure:"address" doc:"host:port that frama connects to"`
	SeenAs       string `mapstructure:"seen_as" doc:"host:port as the instances see it; address when empty"`
	User         string `mapstructure:"user" doc:"administrator; with a shared smtp or s3, the one account of all"`
	Password     string `mapstructure:"password" doc:"its password, secret key or admin token"`
	PasswordFile string `mapstructure:"password_file" doc:"file that holds password"`
	TLS          string `mapstructure:"tls" doc:"verify (default) or none"`
	CAFile       string `mapstructure:"ca_file" doc:"authority of the server's certificate, PEM"`
	Full         bool   `mapstructure:"full" doc:"true: no new instances; those it has stay"`
	Prefix       string `mapstructure:"prefix" doc:"first part of all names there; frama when empty"`
	Connections  int    `mapstructure:"connections" only:"postgres mysql" doc:"how many an instance may have at once; 40 when empty"`
	Database     string `mapstructure:"database" only:"postgres smtp" doc:"postgres: where the administrator connects; smtp: where the logins are"`
	Flavour      string `mapstructure:"flavour" only:"s3" doc:"garage, versitygw, or shared (one key for all: not isolated)"`
	Region       string `mapstructure:"region" only:"s3" doc:"region of the buckets; us-east-1 when empty"`
	Admin        string `mapstructure:"admin" only:"s3" doc:"host:port of the administration interface; needed for garage"`
	Mode         string `mapstructure:"mode" only:"smtp" doc:"shared (one account for all) or dovecot-sql"`
	From         string `mapstructure:"from" only:"smtp" doc:"sender of the instances' mails; {name} stands for the instance"`
	Tables       string `mapstructure:"tables" only:"smtp" doc:"dovecot-sql: name of the postgres server with the logins"`
}

// backingVariable is how a password comes from the environment: FRAMA_BACKING_<NAME>_PASSWORD, with _FILE from a file.
var backingVariable = regexp.MustCompile(`^FRAMA_BACKING_([A-Z0-9_]+?)_PASSWORD(_FILE)?$`)

// backingSecrets puts the passwords of servers in their place, from the environment and from files.
func (c *config) backingSecrets(environ []string) error {
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		found := backingVariable.FindStringSubmatch(name)
		if found == nil {
			continue
		}
		at := slices.IndexFunc(c.Backing, func(b backingConf) bool {
			return strings.ToUpper(strings.ReplaceAll(b.Name, "-", "_")) == found[1]
		})
		if at < 0 {
			return usageError{fmt.Errorf("environment: %s names no declared [[backing]] server", name)}
		}
		c.Backing[at].Password, c.Backing[at].PasswordFile = text, ""
		if found[2] != "" {
			c.Backing[at].Password, c.Backing[at].PasswordFile = "", text
		}
	}
	for i := range c.Backing {
		b := &c.Backing[i]
		if b.PasswordFile == "" {
			continue
		}
		if b.Password != "" {
			return usageError{fmt.Errorf("configuration: backing %s has password and password_file: keep one", b.Name)}
		}
		text, err := os.ReadFile(b.PasswordFile)
		if err != nil {
			return usageError{fmt.Errorf("configuration: backing %s: password_file: %w", b.Name, err)}
		}
		b.Password = strings.TrimRight(string(text), "\r\n")
	}
	return nil
}

var backingName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// checkBacking finds declarations that cannot work.
func (c *config) checkBacking() (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	for i, b := range c.Backing {
		if !backingName.MatchString(b.Name) {
			add("backing[%d].name: %q is not a name of letters a to z, digits and hyphens", i, b.Name)
			continue
		}
		if seen[b.Name] {
			add("backing %s is declared twice", b.Name)
		}
		seen[b.Name] = true
		problems = append(problems, b.misplaced()...)
	}
	if len(problems) == 0 {
		if _, err := c.backing(); err != nil {
			add("%v", err)
		}
	}
	return problems
}

// misplaced lists the keys that are for another kind of server, and those that this one lacks.
func (b backingConf) misplaced() (problems []string) {
	v := reflect.ValueOf(b)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if only := f.Tag.Get("only"); only != "" && !v.Field(i).IsZero() && !slices.Contains(strings.Fields(only), b.Kind) {
			problems = append(problems, fmt.Sprintf("backing %s: %s is for kind %s", b.Name, f.Tag.Get("mapstructure"), strings.ReplaceAll(only, " ", " or ")))
		}
	}
	if b.Kind != "smtp" && b.Password == "" {
		problems = append(problems, fmt.Sprintf("backing %s: give password, password_file or FRAMA_BACKING_%s_PASSWORD", b.Name,
			strings.ToUpper(strings.ReplaceAll(b.Name, "-", "_"))))
	}
	return problems
}

// backing makes the adapters of the declared servers; nothing connects yet.
func (c *config) backing() ([]provisioner.Server, error) {
	var options []backing.Options
	for _, b := range c.Backing {
		options = append(options, backing.Options{
			Name: b.Name, Kind: b.Kind, Address: b.Address, SeenAs: b.SeenAs, User: b.User, Password: b.Password, TLS: b.TLS, CAFile: b.CAFile,
			Prefix: b.Prefix, Connections: b.Connections, Database: b.Database, Flavour: b.Flavour, Region: b.Region, Admin: b.Admin,
			Mode: b.Mode, From: b.From, Tables: b.Tables,
		})
	}
	var servers []provisioner.Server
	var problems error
	for i, o := range options {
		s, err := backing.New(o, options)
		problems = errors.Join(problems, err)
		servers = append(servers, provisioner.Server{Backing: s, Full: c.Backing[i].Full})
	}
	return servers, problems
}
