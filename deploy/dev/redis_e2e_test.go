//go:build e2e

package dev

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func startRedisOf(t *testing.T, o RedisOptions) *Redis {
	t.Helper()
	began := time.Now()
	r, err := StartRedis(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	t.Logf("Redis ready after %s", time.Since(began).Round(time.Millisecond))
	return r
}

func openRedis(t *testing.T, r *Redis, user, password string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: r.Address(), Username: user, Password: password, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRedisAnswersAndKeepsDataAndAccounts(t *testing.T) {
	ctx := t.Context()
	o := RedisOptions{Data: t.TempDir()}
	r := startRedisOf(t, o)
	admin := openRedis(t, r, r.User, r.Password)
	if err := admin.Do(ctx, "ACL", "SETUSER", "one", "on", ">secret", "~one:*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Do(ctx, "ACL", "SAVE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := openRedis(t, r, "one", "secret").Set(ctx, "one:kept", 42, 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Stop()

	again := startRedisOf(t, o)
	if again.Password != r.Password || again.Port != r.Port {
		t.Error("password and port changed over a restart")
	}
	one := openRedis(t, again, "one", "secret")
	if n, err := one.Get(ctx, "one:kept").Int(); err != nil || n != 42 {
		t.Errorf("after a restart: %d, %v, want 42", n, err)
	}
	if err := one.Get(ctx, "two:kept").Err(); err == nil || err == redis.Nil {
		t.Errorf("an account reads keys of others: %v", err)
	}
	for key, want := range map[string]string{"appendonly": "yes", "maxmemory-policy": "noeviction"} {
		got, err := openRedis(t, again, r.User, r.Password).ConfigGet(ctx, key).Result()
		if err != nil || got[key] != want {
			t.Errorf("%s: %q, %v, want %q", key, got[key], err, want)
		}
	}
	if err := openRedis(t, again, "", "").Ping(ctx).Err(); err == nil {
		t.Error("Redis answers without a password")
	}
}
