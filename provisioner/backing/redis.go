package backing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"framagit.org/frama/frama/provisioner"
)

// redisServer gives each instance an ACL user for the keys and channels that begin with its name and a colon.
type redisServer struct{ server }

const maxRedisName = 60

// quiet keeps the client from writing to standard error beside the errors it returns.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func newRedis(base server) *redisServer {
	quiet()
	return &redisServer{base}
}

func (r *redisServer) Identifier(job string) string {
	return provisioner.Identifier(r.Prefix, job, "_", maxRedisName)
}

func (r *redisServer) Secrets(_ string, random io.Reader) map[string]string {
	return onePassword("redis_password", random)
}

// commands is what an instance may do with its keys. Categories that are named, rather than all but some: what a later
// version of Redis adds is not allowed by itself. Patterns of keys do not apply to the commands that list keys, measure
// the whole or touch what all users share, so these are taken away: KEYS, SCAN, RANDOMKEY, DBSIZE, PUBSUB, FUNCTION,
// SCRIPT FLUSH, KILL and DEBUG (which stops the server for all, or starts processes), CLIENT TRACKING. INFO shows no keys, and many clients refuse to work without it.
var commands = []string{
	"-@all", "+@read", "+@write", "+@pubsub", "+@transaction", "+@scripting", "+@connection", "-@admin", "-@dangerous",
	"-keys", "-scan", "-randomkey", "-dbsize", "-pubsub", "-function", "-script|flush", "-script|kill", "-script|debug",
	"-client|tracking", "-client|caching", "+info", "+time", "+command",
}

// rules are all that ACL SETUSER is told of an instance: keys and channels with its prefix. The last channel is the mark:
// users have no room for a comment, and nobody publishes there.
func rules(g provisioner.Grant, passwords ...string) []string {
	all := []string{"reset", "on", "~" + g.Name + ":*", "&" + g.Name + ":*", "&" + mark(g.Instance)}
	for _, p := range passwords {
		all = append(all, "#"+hash(p)) // the clear password reaches neither log nor file of the server
	}
	return append(all, commands...)
}

func hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// Fits looks for ACLs that know subcommands, and for durability where it is asked for.
func (r *redisServer) Fits(ctx context.Context, g provisioner.Grant) error {
	return r.admin(ctx, func(ctx context.Context, c *redis.Client) error { return r.fits(ctx, c, g) })
}

func (r *redisServer) fits(ctx context.Context, c *redis.Client, g provisioner.Grant) error {
	if _, err := r.version(ctx, c); err != nil || !g.Durable {
		return err
	}
	appends, err := setting(ctx, c, "appendonly")
	if err != nil {
		return err
	}
	policy, err := setting(ctx, c, "maxmemory-policy")
	if err != nil {
		return err
	}
	if appends != "yes" || policy != "noeviction" {
		return r.refused(nil, "the application keeps data that must last, and this server may lose it: set appendonly yes and "+
			"maxmemory-policy noeviction, or declare another server for such applications")
	}
	return nil
}

func (r *redisServer) version(ctx context.Context, c *redis.Client) (string, error) {
	text, err := c.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	version := ""
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "redis_version:"); ok {
			version = strings.TrimSpace(rest)
		}
	}
	var major int
	if _, err := fmt.Sscanf(version, "%d.", &major); err != nil || major < 7 {
		return version, r.refused(nil, "it runs Redis %s: frama needs 7 or later, or Valkey", version)
	}
	return version, nil
}

func setting(ctx context.Context, c *redis.Client, name string) (string, error) {
	all, err := c.ConfigGet(ctx, name).Result()
	return all[name], err
}

// Ensure makes the user with one command, and keeps it. Redis words what a user may do its own way, so there is nothing to
// compare with: the rules are set afresh each time, at once and without disturbing who is connected. It is kept each time
// too: a crash may have come in between.
func (r *redisServer) Ensure(ctx context.Context, g provisioner.Grant) (map[string]string, error) {
	err := r.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		if err := r.fits(ctx, c, g); err != nil {
			return err
		}
		if _, err := r.ours(ctx, c, g); err != nil {
			return err
		}
		r.at("set user")
		if err := setUser(ctx, c, g.Name, rules(g, g.Secrets["redis_password"])); err != nil {
			return err
		}
		return r.keep(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	if err := r.Login(ctx, g); err != nil {
		return nil, err
	}
	return map[string]string{"redis_host": r.host, "redis_port": r.port, "redis_user": g.Name, "redis_prefix": g.Name + ":"}, nil
}

// Rotate lets the instance in with both passwords: Redis alone can, so nothing is interrupted.
func (r *redisServer) Rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	return r.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		u, err := r.ours(ctx, c, g)
		if err != nil || !u.there {
			return err // one that is missing is made by Ensure, with next
		}
		r.at("add password")
		if err := setUser(ctx, c, g.Name, rules(g, g.Secrets["redis_password"], next["redis_password"])); err != nil {
			return err
		}
		return r.keep(ctx, c)
	})
}

