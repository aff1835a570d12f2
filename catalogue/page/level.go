package page

// Level is a step of quality. One is earned by a run, and needs all below it.
type Level struct {
	Name    string // in a word or two
	Meaning string // in plain words
}

// Levels lists the levels by number.
func Levels() []Level {
	return []Level{
		{"nothing", "Nothing yet, or the application was refused."},
		{"accepted", "What is written about the application is complete and consistent, and a real cluster would take its job in the " +
			"smallest and in the largest plan. Nothing was started."},
		{"installs", "It was installed the way frama installs it for an association, and is healthy."},
		{"works", "It answers over HTTPS under its own name with a certificate. Somebody wrote something in it (a pad, a poll, a page…) " +
			"and read it back."},
		{"lasts", "What was written was still there after the application was restarted."},
		{"repeatable", "Installing it a second time changed nothing. And when its job was removed and made again, what was written was " +
			"still there."},
		{"leaves nothing", "After it was deleted, nothing was left of it: no job, no password, no file, no database, no address."},
		{"suspends", "It can be closed for a while and opened again. Not tried yet: this comes with suspension."},
		{"upgrades", "It goes from the version before to this one with its data. Not tried yet: this comes with upgrades."},
	}
}
