package usage

// MonthDays is how far back the value of a month ago lies.
const MonthDays = 30

// MonthSlack is for how many days before that a value is looked for where that very day has none.
const MonthSlack = 7

// RollDay adds a complete day of values as read to the chunks of its week and of its month. Doing it again with the same
// values changes nothing.
func RollDay(raw *Chunk, day Day, hours, days *Chunk) {
	firstHour := Hours.Slot(Hours.Start(day), day.Time())
	slotOfDay := Days.Slot(Days.Start(day), day.Time())
	for k := range raw.columns {
		col := &raw.columns[k]
		var all, hour Point
		first, current := true, -1
		for n, has := range col.has {
			if !has {
				continue
			}
			value := col.at[n].Last
			slot := firstHour + int(raw.slots[n])/3600
			if slot != current {
				if current >= 0 {
					hours.Merge(current, col.code, hour)
				}
				current, hour = slot, Point{value, value}
			}
			hour = Point{value, max(hour.Max, value)}
			if first {
				all, first = Point{value, value}, false
			}
			all = Point{value, max(all.Max, value)}
		}
		if current >= 0 {
			hours.Merge(current, col.code, hour)
			days.Merge(slotOfDay, col.code, all)
		}
	}
}

// LastUpTo returns the newest value that a chunk of days has of a metric, between two days, both included.
func (c *Chunk) LastUpTo(start Day, code Code, from, to Day) (value int64, found bool) {
	for slot, p := range c.Points(code) {
		if day := start + Day(slot); day >= from && day <= to {
			value, found = p.Last, true
		}
	}
	return value, found
}