// Login signs in as the instance does.
func (r *redisServer) Login(ctx context.Context, g provisioner.Grant) error {
	return r.session(ctx, g.Name, g.Secrets["redis_password"], func(ctx context.Context, c *redis.Client) error {
		err := c.Exists(ctx, g.Name+":frama").Err()
		if err != nil && strings.HasPrefix(err.Error(), "WRONGPASS") {
			return r.loginFailed(g.Name, err)
		}
		return err
	})
}

// Retire switches the user off, which ends its connections too. Its keys stay.
func (r *redisServer) Retire(ctx context.Context, g provisioner.Grant) error {
	return r.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		u, err := r.ours(ctx, c, g)
		if err != nil || !u.there {
			return err
		}
		r.at("switch user off")
		if err := setUser(ctx, c, g.Name, []string{"off"}); err != nil {
			return err
		}
		if err := c.Do(ctx, "CLIENT", "KILL", "USER", g.Name).Err(); err != nil {
			return err
		}
		return r.keep(ctx, c)
	})
}

// Restore switches the user on again.
func (r *redisServer) Restore(ctx context.Context, g provisioner.Grant) error {
	return r.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		u, err := r.ours(ctx, c, g)
		if err != nil {
			return err
		}
		if !u.there {
			return r.refused(nil, "the user %s is gone, and its keys may be: see what is under %s:*", g.Name, g.Name)
		}
		r.at("switch user on")
		return setUser(ctx, c, g.Name, []string{"on"})
	})
}

// Purge deletes the keys, then the user, which bears the mark.
func (r *redisServer) Purge(ctx context.Context, g provisioner.Grant) error {
	long := *r
	long.Timeout = deleting
	r = &long
	return r.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		u, err := r.ours(ctx, c, g)
		if err != nil {
			return err
		}
		if !u.there { // deleted already, but perhaps not from the file
			return r.keep(ctx, c)
		}
		if err := r.deleteKeys(ctx, c, g); err != nil {
			return err
		}
		r.at("delete user")
		if err := c.ACLDelUser(ctx, g.Name).Err(); err != nil {
			return err
		}
		return r.keep(ctx, c)
	})
}

// deleteKeys deletes an instance's keys in all numbered databases: rules have no way to keep it to one.
func (r *redisServer) deleteKeys(ctx context.Context, c *redis.Client, g provisioner.Grant) error {
	text, err := setting(ctx, c, "databases")
	if err != nil {
		return err
	}
	databases, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("number of databases: %w", err)
	}
	session := c.Conn() // the number is chosen for one connection
	defer func() { _ = session.Close() }()
	for number := range databases {
		if err := session.Select(ctx, number).Err(); err != nil {
			return err
		}
		// Names hold letters, digits and underscores only: nothing in the pattern stands for anything else.
		for cursor := uint64(0); ; {
			keys, next, err := session.Scan(ctx, cursor, g.Name+":*", 500).Result()
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				r.at("delete keys")
				if err := session.Unlink(ctx, keys...).Err(); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				break
			}
		}
	}
	return session.Select(ctx, 0).Err()
}

// Check looks at version and rights, and for a default user that would let everybody in.
func (r *redisServer) Check(ctx context.Context) (string, error) {
	detail := ""
	err := r.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		version, err := r.version(ctx, c)
		if err != nil {
			return err
		}
		detail = "Redis " + version
		open, err := getUser(ctx, c, "default")
		if err != nil {
			return err
		}
		if open.on && (open.nopass || len(open.passwords) == 0) {
			return r.refused(nil, "anybody gets in without a password, as the user default: ACL SETUSER default off, or give it a password")
		}
		return r.keeps(ctx, c)
	})
	return detail, err
}

func (r *redisServer) admin(ctx context.Context, f func(ctx context.Context, c *redis.Client) error) error {
	return r.session(ctx, r.User, r.Password, f)
}

func (r *redisServer) session(ctx context.Context, user, password string, f func(ctx context.Context, c *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	c := redis.NewClient(&redis.Options{
		Addr: r.Address, Username: user, Password: password, TLSConfig: r.tls, PoolSize: 1, MaxRetries: -1, Protocol: 2,
		DialTimeout: 10 * time.Second, DialerRetries: 1, DisableIdentity: true, ContextTimeoutEnabled: true,
	})
	defer c.Close() //nolint:errcheck // nothing is written by it
	return r.explain(f(ctx, c))
}

func (r *redisServer) explain(err error) error {
	var refused *provisioner.RefusedError
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case isNetwork(err), errors.Is(err, context.DeadlineExceeded):
		return r.unreachable(err)
	case strings.HasPrefix(err.Error(), "LOADING"), strings.HasPrefix(err.Error(), "BUSY"), strings.HasPrefix(err.Error(), "MASTERDOWN"):
		return &provisioner.TemporaryError{After: 5 * time.Second, Err: err,
			Reason: fmt.Sprintf("the backing server %s cannot just now", r.Options.Name)}
	case strings.HasPrefix(err.Error(), "WRONGPASS"), strings.HasPrefix(err.Error(), "NOAUTH"), strings.HasPrefix(err.Error(), "NOPERM"):
		return r.denied(err)
	}
	return fmt.Errorf("backing server %s: %w", r.Options.Name, err)
}
