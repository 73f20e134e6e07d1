/* Who listens where: the kernel's tables of sockets, joined with the descriptors of processes. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define TABLE_MAX (16u * 1024 * 1024)
#define LISTENERS_MAX 4096
#define DESCRIPTORS_MAX 20000 /* looked at, of one process */
#define WORDS 12

struct listener {
	unsigned long inode;
	char name[96];
	int uid, pid; /* 0: unknown */
	char process[64];
};

struct listeners {
	struct collect_context *context;
	struct listener *list;
	size_t count;
};

static const struct {
	const char *path, *protocol,
		*state; /* as the kernel numbers them: LISTEN, or CLOSE for UDP */
} tables[] = {
	{"/proc/net/tcp", "tcp", "0A"},
	{"/proc/net/tcp6", "tcp6", "0A"},
	{"/proc/net/udp", "udp", "07"},
	{"/proc/net/udp6", "udp6", "07"},
};

/* "0100007F:0016": words of the host's order, then the port. */
static bool read_address(const char *text, char out[static 64])
{
	const char *colon = strchr(text, ':');
	size_t digits = colon ? (size_t)(colon - text) : 0;
	uint32_t words[4] = {0};
	char address[INET6_ADDRSTRLEN];
	unsigned port;

	if ((digits != 8 && digits != 32) || sscanf(colon + 1, "%x", &port) != 1)
		return false;
	for (size_t i = 0; i < digits / 8; i++)
		if (sscanf(text + 8 * i, "%8x", &words[i]) != 1)
			return false;
	if (!inet_ntop(digits == 8 ? AF_INET : AF_INET6, words, address, sizeof address))
		return false;
	snprintf(out, 64, digits == 8 ? "%s:%u" : "[%s]:%u", address, port);
	return true;
}

static void take_socket(struct listeners *listeners, size_t table, char *line)
{
	char *words[WORDS], address[64];
	struct listener *listener = &listeners->list[listeners->count];

	if (snapshot_words(line, words, WORDS) < 10 || !tl_streq(words[3], tables[table].state) ||
	    !read_address(words[1], address))
		return;
	*listener = (struct listener){.inode = strtoul(words[9], NULL, 10),
				      .uid = (int)strtol(words[7], NULL, 10)};
	snprintf(listener->name, sizeof listener->name, "%s %s", tables[table].protocol, address);
	listeners->count++;
}

static void read_table(struct listeners *listeners, size_t table)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TABLE_MAX);
	char *rest, *line;

	snapshot_load(listeners->context, tables[table].path, &text);
	rest = text.data;
	while (rest && listeners->count < LISTENERS_MAX && (line = snapshot_line(&rest)))
		take_socket(listeners, table, line);
}

static int compare_inodes(const void *a, const void *b)
{
	const struct listener *one = a, *other = b;

	return (one->inode > other->inode) - (one->inode < other->inode);
}

static void join_descriptor(struct listeners *listeners, const char *pid, const char *target)
{
	struct listener key = {.inode = 0}, *found;
	char path[320];

	if (sscanf(target, "socket:[%lu]", &key.inode) != 1)
		return;
	found = bsearch(&key, listeners->list, listeners->count, sizeof key, compare_inodes);
	if (!found || found->pid)
		return;
	found->pid = (int)strtol(pid, NULL, 10);
	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	kernel_read(listeners->context, path, found->process, sizeof found->process);
}

static void join_process(struct listeners *listeners, const char *pid)
{
	char path[PATH_MAX], link[PATH_MAX], target[64];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "%s/proc/%s/fd", listeners->context->root, pid);
	dir = opendir(path);
	for (int i = 0; dir && i < DESCRIPTORS_MAX && (entry = readdir(dir)); i++) {
		ssize_t len;

		snprintf(link, sizeof link, "%.3000s/%s", path, entry->d_name);
		len = readlink(link, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		join_descriptor(listeners, pid, target);
	}
	if (dir)
		closedir(dir);
}

static int join_processes(struct listeners *listeners, struct tl_err *err)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof path, "%s/proc", listeners->context->root);
	dir = opendir(path);
	while (dir && r == 0 && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (collect_expired(listeners->context, "/proc"))
			break;
		join_process(listeners, entry->d_name);
		r = interrupt_check(err);
	}
	if (dir)
		closedir(dir);
	return r;
}

int collect_listeners(struct collect_context *context, struct tl_err *err)
{
	tl_free struct listener *list = calloc(LISTENERS_MAX + 1, sizeof *list);
	struct listeners listeners = {.context = context, .list = list};
	tl_json *items = json_array();
	int r;

	if (!list)
		return tl_err_set(err, TL_ENOMEM, "out of memory for listening sockets");
	for (size_t i = 0; i < TL_ARRAY_LEN(tables); i++)
		read_table(&listeners, i);
	qsort(list, listeners.count, sizeof *list, compare_inodes);
	r = join_processes(&listeners, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < listeners.count; i++) {
		json_t *item = json_pack("{s:i}", "uid", list[i].uid);

		if (list[i].pid)
			json_object_update_new(item, json_pack("{s:i, s:o}", "pid", list[i].pid,
							       "process",
							       snapshot_text(list[i].process)));
		snapshot_add(items, list[i].name, item);
	}
	return snapshot_write(context, "listeners", items, err);
}
