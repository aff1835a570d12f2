package usage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
)

// paper is a ledger on paper, of n instances.
type paper struct {
	mu      sync.Mutex
	next    map[string]time.Time // by instance; one that is missing has no series yet
	order   []string
	now     func() time.Time
	claims  int
	refuses error
}

func newPaper(n int, now func() time.Time) *paper {
	p := &paper{next: map[string]time.Time{}, now: now}
	for i := range n {
		p.order = append(p.order, fmt.Sprintf("i%05d", i))
	}
	return p
}

func (p *paper) AddMissing(_ context.Context, first func(int) time.Time, limit int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, id := range p.order {
		if _, known := p.next[id]; !known && n < limit {
			p.next[id] = first(n)
			n++
		}
	}
	return n, p.refuses
}

func (p *paper) Claim(_ context.Context, limit int, next func(Due) time.Time) ([]Due, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []Due
	for n, id := range p.order {
		if at := p.next[id]; !at.After(p.now()) {
			due = append(due, Due{Series: int64(n), NextAt: at, Instance: hosting.Instance{ID: id, SpaceID: "s", Job: id}})
		}
	}
	slices.SortStableFunc(due, func(a, b Due) int { return a.NextAt.Compare(b.NextAt) })
	due = due[:min(limit, len(due))]
	for n := range due {
		due[n].NextAt = next(due[n])
		p.next[due[n].Instance.ID] = due[n].NextAt
	}
	p.claims += len(due)
	return due, p.refuses
}

func (p *paper) PutBack(_ context.Context, due []Due, at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range due {
		if p.next[d.Instance.ID].Equal(d.NextAt) {
			p.next[d.Instance.ID] = at
		}
	}
	return nil
}

// due makes all instances due now, in their order.
func (p *paper) due() {
	for n, id := range p.order {
		p.next[id] = p.now().Add(-time.Hour + time.Duration(n)*time.Millisecond)
	}
}

// book is where measurements go.
type book struct {
	mu      sync.Mutex
	seen    map[string]int
	batches []int
	refuse  func(ms []hosting.Measurement) error
}

func (b *book) record(ctx context.Context, ms []hosting.Measurement) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(ms); err != nil {
			return err
		}
	}
	if b.seen == nil {
		b.seen = map[string]int{}
	}
	for _, m := range ms {
		b.seen[m.InstanceID]++
	}
	b.batches = append(b.batches, len(ms))
	return nil
}

func measured(_ context.Context, i hosting.Instance) (hosting.Measurement, error) {
	return hosting.Measurement{InstanceID: i.ID, SpaceID: i.SpaceID, Readings: []hosting.Reading{{Metric: "pads", Value: 1}}}, nil
}

