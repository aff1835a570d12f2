package catalogue

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The rules of jobs that lint (here, on the syntax tree, with places) and the policy of provisioner/nomad (there, on the
// parsed job, before it runs) have in common. What is not known to be harmless is refused.

// Drivers lists the task drivers of applications: containers.
func Drivers() []string { return []string{"docker"} }

// DevelopmentDrivers lists those that tests of frama itself use beside: plain processes, which start in a moment, and what
// stands in for whole machines.
func DevelopmentDrivers() []string { return append(Drivers(), "exec", "raw_exec", "mock_driver") }

// Problem is what is wrong with the config block of a task.
type Problem struct {
	Key    string // of the block
	At     int    // which of several blocks of that key, from 0
	Option string // of that block, or empty
	Reason string
}

// harmless are keys of the docker driver that do not reach beyond the container.
var harmless = strings.Fields(`args command dns_options dns_search_domains dns_servers entrypoint force_pull healthchecks
	hostname image_pull_timeout init interactive labels ports readonly_rootfs shm_size stop_signal tty
	cap_drop pids_limit ulimit work_dir oom_score_adj`)

// dangers say why the best known other keys are refused.
var dangers = map[string]string{
	"privileged":          "a privileged container is root on the node",
	"cap_add":             "cap_add gives rights over the node: name what the application needs in capabilities of the manifest",
	"volumes":             "volumes mount paths of the node: use volume_mount",
	"volume_driver":       "volume drivers reach beyond the container",
	"devices":             "devices of the node are not available to instances",
	"network_mode":        "network_mode takes the container out of its own network: frama sets it, from egress in the manifest",
	"pid_mode":            "pid_mode shares the node's processes",
	"ipc_mode":            "ipc_mode shares the node's memory",
	"uts_mode":            "uts_mode shares the node's host name",
	"userns_mode":         "userns_mode takes the container out of its user namespace",
	"cgroupns":            "cgroupns shares the node's control groups",
	"security_opt":        "security_opt can switch confinement off: frama sets it",
	"sysctl":              "sysctl changes the kernel",
	"runtime":             "the runtime is the host's to choose",
	"auth":                "credentials of a registry do not belong in a job",
	"auth_soft_fail":      "credentials of a registry do not belong in a job",
	"logging":             "logging sends what users do elsewhere",
	"extra_hosts":         "extra_hosts can point known names elsewhere",
	"load":                "load runs an image that nobody pinned",
	"storage_opt":         "storage_opt changes the node's storage",
	"cgroup_parent":       "cgroup_parent escapes the limits of resources",
	"memory_hard_limit":   "memory_hard_limit escapes what the instance reserved: use memory_max",
	"cpu_hard_limit":      "cpu_hard_limit is not used here",
	"group_add":           "group_add gives rights over the node's files",
	"isolation":           "isolation is not the catalogue's to choose",
	"advertise_ipv6_addr": "addresses are not the catalogue's to choose",
}

// DriverProblems says what is wrong with the config of a task of the driver.
func DriverProblems(driver string, config map[string]any) []Problem {
	switch driver {
	case "docker":
		return dockerProblems(config)
	case "exec":
		return execProblems(config)
	}
	return nil
}

func dockerProblems(config map[string]any) []Problem {
	var found []Problem
	refuse := func(key, reason string) { found = append(found, Problem{Key: key, Reason: reason}) }
	for key, value := range config {
		switch {
		case key == "image":
			if problem := ImageProblem(value); problem != "" {
				refuse(key, problem)
			}
		case key == "mount" || key == "mounts":
			found = append(found, mountProblems(key, value)...)
		case slices.Contains(harmless, key) || isEmpty(value):
		case key == "network_mode" && value == "none": // for tasks that need no network; all else is frama's to set
		case dangers[key] != "":
			refuse(key, dangers[key])
		default:
			refuse(key, key+" is not known to be harmless")
		}
	}
	if config["image"] == nil {
		refuse("image", "there is no image")
	}
	return found
}

// execProblems knows the keys of the exec driver that give no more than the driver itself does.
func execProblems(config map[string]any) []Problem {
	var found []Problem
	for key, value := range config {
		reason := ""
		switch key {
		case "command", "args", "cap_drop", "no_new_privileges", "work_dir":
		case "pid_mode", "ipc_mode":
			if value != "private" && value != "" {
				reason = fmt.Sprintf("%s = %v shares the node's processes or memory", key, value)
			}
		case "cap_add":
			if !isEmpty(value) {
				reason = dangers[key]
			}
		default:
			reason = key + " is not allowed for the exec driver"
		}
		if reason != "" {
			found = append(found, Problem{Key: key, Reason: reason})
		}
	}
	return found
}

// ImageProblem wants a tag that says a version, or a digest: "latest" is another program every day.
func ImageProblem(value any) string {
	image, ok := value.(string)
	if !ok || image == "" || strings.ContainsAny(image, "${} ") {
		return "the image must be written out"
	}
	if _, digest, pinned := strings.Cut(image, "@sha256:"); pinned {
		if len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
			return "image " + image + ": a digest has 64 digits"
		}
		return ""
	}
	tag := imageTag(image)
	if !strings.Contains(tag, ".") && !releaseDay.MatchString(tag) || !strings.ContainsAny(tag[:1], "v0123456789") || !strings.ContainsAny(tag, "0123456789") {
		return "image " + image + " must be pinned to a full version, as 3.3.1, or to a digest"
	}
	return ""
}

