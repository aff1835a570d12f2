package measure

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// counting prints how many files a pattern below a folder names. Pattern and folder are words of their own: the shell
// expands the pattern as a pattern, and nothing in it as a command.
const counting = `cd "$1" || exit 3
IFS=
set -- $2
if [ $# -eq 1 ] && [ ! -e "$1" ] && [ ! -L "$1" ]; then echo 0; else echo $#; fi`

// volume measures the bytes in the instance's volume, as its disk counts them: in whole blocks.
func (l *look) volume(ctx context.Context) error {
	if l.Volume == "" {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	var err error
	if l.task, l.path, err = l.Cluster.VolumePath(limited, l.Job, l.Volume); err != nil {
		return outage(err)
	}
	if l.path == "" {
		return nil // it keeps nothing, or does not run yet
	}
	return l.read(ctx, hosting.MetricVolumeBytes, l.diskUsage)
}

// diskUsage asks du in the task. Files that vanish while it counts are the life of every database.
func (l *look) diskUsage(ctx context.Context) (string, error) {
	code, output, err := l.exec(ctx, l.task, []string{"env", "LC_ALL=C"}, []string{"du", "-sk", l.path})
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(output) {
		if strings.Contains(line, "ermission denied") && !strings.Contains(line, "lost+found") {
			return "", &lie{fmt.Sprintf("task %s may not read all of its volume, so that the sum would be too small: let the "+
				"application run as who owns it", l.task), line}
		}
	}
	found := total.FindAllStringSubmatch(output, -1)
	if len(found) == 0 {
		return "", &lie{fmt.Sprintf("du in task %s ended with status %d and gave no sum", l.task, code), output}
	}
	kib, err := strconv.ParseInt(found[len(found)-1][1], 10, 64)
	if err != nil || kib > most>>10 {
		return "", errors.New(absurd(found[len(found)-1][1] + " KiB"))
	}
	return strconv.FormatInt(kib<<10, 10), nil
}

var total = regexp.MustCompile(`(?m)^([0-9]+)[ \t]+/`)

// files counts the files of the volume that a pattern names.
func (l *look) files(ctx context.Context, pattern string) (string, error) {
	if l.path == "" {
		return "", fmt.Errorf("no task of job %s has the volume %s: the instance was never placed, or its job lost the volume", l.Job, l.Volume)
	}
	return l.number(ctx, l.task, []string{"sh", "-c", counting, "sh", l.path, pattern})
}

// number is the only thing that a command prints.
func (l *look) number(ctx context.Context, task string, command []string) (string, error) {
	code, output, err := l.exec(ctx, task, nil, command)
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", &lie{fmt.Sprintf("the command in task %s ended with status %d", task, code), output}
	}
	return output, nil
}

// slack is how long a command that was ended has to say so.
const slack = time.Second

// exec runs a command in a task, under a time limit that is kept there: when frama goes away, Nomad leaves the command
// running. before are words to go before the limit.
func (l *look) exec(ctx context.Context, task string, before, command []string) (code int, output string, err error) {
	deadline, _ := ctx.Deadline()
	within := max(int((time.Until(deadline) - slack).Seconds()), 1)
	words := append(append(before[:len(before):len(before)], "timeout", "-s", "KILL", strconv.Itoa(within)), command...)
	code, output, err = l.Cluster.Exec(ctx, l.Job, task, words)
	switch {
	case err != nil && ctx.Err() != nil, err == nil && code == killed:
		return 0, "", fmt.Errorf("the command in task %s did not end within %ds: make it cheaper, or raise usage.timeout", task, within)
	case err == nil && (code == 126 || code == 127):
		return 0, "", &lie{fmt.Sprintf("a command is missing in task %s, or may not be run (status %d): it takes timeout and %s", task, code, command[0]), output}
	}
	return code, output, err
}

// killed is the status of what timeout ended: 128 and the number of the signal.
const killed = 137
