/* Limits of the kernel beside their use: what runs out without a message that says so. */
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/kernel.h"

/* The files that begin with the number in use and with its limit. */
static const struct {
	const char *name, *use_path, *limit_path;
} limits[] = {
	{"aio_requests", "/proc/sys/fs/aio-nr", "/proc/sys/fs/aio-max-nr"},
	{"conntrack", "/proc/sys/net/netfilter/nf_conntrack_count",
	 "/proc/sys/net/netfilter/nf_conntrack_max"},
	{"entropy_bits", "/proc/sys/kernel/random/entropy_avail",
	 "/proc/sys/kernel/random/poolsize"},
	{"files_open", "/proc/sys/fs/file-nr", "/proc/sys/fs/file-max"},
	{"inodes_cached", "/proc/sys/fs/inode-nr", NULL},
	{"keys", NULL, "/proc/sys/kernel/keys/maxkeys"},
	{"inotify_instances", NULL, "/proc/sys/fs/inotify/max_user_instances"},
	{"inotify_watches", NULL, "/proc/sys/fs/inotify/max_user_watches"},
	{"memory_maps", NULL, "/proc/sys/vm/max_map_count"},
	{"listen_backlog", NULL, "/proc/sys/net/core/somaxconn"},
	{"pids", NULL, "/proc/sys/kernel/pid_max"},
	{"processes_files", NULL, "/proc/sys/fs/nr_open"},
	{"pty", "/proc/sys/kernel/pty/nr", "/proc/sys/kernel/pty/max"},
	{"tcp_orphans", NULL, "/proc/sys/net/ipv4/tcp_max_orphans"},
	{"tcp_syn_backlog", NULL, "/proc/sys/net/ipv4/tcp_max_syn_backlog"},
	{"tcp_time_wait", NULL, "/proc/sys/net/ipv4/tcp_max_tw_buckets"},
	{"neighbours", NULL, "/proc/sys/net/ipv4/neigh/default/gc_thresh3"},
};

/* Of "…/loadavg" the fourth word says "running/all": threads. */
static void add_threads(const struct collect_context *context, json_t *items)
{
	char text[128];
	long long all, most;

	kernel_read(context, "/proc/loadavg", text, sizeof text);
	if (sscanf(text, "%*s %*s %*s %*d/%lld", &all) != 1)
		return;
	kernel_read(context, "/proc/sys/kernel/threads-max", text, sizeof text);
	if (sscanf(text, "%lld", &most) == 1)
		snapshot_add(items, "threads",
			     json_pack("{s:I, s:I}", "used", (json_int_t)all, "limit",
				       (json_int_t)most));
}

static void add_ports(const struct collect_context *context, json_t *items)
{
	char text[128];
	int low, high;

	kernel_read(context, "/proc/sys/net/ipv4/ip_local_port_range", text, sizeof text);
	if (sscanf(text, "%d %d", &low, &high) == 2)
		snapshot_add(items, "local_ports",
			     json_pack("{s:i, s:i, s:i}", "limit", high - low + 1, "first", low,
				       "last", high));
}

int collect_limits(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();

	for (size_t i = 0; i < TL_ARRAY_LEN(limits); i++) {
		json_t *item = json_object();
		int64_t value;

		if (limits[i].use_path && snapshot_number(context, limits[i].use_path, &value))
			json_object_set_new(item, "used", json_integer(value));
		if (limits[i].limit_path && snapshot_number(context, limits[i].limit_path, &value))
			json_object_set_new(item, "limit", json_integer(value));
		if (json_object_size(item))
			snapshot_add(items, limits[i].name, item);
		else
			json_decref(item);
	}
	add_threads(context, items);
	add_ports(context, items);
	return snapshot_write(context, "limits", items, err);
}