// releaseDay is how some applications number: 2022-07-31b.
var releaseDay = regexp.MustCompile(`^20[0-9]{2}-[01][0-9]-[0-3][0-9][a-z]?$`)

// imageTag is what follows the colon after the image's name; a colon before is of the registry's port.
func imageTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	_, tag, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return tag
}

// mountProblems: memory only.
func mountProblems(key string, value any) []Problem {
	list, ok := value.([]any)
	if maps, isMaps := value.([]map[string]any); isMaps {
		for _, m := range maps {
			list = append(list, m)
		}
	} else if !ok {
		list = []any{value}
	}
	var found []Problem
	for n, one := range list {
		refuse := func(option, format string, args ...any) {
			found = append(found, Problem{Key: key, At: n, Option: option, Reason: fmt.Sprintf(format, args...)})
		}
		m, ok := one.(map[string]any)
		if !ok {
			refuse("", "a mount is a block")
			continue
		}
		for option := range m {
			if !slices.Contains([]string{"type", "source", "target", "readonly", "tmpfs_options"}, option) {
				refuse(option, "%s of a mount is not known to be harmless", option)
			}
		}
		source, _ := m["source"].(string)
		switch m["type"] {
		case "tmpfs":
		case "bind":
			// Even of the task's own files: the engine follows a link that another task of the job may put in the file's place
			// (CVE-2026-14896).
			refuse("source", "a bind mount of %q: let the application read the file in /local or /secrets, or let a start script copy it from there", source)
		default:
			refuse("type", "a mount of type %v: volumes come by volume_mount", m["type"])
		}
	}
	return found
}

// TemplateDestination reports whether a template writes a file directly in one of the task's own directories. In a folder below
// them, a link that the task put there would lead the next writing elsewhere (CVE-2024-1329).
func TemplateDestination(p string) bool {
	for _, dir := range []string{"${NOMAD_TASK_DIR}/", "${NOMAD_SECRETS_DIR}/", "local/", "secrets/"} {
		if name, ok := strings.CutPrefix(p, dir); ok {
			return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/$")
		}
	}
	return false
}

// nodeEnvironment finds the environment or a token in an expression, which Nomad evaluates with spaces and functions too, as
// ${upper( env["X"] )}. process.env is JavaScript's.
var nodeEnvironment = regexp.MustCompile(`\$\{(?:[^}]*[^\w.}])?(?:env\s*[\[.]|NOMAD_TOKEN\b)`)

// ReadsEnvironment says whether a value of a task's config or environment holds what Nomad would replace by the environment of
// the node or by a token when the task starts.
func ReadsEnvironment(value any) bool {
	switch v := value.(type) {
	case string:
		return nodeEnvironment.MatchString(v)
	case []any:
		return slices.ContainsFunc(v, ReadsEnvironment)
	case map[string]any:
		for _, one := range v {
			if ReadsEnvironment(one) {
				return true
			}
		}
	}
	return false
}

// IsRoot says whether a task's user is root, by name or number.
func IsRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "root" || strings.Trim(name, "0") == "" && name != ""
}

func isEmpty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case []string:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	}
	return false
}
