package dev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// RedisOptions say where Redis listens.
type RedisOptions struct {
	Data string // the platform's folder; Redis has redis/ in it
	Port Port   // Number 0: one that is free, and at later starts the same one again

	Address string // of this machine, where it listens too: containers have a loopback of their own; none when empty
}

// Redis is a running server for tests, which keeps its data and its accounts over restarts. Only the administrator, who
// needs the password, is there at first.
type Redis struct {
	*Process

	Host     string // 127.0.0.1
	Port     int
	User     string // default, with every right: accounts of instances are made with ACL SETUSER and kept by ACL SAVE
	Password string // the same at later starts
}

// redisConfig is a file, because all the machine's users can read the words of processes.
//
//   - aclfile keeps the accounts; ACL SAVE writes it, which is why it is not made anew at each start.
//   - appendonly and noeviction: applications that keep more than a cache in it may ask for that.
const redisConfig = `bind %s
port %d
dir %q
aclfile %q
appendonly yes
appendfsync no
save ""
maxmemory-policy noeviction
`

// StartRedis starts the server that is installed.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	dir := filepath.Join(absolute(o.Data), "redis")
	r, err := startRedis(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	return r, nil
}

func startRedis(ctx context.Context, dir string, o RedisOptions) (*Redis, error) {
	port := o.Port
	program, err := Tool("redis-server")
	if err != nil {
		return nil, err
	}
	if err := resolvePorts(filepath.Join(dir, "ports.json"), &port); err != nil {
		return nil, err
	}
	password, err := rememberPassword(filepath.Join(dir, "password"))
	if err != nil {
		return nil, err
	}
	data, users, config := filepath.Join(dir, "data"), filepath.Join(dir, "users.acl"), filepath.Join(dir, "redis.conf")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Stat(users); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(users, []byte("user default on >"+password+" ~* &* +@all\n"), 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, redisConfig, listenOn(o.Address, " "), port.Number, data, users), 0o600); err != nil {
		return nil, err
	}
	r := &Redis{Host: "127.0.0.1", Port: port.Number, User: "default", Password: password}
	r.Process, err = Start(ctx, Command{
		Name: "redis", Path: program, Data: dir, Dir: data, Args: []string{config},
		// It answers LOADING until all data is read.
		Ready: func(ctx context.Context) error { return r.ping(ctx) },
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Address is host:port.
func (r *Redis) Address() string { return Port{Number: r.Port}.Address() }

// ping signs in and asks for an answer.
func (r *Redis) ping(ctx context.Context) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Address())
	if err != nil {
		return err
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			return err
		}
	}
	answers := bufio.NewReader(connection)
	for _, c := range []struct{ command, want string }{{"AUTH " + r.User + " " + r.Password, "+OK"}, {"PING", "+PONG"}} {
		if _, err := fmt.Fprintf(connection, "%s\r\n", c.command); err != nil {
			return err
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if answer = strings.TrimSpace(answer); answer != c.want {
			return fmt.Errorf("redis answered %s", answer)
		}
	}
	return nil
}
