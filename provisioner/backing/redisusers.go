package backing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"framagit.org/frama/frama/provisioner"
)

// keeps looks whether there is a file for users. Whether it can be written shows when it is: a look must not replace what
// somebody changed in it by hand.
func (r *redisServer) keeps(ctx context.Context, c *redis.Client) error {
	file, err := setting(ctx, c, "aclfile")
	if err != nil || file != "" {
		return err
	}
	text, err := c.Info(ctx, "server").Result()
	if err == nil && strings.Contains(text, "\nconfig_file:\r") {
		return r.refused(nil, "it cannot keep its users over a restart: give it an aclfile that it may write")
	}
	return err
}

// keep makes the users outlive a restart of the server: in the file of ACLs where there is one, which holds nothing else,
// or in the configuration file, which Redis then writes afresh.
func (r *redisServer) keep(ctx context.Context, c *redis.Client) error {
	file, err := setting(ctx, c, "aclfile")
	if err != nil {
		return err
	}
	r.at("keep users")
	if file != "" {
		err = c.Do(ctx, "ACL", "SAVE").Err()
	} else {
		err = c.ConfigRewrite(ctx).Err()
	}
	if err != nil && strings.HasPrefix(err.Error(), "ERR ") {
		return r.refused(err, "it cannot keep its users over a restart: give it an aclfile that it may write")
	}
	return err
}

// user is what ACL GETUSER says, as far as frama asks.
type user struct {
	there, on, nopass bool
	passwords         []string
	channels          string
}

func (r *redisServer) ours(ctx context.Context, c *redis.Client, g provisioner.Grant) (user, error) {
	u, err := getUser(ctx, c, g.Name)
	if err == nil && u.there && !slices.Contains(strings.Fields(u.channels), "&"+mark(g.Instance)) {
		return u, r.foreign("user", g.Name)
	}
	return u, err
}

func getUser(ctx context.Context, c *redis.Client, name string) (u user, err error) {
	answer, err := c.Do(ctx, "ACL", "GETUSER", name).Result()
	if errors.Is(err, redis.Nil) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	fields := map[string]any{}
	switch answer := answer.(type) {
	case []any:
		for i := 0; i+1 < len(answer); i += 2 {
			fields[fmt.Sprint(answer[i])] = answer[i+1]
		}
	case map[any]any:
		for k, v := range answer {
			fields[fmt.Sprint(k)] = v
		}
	}
	u.there = true
	for _, flag := range texts(fields["flags"]) {
		u.on = u.on || flag == "on"
		u.nopass = u.nopass || flag == "nopass"
	}
	u.passwords = texts(fields["passwords"])
	u.channels = fmt.Sprint(fields["channels"])
	return u, nil
}

func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, item := range list {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

func setUser(ctx context.Context, c *redis.Client, name string, rules []string) error {
	args := []any{"ACL", "SETUSER", name}
	for _, r := range rules {
		args = append(args, r)
	}
	return c.Do(ctx, args...).Err()
}
