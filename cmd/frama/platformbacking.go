package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/deploy/dev"
)

// backingServers are the servers of a platform that give instances databases and the like. One that this machine lacks does not
// keep the platform from starting: only applications that need it cannot be provisioned.
type backingServers struct {
	postgres *dev.Postgres
	mariadb  *dev.MariaDB
	redis    *dev.Redis

	mu      sync.Mutex
	missing map[string]error // services that are needed and not there
}

// needsOf lists the backing services of applications.
func needsOf(apps []catalogue.App) []string {
	needs := map[string]bool{}
	for _, a := range apps {
		for _, need := range a.Run().Needs {
			needs[need] = true
		}
	}
	return slices.Sorted(maps.Keys(needs))
}

// startBacking starts the servers that are needed.
func (p *platform) startBacking(ctx context.Context, group *errgroup.Group) {
	start := func(need, what string, do func() error) {
		if !slices.Contains(p.needs, need) {
			return
		}
		group.Go(func() (err error) {
			begun := now()
			if err = do(); err == nil {
				p.say("  %-32s ready after %4.1f s\n", what, now().Sub(begun).Seconds())
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.lack(need, err)
			return nil
		})
	}
	start("postgres", "PostgreSQL", func() (err error) {
		p.postgres, err = dev.StartPostgres(ctx, dev.PostgresOptions{Data: p.options.data, Address: p.options.address})
		return err
	})
	start("mysql", "MariaDB", func() (err error) {
		p.mariadb, err = dev.StartMariaDB(ctx, dev.MariaDBOptions{Data: p.options.data, Address: p.options.address})
		return err
	})
	start("redis", "Redis", func() (err error) {
		p.redis, err = dev.StartRedis(ctx, dev.RedisOptions{Data: p.options.data, Address: p.options.address})
		return err
	})
	if slices.Contains(p.needs, "s3") {
		p.lack("s3", fmt.Errorf("this machine has no server for it"))
	}
}

func (p *platform) lack(need string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing == nil {
		p.missing = map[string]error{}
	}
	p.missing[need] = err
}

// lacking lists the services that are needed and not there.
func (p *platform) lacking() []string { return slices.Sorted(maps.Keys(p.missing)) }

func (p *platform) stopBacking() {
	if p.postgres != nil {
		p.postgres.Stop()
	}
	if p.mariadb != nil {
		p.mariadb.Stop()
	}
	if p.redis != nil {
		p.redis.Stop()
	}
}

// backingExited is closed when a server has ended, whichever.
func (p *platform) backingExited(ctx context.Context) <-chan error {
	ended := make(chan error, 3)
	watch := func(process *dev.Process) {
		select {
		case <-process.Exited():
			ended <- process.Err()
		case <-ctx.Done():
		}
	}
	if p.postgres != nil {
		go watch(p.postgres.Process)
	}
	if p.mariadb != nil {
		go watch(p.mariadb.Process)
	}
	if p.redis != nil {
		go watch(p.redis.Process)
	}
	return ended
}

// backingConfig declares the servers that run, and the mailbox, to which all instances may write.
func (p *platform) backingConfig() string {
	text := ""
	declare := func(kind, address string, more ...any) {
		if _, port, err := net.SplitHostPort(address); err == nil && p.options.address != "" {
			more = append(more, "seen_as", net.JoinHostPort(p.options.address, port)) // containers have a loopback of their own
		}
		text += "\n[[backing]]\n" + tomlTable("", append([]any{"name", kind, "kind", kind, "address", address, "tls", "none"}, more...)...)
	}
	if p.postgres != nil {
		password := p.postgres.Password
		if password == "" {
			password = "any" // it lets in everybody on this machine
		}
		declare("postgres", net.JoinHostPort(p.postgres.Host, strconv.Itoa(p.postgres.Port)), "user", p.postgres.User,
			"password", password, "database", "postgres")
	}
	if p.mariadb != nil {
		declare("mysql", p.mariadb.Address(), "user", p.mariadb.User, "password", p.mariadb.Password)
	}
	if p.redis != nil {
		declare("redis", p.redis.Address(), "user", p.redis.User, "password", p.redis.Password)
	}
	if slices.Contains(p.needs, "smtp") {
		declare("smtp", p.mailbox.SMTPAddr, "mode", "shared", "from", "{name}@frama.localhost")
	}
	return text
}
