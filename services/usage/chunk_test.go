package usage_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/usage"
)

// table is what a chunk has, told apart in the simplest way.
type table map[usage.Code]map[int]usage.Point

func tableOf(c *usage.Chunk) table {
	t := table{}
	for _, code := range c.Codes() {
		t[code] = map[int]usage.Point{}
		for slot, p := range c.Points(code) {
			t[code][slot] = p
		}
	}
	return t
}

func (t table) put(slot int, code usage.Code, p usage.Point) {
	if t[code] == nil {
		t[code] = map[int]usage.Point{}
	}
	t[code][slot] = p
}

func decoded(t rapid.TB, data []byte) *usage.Chunk {
	var c usage.Chunk
	if err := c.Decode(data); err != nil {
		t.Fatalf("%x: %v", data, err)
	}
	return &c
}

// values draws what is usual, what hardly changes and what is extreme.
func values() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Just(int64(7)), rapid.Int64Range(0, 100), rapid.Int64Range(0, 1<<45), rapid.Int64(),
		rapid.SampledFrom([]int64{0, math.MaxInt64, math.MinInt64, -1}))
}

// What is put into a chunk, in any order, is what is read back, whether the bytes are written once or after each point.
func TestChunksKeepWhatIsPut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.SampledFrom([]int{30, 167, 24*60*60 - 1}).Draw(t, "last slot")
		var c usage.Chunk
		want := table{}
		for range rapid.IntRange(0, 120).Draw(t, "points") {
			slot, code := rapid.IntRange(0, last).Draw(t, "slot"), usage.Code(rapid.IntRange(1, 40).Draw(t, "code"))
			p := usage.Point{Last: values().Draw(t, "value")}
			p.Max = p.Last
			if rapid.Bool().Draw(t, "merge") {
				p.Max = max(p.Last, values().Draw(t, "max"))
				c.Merge(slot, code, p)
				if had, ok := want[code][slot]; ok {
					p.Max = max(p.Max, had.Max)
				}
			} else {
				c.Put(slot, code, p.Last)
			}
			want.put(slot, code, p)
			if rapid.Bool().Draw(t, "store it") {
				c = *decoded(t, c.Append(nil))
			}
		}
		data := c.Append([]byte("before"))[len("before"):]
		if got := tableOf(decoded(t, data)); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v\nwant %v", got, want)
		}
		for code, points := range want {
			var one usage.Chunk
			if err := one.DecodeOnly(data, code); err != nil || !reflect.DeepEqual(tableOf(&one), table{code: points}) {
				t.Fatalf("metric %d alone: %v, %v", code, tableOf(&one), err)
			}
		}
	})
}

// A chunk whose memory is used again has nothing of what was in it before.
func TestChunksForget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var used usage.Chunk
		for range 3 {
			var fresh usage.Chunk
			used.Reset()
			for range rapid.IntRange(0, 30).Draw(t, "points") {
				slot, code, v := rapid.IntRange(0, 40).Draw(t, "slot"), usage.Code(rapid.IntRange(1, 6).Draw(t, "code")), values().Draw(t, "value")
				fresh.Put(slot, code, v)
				used.Put(slot, code, v)
			}
			data := fresh.Append(nil)
			if !slices.Equal(used.Append(nil), data) {
				t.Fatalf("got %v, want %v", tableOf(&used), tableOf(&fresh))
			}
			if err := used.Decode(data); err != nil || !reflect.DeepEqual(tableOf(&used), tableOf(&fresh)) {
				t.Fatalf("got %v, want %v (%v)", tableOf(&used), tableOf(&fresh), err)
			}
		}
	})
}

// Whatever the bytes are, reading them ends, with an error or with a chunk that can be written and read again.
func TestBytesThatAreNoChunk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c usage.Chunk
		for range rapid.IntRange(0, 60).Draw(t, "points") {
			c.Put(rapid.IntRange(0, 200).Draw(t, "slot"), usage.Code(rapid.IntRange(1, 10).Draw(t, "code")), values().Draw(t, "value"))
		}
		data := c.Append(nil)
		switch rapid.IntRange(0, 3).Draw(t, "harm") {
		case 0:
			data = data[:rapid.IntRange(0, len(data)-1).Draw(t, "cut")]
			if err := new(usage.Chunk).Decode(data); err == nil && len(tableOf(decoded(t, data))) == len(tableOf(&c)) && len(tableOf(&c)) > 0 {
				t.Fatal("a chunk that was cut is complete")
			}
		case 1:
			data = slices.Concat(data, rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "more"))
		case 2:
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				data[rapid.IntRange(0, len(data)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
			}
		case 3:
			data = append([]byte{1}, rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "anything")...)
		}
		readable(t, data)
	})
}

func FuzzDecode(f *testing.F) {
	var c usage.Chunk
	f.Add(c.Append(nil))
	for n := range 40 {
		c.Put(n*3, 1, int64(n))
		c.Merge(n*7, 2, usage.Point{Last: 5, Max: int64(n)})
	}
	f.Add(c.Append(nil))
	f.Add([]byte{1, 0x80, 0xa3, 0x05, 0x81, 0xc6, 0x0a, 1, 4, 0, 0x81, 0xc6, 0x0a}) // as many slots as a day has seconds
	f.Fuzz(func(t *testing.T, data []byte) { readable(t, data) })
}

