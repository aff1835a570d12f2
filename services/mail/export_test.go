package mail

// Schedule is tested on its own: its five days are too long to wait for.
var Schedule = schedule
