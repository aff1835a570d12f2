package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"framagit.org/frama/frama/services/hosting"
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]*$`)

// left asks the servers themselves what there still is of an entry, by their own command lines: neither frama's notes nor
// its adapters have a say in it.
func (p *platform) left(ctx context.Context, e hosting.Backing) ([]string, error) {
	if !plainName.MatchString(e.Name + e.SetAside) {
		return nil, fmt.Errorf("the name %q on %s is not what frama makes", e.Name, e.Server)
	}
	names := fmt.Sprintf("('%s', '%s')", e.Name, e.SetAside)
	switch {
	case e.Service == "postgres" && p.postgres != nil:
		return answered(ctx, nil, "psql", p.postgres.URL("postgres"), "-Atc",
			"SELECT 'database ' || datname FROM pg_database WHERE datname IN "+names+
				" UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname IN "+names)
	case e.Service == "mysql" && p.mariadb != nil:
		return answered(ctx, []string{"MYSQL_PWD=" + p.mariadb.Password}, "mariadb", "--no-defaults", "-h", p.mariadb.Host,
			"-P", strconv.Itoa(p.mariadb.Port), "-u", p.mariadb.User, "-Ne",
			"SELECT CONCAT('database ', schema_name) FROM information_schema.schemata WHERE schema_name IN "+names+
				" UNION ALL SELECT CONCAT('account ', User) FROM mysql.user WHERE User IN "+names)
	case e.Service == "redis" && p.redis != nil:
		client := []string{"-h", p.redis.Host, "-p", strconv.Itoa(p.redis.Port), "--no-auth-warning"}
		auth := []string{"REDISCLI_AUTH=" + p.redis.Password}
		users, err := answered(ctx, auth, "redis-cli", append(client, "ACL", "USERS")...)
		if err != nil {
			return nil, err
		}
		var found []string
		for _, user := range users {
			if user == e.Name {
				found = append(found, "user "+user)
			}
		}
		keys, err := answered(ctx, auth, "redis-cli", append(client, "--scan", "--pattern", e.Name+":*")...)
		if len(keys) > 0 {
			found = append(found, fmt.Sprintf("%d keys of %s", len(keys), e.Name))
		}
		return found, err
	}
	return nil, nil
}

// answered runs a client and returns its lines.
func answered(ctx context.Context, env []string, client string, args ...string) ([]string, error) {
	path, err := exec.LookPath(client)
	if err != nil {
		return nil, fmt.Errorf("%s, with which a trial looks at what is left, is not installed: run make tools", client)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}, env...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", client, err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
