package mail

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

// Gauge is how a space stands with a limit.
type Gauge struct {
	Metric string `json:"metric"`
	Used   int64  `json:"used"`
	Limit  int64  `json:"limit"` // hosting.Unlimited for none
}

// Share is what one service adds to what a space uses.
type Share struct {
	Title string `json:"title"` // of the application, in the language of the mail
	Value int64  `json:"value"`
}

// EncodeGauges makes the value of ArgGauges: the one that the mail is about first, then the others.
func EncodeGauges(gauges []Gauge) (string, error) { return encode("limits", gauges) }

// EncodeShares makes the value of ArgShares, the largest first.
func EncodeShares(shares []Share) (string, error) { return encode("parts", shares) }

func encode(what string, v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode the %s of a space: %w", what, err)
	}
	return string(text), nil
}

// bar is a line with figures, and how long the bar below it is.
type bar struct {
	Text    string
	Percent int // 0 to 100; -1 for no bar
}

// barLength is how many characters a bar has in plain text.
const barLength = 40

// Plain draws the bar in characters that every mail reader has.
func (b bar) Plain() string {
	text := make([]byte, 0, barLength+2)
	text = append(text, '[')
	for i := range barLength {
		if i*100 < b.Percent*barLength {
			text = append(text, '#')
		} else {
			text = append(text, '.')
		}
	}
	return string(append(text, ']'))
}

// gauges reads ArgGauges. What the mail is about is the first of them.
func (d *draft) gauges() []Gauge {
	var all []Gauge
	if err := json.Unmarshal([]byte(d.mail.Args[ArgGauges]), &all); err != nil {
		d.fail(fmt.Errorf("argument %q: %w", ArgGauges, err))
	} else if len(all) == 0 {
		d.fail(fmt.Errorf("argument %q is empty", ArgGauges))
	}
	if len(all) == 0 {
		return []Gauge{{Metric: hosting.MetricStorage}}
	}
	return all
}

// bars shows how a space stands with its limits.
func (d *draft) bars(gauges []Gauge) {
	var all []bar
	for _, g := range gauges {
		name := capital(d.metric(g.Metric))
		if g.Limit < 0 {
			all = append(all, bar{Text: d.say("quota.unlimited", name, d.amount(g.Metric, g.Used)), Percent: -1})
			continue
		}
		permille := hosting.Quota{Used: g.Used, Limit: g.Limit}.Permille()
		all = append(all, bar{
			Text:    d.say("quota.bar", name, d.amount(g.Metric, g.Used), d.amount(g.Metric, g.Limit), locale.Percent(d.mail.Lang, permille)),
			Percent: min(permille/10, 100),
		})
	}
	d.body.Blocks = append(d.body.Blocks, block{Bars: all})
}

// shares lists what counts, where the mail knows it.
func (d *draft) shares(metric string) {
	text := d.mail.Args[ArgShares]
	if text == "" {
		return
	}
	var all []Share
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		d.fail(fmt.Errorf("argument %q: %w", ArgShares, err))
		return
	}
	var items []string
	for _, s := range all {
		items = append(items, d.say("quota.share", oneLine(s.Title), d.amount(metric, s.Value)))
	}
	if len(items) > 0 {
		d.paragraph("quota.counts")
		d.body.Blocks = append(d.body.Blocks, block{Items: items})
	}
}

// metric is the name of what is counted, in a sentence.
func (d *draft) metric(metric string) string {
	key := "metric." + metric
	if !d.options.Locale.Has("mail." + key) {
		d.fail(fmt.Errorf("there is no word for the metric %q", metric))
	}
	return d.say(key)
}

// amount writes a value of a metric.
func (d *draft) amount(metric string, value int64) string {
	if hosting.ByteMetric(metric) {
		return locale.Bytes(d.mail.Lang, value)
	}
	return locale.Number(d.mail.Lang, value)
}

// date returns an argument that is a day, false where it is missing.
func (d *draft) date(name string) (string, bool) {
	text := d.mail.Args[name]
	if text == "" {
		return "", false
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d.fail(fmt.Errorf("argument %q: %w", name, err))
	}
	return d.options.Locale.Date(d.mail.Lang, t.Local()), true // the day that pages name, too
}

// number returns an argument that is a whole number, false where it is missing.
func (d *draft) number(name string) (int, bool) {
	text := d.mail.Args[name]
	if text == "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		d.fail(fmt.Errorf("argument %q: %w", name, err))
	}
	return n, true
}

// capital makes the first letter a capital one.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}
