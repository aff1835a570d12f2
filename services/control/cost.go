package control

import (
	"cmp"
	"context"
	"slices"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// CostView is what the spaces cost, a month.
type CostView struct {
	Currency string
	Total    float64 // all of it
	Servers  float64
	People   float64
	Other    float64
	Spaces   []SpaceCost // the dearest first, at most 200
	Count    int         // spaces that share the cost
	Accounts int64       // measured in all
	Suite    float64     // what as many accounts would cost in a commercial suite; 0 where its price is not given
	KWh      float64     // a month; 0 where the power is not known
	KgCO2    float64
	Known    bool // the host entered figures
}

// SpaceCost is a space's share, by what it reserves of memory and disk, half each. What the host's own shared spaces reserve
// is borne by all in equal parts.
type SpaceCost struct {
	Space    hosting.Space
	Share    float64 // of all, 0 to 1
	Amount   float64
	Accounts int64 // -1 where nothing counts them
	Suite    float64
	KWh      float64
}

// Cost is what the host pays, see the configuration.
type Cost struct {
	Currency                                   string
	Servers, Hours, HourRate, Other, SeatPrice float64
	Watts, GramsPerKWh                         float64
}

const (
	maxCosts      = 200          // spaces that a view names
	hoursPerMonth = 365.25 * 2.0 // 24 hours a day, a twelfth of a year
)

// Costs returns what the spaces cost.
func (c *Control) Costs(ctx context.Context, actor hosting.Actor) (v CostView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return v, err
	}
	var spaces []store.SpaceShare
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		spaces, err = tx.SpaceShares()
		return err
	})
	return costs(c.options.Cost, spaces), failure(err)
}

// costs shares what the host pays among the spaces of associations.
func costs(cost Cost, spaces []store.SpaceShare) CostView {
	v := CostView{
		Currency: cost.Currency, Servers: cost.Servers, People: cost.Hours * cost.HourRate, Other: cost.Other,
		KWh: cost.Watts * hoursPerMonth / 1000,
	}
	v.Total = v.Servers + v.People + v.Other
	v.KgCO2 = v.KWh * cost.GramsPerKWh / 1000
	v.Known = v.Total > 0 || cost.Hours > 0 || cost.SeatPrice > 0 || v.KWh > 0
	of := shares(spaces)
	for i, s := range spaces {
		if s.Space.Shared {
			continue
		}
		one := SpaceCost{Space: s.Space, Share: of[i], Amount: of[i] * v.Total, Accounts: s.Accounts, KWh: of[i] * v.KWh}
		if s.Accounts > 0 {
			one.Suite = float64(s.Accounts) * cost.SeatPrice
			v.Accounts += s.Accounts
		}
		v.Spaces = append(v.Spaces, one)
	}
	v.Suite, v.Count = float64(v.Accounts)*cost.SeatPrice, len(v.Spaces)
	slices.SortStableFunc(v.Spaces, func(a, b SpaceCost) int { return cmp.Compare(b.Share, a.Share) })
	v.Spaces = v.Spaces[:min(len(v.Spaces), maxCosts)]
	return v
}

// shares returns each space's part of all, 0 for the host's own; together they are 1 where there is any. A resource that
// nobody reserves leaves its half to the other.
func shares(spaces []store.SpaceShare) []float64 {
	out := make([]float64, len(spaces))
	bearers, memory, disk := 0, 0, 0
	for _, s := range spaces {
		memory, disk = memory+s.Reserved.Memory, disk+s.Reserved.Disk
		if !s.Space.Shared {
			bearers++
		}
	}
	if bearers == 0 {
		return out
	}
	own := 0.0
	for i, s := range spaces {
		if !s.Space.Shared {
			out[i] = part(s.Reserved.Memory, memory, s.Reserved.Disk, disk)
			own += out[i]
		}
	}
	for i, s := range spaces {
		if !s.Space.Shared {
			out[i] += (1 - own) / float64(bearers)
		}
	}
	return out
}

func part(memory, allMemory, disk, allDisk int) float64 {
	switch {
	case allMemory > 0 && allDisk > 0:
		return float64(memory)/float64(allMemory)/2 + float64(disk)/float64(allDisk)/2
	case allMemory > 0:
		return float64(memory) / float64(allMemory)
	case allDisk > 0:
		return float64(disk) / float64(allDisk)
	}
	return 0
}
