package catalogue

import (
	"maps"
	"slices"
	"strings"
)

// shape is what a block of a job may hold.
type shape struct {
	labels  int
	many    bool              // it may occur more than once in one block
	free    bool              // any keys: a map
	keys    map[string]string // name to type: string, number, bool, duration, strings
	needed  []string          // keys
	blocks  []string
	refused refusals
}

// refusals are keys and blocks that Nomad knows and instances do not get, and why.
type refusals map[string]string

// also adds names, separated by spaces, with one reason.
func (r refusals) also(reason, names string) refusals {
	for _, name := range strings.Fields(names) {
		r[name] = reason
	}
	return r
}

func refuse(reason, names string) refusals { return refusals{}.also(reason, names) }

// Reasons that several blocks share.
const (
	byFrama   = "frama sets this: leave it out"
	noMesh    = "the mesh is not available to instances"
	noConsul  = "Consul is not available to instances"
	noVault   = "Vault is not available to instances"
	noPlugins = "secret blocks run plugins on the node: use a template and the job's own Nomad Variable"
	noToken   = "a task does not see a token of Nomad"
	noMeta    = "meta belongs to frama"
	httpOrTCP = "a check is http or tcp"
	noScaling = "scaling blocks change the count"
	obsolete  = "this has no effect any more: leave it out"
	ofTheNode = "this is the node's to say"
	noChoice  = "frama chooses the node of an instance: leave it out"
	inGroup   = "frama reads restart in the group only: move it there"
)

// matching are the keys by which constraints compare.
const matching = "attribute:string value:string operator:string version:string semver:string regexp:string " +
	"set_contains:string set_contains_any:string set_contains_all:string "