func readable(t rapid.TB, data []byte) {
	var c usage.Chunk
	if err := c.Decode(data); err != nil {
		if !c.Empty() {
			t.Fatal("something is left after an error")
		}
		return
	}
	if got, want := tableOf(decoded(t, c.Append(nil))), tableOf(&c); !sameTable(got, want) {
		t.Fatalf("%x is read as %v, and as %v once written again", data, want, got)
	}
	for _, code := range c.Codes() {
		if err := new(usage.Chunk).DecodeOnly(data, code); err != nil {
			t.Fatal(err)
		}
	}
}

// sameTable compares what metrics have; one without any point is as good as none.
func sameTable(a, b table) bool {
	for _, t := range []table{a, b} {
		for code, points := range t {
			if !reflect.DeepEqual(a[code], b[code]) && len(points) > 0 {
				return false
			}
		}
	}
	return true
}

// Bytes that claim to be much are refused before they take memory.
func TestChunksStaySmall(t *testing.T) {
	data := []byte{1, 0x80, 0xa3, 0x05, 0x81, 0xc6, 0x0a} // 86 400 slots in a row
	if err := new(usage.Chunk).Decode(data); err != nil {
		t.Fatalf("a slot for each second: %v", err)
	}
	for code := range 100 {
		data = append(data, byte(code+1), 4, 0, 0x81, 0xc6, 0x0a)
	}
	if err := new(usage.Chunk).Decode(data); err == nil {
		t.Fatal("8 640 000 points in one chunk")
	}
}

// What does not change takes next to nothing, and differences take what they need.
func TestChunksAreSmall(t *testing.T) {
	size := func(metrics, points int, value func(metric, n int) int64) int {
		var c usage.Chunk
		for m := range metrics {
			for n := range points {
				c.Put(n, usage.Code(m+1), value(m, n))
			}
		}
		return len(c.Append(nil))
	}
	for _, c := range []struct {
		name            string
		metrics, points int
		value           func(m, n int) int64
		most            int // bytes
	}{
		{"a month of nothing new", 10, 31, func(m, _ int) int64 { return int64(m) * 1000 }, 3 + 10*7},
		{"one more every day", 10, 31, func(_, n int) int64 { return int64(n) }, 3 + 10*35},
		{"megabytes more every day", 1, 31, func(_, n int) int64 { return 1<<35 + int64(n)<<20 }, 3 + 3 + 6 + 30*4},
		{"a week of hours that never change", 6, 168, func(m, _ int) int64 { return int64(m) }, 4 + 6*7},
	} {
		if got := size(c.metrics, c.points, c.value); got > c.most {
			t.Errorf("%s: %d bytes, want at most %d", c.name, got, c.most)
		}
	}
}

// Mistakes that no chunk of frama's has, one by one.
func TestChunksWithMistakes(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":                      {},
		"another format":               {2, 0},
		"more slots than a day has":    {1, 0x81, 0xa3, 0x05, 0x83, 0xc6, 0x0a},
		"slots end too early":          {1, 3, 0x05},
		"a run of slots that goes on":  {1, 1, 0x05},
		"a run of none":                {1, 1, 0x01},
		"a slot beyond the day":        {1, 1, 0x80, 0x8c, 0x15},
		"a slot twice":                 {1, 2, 0x00, 0x02},
		"slots that go back":           {1, 2, 0x0a, 0x0e},
		"a token in too many bytes":    {1, 1, 0x80, 0x00},
		"a token of more than 64 bits": {1, 1, 0x03, 2, 11, 0, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x04},
		"metric 0":                     {1, 1, 0x03, 0, 2, 0, 0x04},
		"metrics in disorder":          {1, 1, 0x03, 3, 2, 0, 0x04, 2, 2, 0, 0x04},
		"a metric twice":               {1, 1, 0x03, 3, 2, 0, 0x04, 3, 2, 0, 0x04},
		"a metric cut":                 {1, 1, 0x03, 3, 5, 0, 0x04},
		"no flags":                     {1, 1, 0x03, 3, 0},
		"flags that mean nothing":      {1, 1, 0x03, 3, 2, 4, 0x04},
		"a bitmap beyond the slots":    {1, 1, 0x03, 3, 3, 1, 0x02, 0x04},
		"a bitmap cut":                 {1, 1, 0x03, 3, 1, 1},
		"values missing":               {1, 2, 0x05, 3, 2, 0, 0x04},
		"a run of values that goes on": {1, 2, 0x05, 3, 2, 0, 0x07},
		"bytes after the values":       {1, 1, 0x03, 3, 3, 0, 0x04, 0x04},
		"no largest values":            {1, 1, 0x03, 3, 2, 2, 0x04},
	} {
		var c usage.Chunk
		if err := c.Decode(data); err == nil {
			t.Errorf("%s: read as %v", name, tableOf(&c))
		} else if !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