func sweeper(p *paper, b *book) *Sweeper {
	return &Sweeper{Ledger: p, Measure: measured, Record: b.record, Every: time.Hour, Concurrency: 4, Within: time.Second, Now: p.now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func clock() func() time.Time {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return func() time.Time { return at }
}

// TestSweep: everybody is measured once, however many sweepers there are, and planned again in its time, give or take a
// tenth.
func TestSweep(t *testing.T) {
	now := clock()
	p, b := newPaper(2000, now), &book{}
	p.due()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := sweeper(p, b).Once(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, id := range p.order {
		wait := p.next[id].Sub(now())
		if b.seen[id] != 1 || wait < 54*time.Minute || wait > 66*time.Minute {
			t.Errorf("%s was measured %d times and is due in %s", id, b.seen[id], wait)
		}
	}
	if most := slices.Max(b.batches); most > batch {
		t.Errorf("batches of up to %d", most)
	}
	if len(b.batches) > 2000/batch+3*2 {
		t.Errorf("%d batches", len(b.batches))
	}
}

// TestFirstLooksAreSpread: a few at once, the rest over the time between two looks.
func TestFirstLooksAreSpread(t *testing.T) {
	now := clock()
	p, b := newPaper(3000, now), &book{}
	if err := sweeper(p, b).begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	var quarters [4]int
	for _, at := range p.next {
		wait := at.Sub(now())
		if wait < 0 || wait >= time.Hour {
			t.Fatal("due in", wait)
		}
		quarters[int(wait/(15*time.Minute))]++
	}
	if len(p.next) != 3000 || slices.Min(quarters[:]) < 600 {
		t.Errorf("%d planned, by quarter of an hour: %v", len(p.next), quarters)
	}
	few := newPaper(3, now)
	if swept, err := sweeper(few, b).Once(t.Context()); err != nil || swept.Measured != 3 {
		t.Errorf("a new space waits for its first figures: %+v, %v", swept, err)
	}
}

// TestConcurrency: no more at once than allowed, and as many.
func TestConcurrency(t *testing.T) {
	p, b := newPaper(60, clock()), &book{}
	p.due()
	s := sweeper(p, b)
	var mu sync.Mutex
	running, highest := 0, 0
	s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		mu.Lock()
		running++
		highest = max(highest, running)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return measured(ctx, i)
	}
	if _, err := s.Once(t.Context()); err != nil || highest != 4 || len(b.seen) != 60 {
		t.Errorf("%d at once, %d measured, %v", highest, len(b.seen), err)
	}
}

// TestFairOrder: the longest overdue first.
func TestFairOrder(t *testing.T) {
	p, b := newPaper(500, clock()), &book{}
	p.due()
	s := sweeper(p, b)
	s.Concurrency = 1
	var order []string
	s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		order = append(order, i.ID)
		return measured(ctx, i)
	}
	if _, err := s.Once(t.Context()); err != nil || !slices.Equal(order, p.order) {
		t.Error(err, order[:min(10, len(order))])
	}
}

// TestOutage: the cluster stops answering. What was found is kept, the rest is put back and nobody is to blame.
func TestOutage(t *testing.T) {
	now := clock()
	p, b := newPaper(1000, now), &book{}
	p.due()
	s := sweeper(p, b)
	down := errors.New("Nomad does not answer")
	var mu sync.Mutex
	looks := 0
	s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		mu.Lock()
		defer mu.Unlock()
		if looks++; looks > 300 {
			return hosting.Measurement{}, down
		}
		return measured(ctx, i)
	}
	swept, err := s.Once(t.Context())
	if !errors.Is(err, down) || swept.Measured != 300 || swept.Lost != 0 || len(b.seen) != 300 || looks > 304 {
		t.Errorf("%+v, %v; %d recorded of %d looks", swept, err, len(b.seen), looks)
	}
	for _, id := range p.order {
		wait := p.next[id].Sub(now())
		if b.seen[id] == 1 && wait < 54*time.Minute || b.seen[id] == 0 && wait > pause {
			t.Errorf("%s, measured %d times, is due in %s", id, b.seen[id], wait)
		}
	}
	// Once it answers again, the others are measured.
	s.Measure = measured
	later := now().Add(2 * time.Minute)
	p.now = func() time.Time { return later }
	s.Now = p.now
	if swept, err := s.Once(t.Context()); err != nil || swept.Measured != 700 {
		t.Errorf("%+v, %v", swept, err)
	}
}

// TestOneInstanceOutOfReach: the cluster answers for all instances but one, whose variable it cannot read any more. The others
// are measured all the same, though they are slower and their turn comes later.
func TestOneInstanceOutOfReach(t *testing.T) {
	at := clock()()
	p, b := newPaper(50, func() time.Time { return at }), &book{}
	p.due()
	for range 3 {
		s := sweeper(p, b)
		s.Concurrency = 8
		s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
			if i.ID == p.order[0] {
				return hosting.Measurement{}, errors.New("its variable cannot be decrypted")
			}
			select {
			case <-ctx.Done():
				return hosting.Measurement{}, ctx.Err()
			case <-time.After(time.Millisecond):
				return measured(ctx, i)
			}
		}
		if _, err := s.Once(t.Context()); err == nil {
			t.Error("nobody is told")
		}
		at = at.Add(pause)
	}
	if len(b.seen) != 49 {
		t.Errorf("%d of 49 were measured", len(b.seen))
	}
}

// TestSlowInstance: one that takes all the time there is ends no sweep.
func TestSlowInstance(t *testing.T) {
	p, b := newPaper(20, clock()), &book{}
	p.due()
	s := sweeper(p, b)
	s.Within = 20 * time.Millisecond
	s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		if i.ID == p.order[3] {
			<-ctx.Done()
			return hosting.Measurement{}, ctx.Err()
		}
		return measured(context.WithoutCancel(ctx), i)
	}
	if swept, err := s.Once(t.Context()); err != nil || swept.Measured != 19 || swept.Lost != 1 {
		t.Errorf("%+v, %v", swept, err)
	}
}