// jobShapes is the table of what lint knows of job files: for each block the keys with their types, the blocks in it,
// and what Nomad knows and instances do not get. A test of provisioner/nomad compares it with Nomad's own.
func jobShapes() map[string]shape {
	return map[string]shape{
		"job": {
			labels: 1, keys: typed("id:string name:string type:string priority:number datacenters:strings"),
			needed: []string{"id"}, blocks: strings.Fields("group constraint update ui"),
			refused: refuse(byFrama, "region namespace node_pool reschedule migrate all_at_once").also(noChoice, "affinity spread").also(noMeta, "meta").also(noVault, "vault").also(noPlugins, "secret").
				also(`tasks belong in the group: put them into group "app" { … }`, "task").
				also("periodic jobs are not instances: frama keeps the calendar", "periodic").
				also("parameterized jobs are not instances", "parameterized").also("an instance lives on one cluster", "multiregion"),
		},
		"group": {
			labels: 1, many: true, keys: typed("count:number shutdown_delay:duration"),
			blocks: strings.Fields("task network volume service restart update ephemeral_disk constraint"),
			refused: refuse(byFrama, "disconnect stop_after_client_disconnect max_client_disconnect prevent_reschedule_on_lost reschedule migrate").
				also(noChoice, "affinity spread").also(noMeta, "meta").also(noScaling, "scaling").also(noConsul, "consul").also(noVault, "vault").also(noPlugins, "secret").
				also("an instance runs until it is retired", "max_run_duration"),
		},
		"task": {
			labels: 1, many: true, needed: []string{"driver", "config"},
			keys:   typed("driver:string user:string leader:bool kill_timeout:duration kill_signal:string shutdown_delay:duration"),
			blocks: strings.Fields("config env template resources volume_mount lifecycle service logs constraint"),
			refused: refuse(inGroup, "restart").also(noChoice, "affinity").also("artifacts are downloads that nobody pinned: put the files into the image", "artifact").
				also(noMeta, "meta").also(noVault, "vault").also(noConsul, "consul").also(noToken, "identity").also(noPlugins, "secret").
				also("scaling blocks change resources", "scaling").also("an instance is no storage plugin", "csi_plugin").
				also("an instance takes no payload", "dispatch_payload").also("kinds of tasks are Nomad's own", "kind").
				also("a task that runs at times is not always there", "schedule").
				also("actions are commands that others may run in the task", "action"),
		},
		"network": {
			keys: typed("mode:string hostname:string"), blocks: []string{"port", "dns"},
			refused: refuse("CNI arguments are not allowed", "cni").also(ofTheNode, "device cidr ip").also(obsolete, "mbits").
				also(`write port "…" { … }`, "reserved_ports"),
		},
		"port": {
			labels: 1, many: true, keys: typed("static:number to:number"),
			refused: refuse("a port stays on the node's own address: the ingress knows no other", "host_network").
				also("two ports cannot be one: leave it out", "ignore_collision"),
		},
		"dns": {keys: typed("servers:strings searches:strings options:strings")},
		"volume": {
			labels: 1, many: true, needed: []string{"source"},
			keys: typed("type:string source:string read_only:bool access_mode:string attachment_mode:string"),
			refused: refuse("the volume's name must be what it says", "per_alloc sticky").
				also("volumes have no mount options", "mount_options"),
		},
		"volume_mount": {
			many: true, needed: []string{"volume", "destination"}, refused: refuse(ofTheNode, "selinux_label"),
			keys: typed("volume:string destination:string read_only:bool propagation_mode:string"),
		},
		"service": {
			many: true, blocks: []string{"check", "check_restart"},
			keys: typed("name:string port:string provider:string tags:strings address_mode:string task:string on_update:string"),
			refused: refuse(noMesh, "connect").also("a service registers no address of its own", "address").also(noToken, "identity").
				also("there are no canaries", "canary_tags canary_meta").
				also(noConsul, "meta tagged_addresses weights enable_tag_override cluster kind"),
		},
		"check": {
			many: true, needed: []string{"type", "interval", "timeout"}, blocks: []string{"header", "check_restart"},
			keys: typed("name:string type:string path:string port:string interval:duration timeout:duration method:string body:string " +
				"protocol:string address_mode:string tls_server_name:string tls_skip_verify:bool on_update:string task:string"),
			refused: refuse(noMesh, "expose").also(httpOrTCP, "command args grpc_service grpc_use_tls").
				also(noConsul, "advertise initial_status notes success_before_passing failures_before_critical failures_before_warning"),
		},
		"check_restart": {keys: typed("limit:number grace:duration ignore_warnings:bool")},
		"header":        {free: true},
		"config":        {free: true},
		"env":           {free: true},
		"template": {
			many: true, needed: []string{"destination", "data"}, blocks: []string{"wait"},
			keys: typed("destination:string data:string env:bool perms:string uid:number gid:number change_mode:string change_signal:string " +
				"splay:duration once:bool left_delimiter:string right_delimiter:string error_on_missing_key:bool"),
			refused: refuse("a template is written in the job (data), not read from a file", "source").
				also("change_script runs a program on each change: use restart or a signal", "change_script").also(obsolete, "vault_grace"),
		},
		"wait": {keys: typed("min:duration max:duration")},
		"resources": {
			keys: typed("cpu:number memory:number memory_max:number"),
			refused: refuse("whole cores cannot be shared: ask for cpu", "cores").also("devices are not available to instances", "device").
				also("numa placement is not available to instances", "numa").also("networks belong to the group", "network").
				also("scratch space is the group's ephemeral_disk", "disk").also(obsolete, "iops").also(ofTheNode, "secrets"),
		},
		"lifecycle":      {needed: []string{"hook"}, keys: typed("hook:string sidecar:bool")},
		"logs":           {keys: typed("max_files:number max_file_size:number disabled:bool"), refused: refuse(obsolete, "enabled")},
		"restart":        {keys: typed("attempts:number interval:duration delay:duration mode:string"), refused: refuse(byFrama, "render_templates")},
		"ephemeral_disk": {keys: typed("size:number"), refused: refuse("scratch space is lost with the allocation: leave it out", "sticky migrate")},
		"update": {
			keys: typed("min_healthy_time:duration healthy_deadline:duration progress_deadline:duration"),
			refused: refuse(byFrama, "max_parallel health_check stagger auto_revert auto_promote").
				also("a canary would run beside the old allocation on one volume", "canary"),
		},
		"constraint": {many: true, keys: typed(matching + "distinct_hosts:bool distinct_property:string is_set:string is_not_set:string")},
		"ui":         {keys: typed("description:string"), blocks: []string{"link"}},
		"link":       {many: true, keys: typed("label:string url:string")},
	}
}

// typed reads "name:type …".
func typed(list string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Fields(list) {
		name, kind, _ := strings.Cut(pair, ":")
		out[name] = kind
	}
	return out
}

// JobKeys lists the keys and blocks that lint has an opinion on in a block of job files: allowed or refused.
func JobKeys(block string) []string {
	s := jobShapes()[block]
	keys := slices.Concat(slices.Collect(maps.Keys(s.keys)), s.blocks, slices.Collect(maps.Keys(s.refused)))
	slices.Sort(keys)
	return keys
}
