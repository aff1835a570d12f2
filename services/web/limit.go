package web

import (
	"net/netip"
	"sync"
	"time"
)

// maxBuckets bounds the memory of a limiter: about 5 MB. An attacker with more addresses than that is not stopped by
// counting addresses.
const maxBuckets = 50_000

// limiter counts attempts per address: a bucket of perMinute tokens that refills evenly over a minute.
type limiter struct {
	perMinute float64
	now       func() time.Time
	mu        sync.Mutex
	buckets   map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(perMinute int, now func() time.Time) *limiter {
	return &limiter{perMinute: float64(perMinute), now: now, buckets: map[string]bucket{}}
}

// take takes one token of ip's bucket. When there is none it returns how long to wait for one.
func (l *limiter) take(ip string) (wait time.Duration, ok bool) {
	if l.perMinute <= 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, key := l.now(), network(ip)
	b, known := l.buckets[key]
	if !known {
		l.makeRoom(now)
		b = bucket{tokens: l.perMinute, at: now}
	}
	b = l.refilled(b, now)
	if b.tokens < 1 {
		l.buckets[key] = b
		return time.Duration((1 - b.tokens) / l.perMinute * float64(time.Minute)), false
	}
	b.tokens--
	l.buckets[key] = b
	return 0, true
}

func (l *limiter) refilled(b bucket, now time.Time) bucket {
	b.tokens = min(l.perMinute, b.tokens+now.Sub(b.at).Minutes()*l.perMinute)
	b.at = now
	return b
}

// makeRoom forgets the full buckets, and all of them when that is not enough.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	for key, b := range l.buckets {
		if l.refilled(b, now).tokens >= l.perMinute {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// network is what one subscriber has: an IPv4 address, or an IPv6 /64.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Is4() {
		return ip
	}
	prefix, _ := addr.WithZone("").Prefix(64)
	return prefix.String()
}