// TestStop: frama is asked to stop. What was found is recorded, and who was claimed is due at once for the next one.
func TestStop(t *testing.T) {
	p, b := newPaper(1000, clock()), &book{}
	p.due()
	s := sweeper(p, b)
	ctx, stop := context.WithCancel(t.Context())
	var once sync.Once
	s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		if i.ID > "i00400" {
			once.Do(stop)
			<-ctx.Done()
			return hosting.Measurement{}, ctx.Err()
		}
		return measured(ctx, i)
	}
	if _, err := s.Once(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, id := range p.order {
		if due := !p.next[id].After(p.now()); due == (b.seen[id] == 1) {
			t.Errorf("%s: measured %d times, due %v", id, b.seen[id], due)
		}
	}
}

// TestBreakdowns: a look that panics, one that never ends and one of somebody else cost no other.
func TestBreakdowns(t *testing.T) {
	p, b := newPaper(100, clock()), &book{}
	p.due()
	s := sweeper(p, b)
	s.Within = 20 * time.Millisecond
	s.Slow = 20 * time.Millisecond
	ever := make(chan struct{})
	defer close(ever)
	s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		switch i.ID {
		case "i00003":
			panic("nil map")
		case "i00004":
			<-ever
		case "i00005":
			i.ID = "i00006"
		}
		return measured(ctx, i)
	}
	swept, err := s.Once(t.Context())
	if err != nil || swept.Measured != 97 || swept.Lost != 3 || b.seen["i00006"] != 1 {
		t.Errorf("%+v, %v", swept, err)
	}
}

// TestUnrecordable: one measurement that cannot be kept costs no other; when none can be kept, the sweep ends.
func TestUnrecordable(t *testing.T) {
	p, b := newPaper(300, clock()), &book{}
	p.due()
	b.refuse = func(ms []hosting.Measurement) error {
		if slices.ContainsFunc(ms, func(m hosting.Measurement) bool { return m.InstanceID == "i00033" }) {
			return errors.New("no such instance")
		}
		return nil
	}
	if swept, err := sweeper(p, b).Once(t.Context()); err != nil || swept.Measured != 299 || swept.Lost != 1 || len(b.seen) != 299 {
		t.Errorf("%+v, %v", swept, err)
	}
	p, b = newPaper(5000, clock()), &book{refuse: func([]hosting.Measurement) error { return errors.New("the disk is full") }}
	p.due()
	swept, err := sweeper(p, b).Once(t.Context())
	if err == nil || swept.Measured != 0 || swept.Lost > 3*batch || len(b.seen) != 0 {
		t.Errorf("%+v, %v", swept, err)
	}
	p.refuses = errors.New("the database is away")
	if _, err := sweeper(p, b).Once(t.Context()); !errors.Is(err, p.refuses) {
		t.Error(err)
	}
}

// TestRun measures again and again until it is stopped.
func TestRun(t *testing.T) {
	p, b := newPaper(10, time.Now), &book{}
	s := sweeper(p, b)
	s.Every = 50 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b.mu.Lock()
		least := 100
		for _, id := range p.order {
			least = min(least, b.seen[id])
		}
		b.mu.Unlock()
		if least >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("after 20 s somebody was measured", least, "times")
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestNobodyIsForgotten: under any mixture of outages, stops and sweepers at once, nobody is measured more often than
// claimed, and whoever was not measured is due again within a minute.
func TestNobodyIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		p, b := newPaper(rapid.IntRange(1, 600).Draw(t, "instances"), func() time.Time { return at }), &book{}
		p.due()
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			s := sweeper(p, b)
			s.Concurrency = rapid.IntRange(1, 8).Draw(t, "concurrency")
			ends := rapid.IntRange(0, 700).Draw(t, "looks until the end")
			cancels := rapid.Bool().Draw(t, "by stopping frama")
			ctx, stop := context.WithCancel(context.Background())
			var mu sync.Mutex
			looks := 0
			s.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
				mu.Lock()
				defer mu.Unlock()
				if looks++; looks > ends {
					if cancels {
						stop()
						return hosting.Measurement{}, context.Canceled
					}
					return hosting.Measurement{}, errors.New("down")
				}
				return measured(ctx, i)
			}
			before := len(b.seen)
			swept, _ := s.Once(ctx)
			stop()
			if len(b.seen)-before != swept.Measured {
				t.Fatalf("%+v, and %d were recorded", swept, len(b.seen)-before)
			}
			for _, id := range p.order {
				if b.seen[id] > 1 || b.seen[id] == 0 && p.next[id].After(at.Add(pause)) {
					t.Fatalf("%s was measured %d times and is due at %s", id, b.seen[id], p.next[id])
				}
			}
			at = at.Add(pause)
		}
	})
}
