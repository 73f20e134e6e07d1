#include "collect/site_row.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/parameter.h"
#include "collect/probe.h"

#define MAX_DEFAULT (1024 * 1024)
#define MAX_MAX (256 * 1024 * 1024)
#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MAX_MS 600000

enum preset { PRESET_QUICK, PRESET_STANDARD, PRESET_FULL };

/* A row as it is written. */
struct written {
	const char *name, *group, *summary, *url, *address;
	int kind, sensitivity, preset;
	bool needs_root, timed, tail, links, binary;
	uint64_t max;
	int64_t timeout_ms;
	const struct tl_yaml_node *paths, *command, *matches;
};

#define KEY(field) offsetof(struct written, field)

static const char *const kind_names[] = {"files", "kernel", "command", "journal",
					 "http",  "tls",    NULL};
static const enum collector_kind kinds[] = {COLLECT_FILES,   COLLECT_KERNEL, COLLECT_COMMAND,
					    COLLECT_JOURNAL, COLLECT_HTTP,   COLLECT_TLS};
static const char *const sensitivities[] = {"low", "medium", "high", NULL};
static const char *const presets[] = {"quick", "standard", "full", NULL};

static const struct tl_yaml_member members[] = {
	{"address", TL_YAML_TEXT, false, KEY(address), 0, 300},
	{"binary", TL_YAML_BOOL, false, KEY(binary)},
	{"command", TL_YAML_TEXTS, false, KEY(command), 0, SITE_SOURCES_MAX},
	{"group", TL_YAML_TEXT, false, KEY(group), 0, 64},
	{"kind", TL_YAML_CHOICE, true, KEY(kind), 0, 0, kind_names},
	{"links", TL_YAML_BOOL, false, KEY(links)},
	{"matches", TL_YAML_TEXTS, false, KEY(matches), 0, SITE_SOURCES_MAX},
	{"max", TL_YAML_SIZE, false, KEY(max), 1, MAX_MAX},
	{"name", TL_YAML_TEXT, true, KEY(name), 0, 64},
	{"needs_root", TL_YAML_BOOL, false, KEY(needs_root)},
	{"paths", TL_YAML_TEXTS, false, KEY(paths), 0, SITE_SOURCES_MAX},
	{"preset", TL_YAML_CHOICE, false, KEY(preset), 0, 0, presets},
	{"sensitivity", TL_YAML_CHOICE, false, KEY(sensitivity), 0, 0, sensitivities},
	{"summary", TL_YAML_TEXT, true, KEY(summary), 0, 200},
	{"tail", TL_YAML_BOOL, false, KEY(tail)},
	{"timed", TL_YAML_BOOL, false, KEY(timed)},
	{"timeout", TL_YAML_DURATION, false, KEY(timeout_ms), 100, TIMEOUT_MAX_MS},
	{"url", TL_YAML_TEXT, false, KEY(url), 0, 2000},
};

static const struct tl_yaml_node *child(const struct tl_yaml_node *node, const char *key)
{
	const struct tl_yaml_node *at = node->first;

	while (at && !tl_streq(at->key, key))
		at = at->next;
	return at ? at : node;
}

/* "/usr/bin/x" or "x": what others than root can put there is not run. */
static bool is_system_program(const char *name)
{
	static const char *const dirs[] = {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};

	if (!strchr(name, '/'))
		return tl_str_is_name(name, 128);
	for (size_t i = 0; i < TL_ARRAY_LEN(dirs); i++)
		if (tl_str_starts(name, dirs[i]) && tl_str_is_name(name + strlen(dirs[i]), 128))
			return true;
	return false;
}

static int check_path(const char *path, bool kernel, struct tl_err *err)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX - 1 || strstr(path, "/../") ||
	    tl_str_ends(path, "/.."))
		return tl_err_set(err, TL_EINVAL, "a path begins with / and has no \"..\"");
	if (kernel && !tl_str_starts(path, "/proc/") && !tl_str_starts(path, "/sys/"))
		return tl_err_set(err, TL_EINVAL, "kind kernel reads below /proc and /sys only");
	return 0;
}

static int check_source(enum collector_kind kind, const char *text, bool first, struct tl_err *err)
{
	switch (kind) {
	case COLLECT_FILES:
	case COLLECT_KERNEL:
		return check_path(text, kind == COLLECT_KERNEL, err);
	case COLLECT_COMMAND:
		if (first && !is_system_program(text))
			return tl_err_set(err, TL_EINVAL,
					  "the program must be a name, or stand in /usr/sbin, "
					  "/usr/bin, /sbin or /bin");
		return 0;
	case COLLECT_JOURNAL:
		if (!strchr(text, '=') || text[0] < 'A' || text[0] > '_')
			return tl_err_set(err, TL_EINVAL, "a match is FIELD=VALUE");
		return 0;
	case COLLECT_HTTP:
		return probe_url_check(text, err);
	case COLLECT_TLS:
		return probe_address_check(text, err);
	case COLLECT_BUILTIN:
		break;
	}
	return TL_EINTERNAL;
}

/* Where the sources of a kind are written. */
static const struct {
	enum collector_kind kind;
	const char *key;
	size_t list, text; /* offsets in struct written; one of them */
	bool may_be_empty;
} source_keys[] = {
	{COLLECT_FILES, "paths", KEY(paths), 0, false},
	{COLLECT_KERNEL, "paths", KEY(paths), 0, false},
	{COLLECT_COMMAND, "command", KEY(command), 0, false},
	{COLLECT_JOURNAL, "matches", KEY(matches), 0, true},
	{COLLECT_HTTP, "url", 0, KEY(url), false},
	{COLLECT_TLS, "address", 0, KEY(address), false},
};

static int take_source(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		       struct collector *row, const char *text, struct tl_err *err)
{
	const char **sources = (const char **)(uintptr_t)row->sources;
	struct tl_err fault = TL_ERR_INIT;
	const char *parameter = NULL;
	size_t count = 0;
	int r;

	while (sources[count])
		count++;
	r = check_source(row->kind, text, count == 0, &fault);
	if (r == 0)
		r = parameter_find(text, &parameter, &fault);
	if (r < 0)
		return tl_yaml_fail(yaml, node, err, "%s", tl_err_text(&fault));
	if (parameter && row->kind == COLLECT_COMMAND && count == 0)
		return tl_yaml_fail(yaml, node, err, "the program itself is no parameter");
	sources[count] = text;
	return 0;
}

static int take_sources(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
			const struct written *written, struct collector *row, struct tl_err *err)
{
	size_t at = (size_t)written->kind; /* the table has the kinds' order */
	const struct tl_yaml_node *list = NULL;
	const char *text = NULL;
	int r = 0;

	if (source_keys[at].list)
		memcpy(&list, (const char *)written + source_keys[at].list, sizeof list);
	else
		memcpy(&text, (const char *)written + source_keys[at].text, sizeof text);
	if (!text && (!list || list->count == 0) && !source_keys[at].may_be_empty)
		return tl_yaml_fail(yaml, node, err, "kind %s needs \"%s\"",
				    kind_names[written->kind], source_keys[at].key);
	if (text)
		return take_source(yaml, child(node, source_keys[at].key), row, text, err);
	for (const struct tl_yaml_node *item = list ? list->first : NULL; r == 0 && item;
	     item = item->next)
		r = take_source(yaml, item, row, item->text, err);
	return r;
}

/* A key of another kind is a mistake, and not to be passed over. */
static int check_keys(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		      const struct written *written, struct tl_err *err)
{
	const char *wanted = source_keys[written->kind].key;

	for (size_t i = 0; i < TL_ARRAY_LEN(source_keys); i++) {
		const struct tl_yaml_node *found = child(node, source_keys[i].key);

		if (found != node && !tl_streq(source_keys[i].key, wanted))
			return tl_yaml_fail(yaml, found, err, "kind %s has no \"%s\"",
					    kind_names[written->kind], source_keys[i].key);
	}
	return 0;
}

static int check_name(const struct tl_yaml *yaml, const struct tl_yaml_node *node, const char *key,
		      const char *text, struct tl_err *err)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (text[len] || text[0] == '-' || len == 0)
		return tl_yaml_fail(
			yaml, child(node, key), err,
			"%s is made of a-z, 0-9 and -, and begins with none of the last", key);
	return 0;
}

static unsigned flags_of(const struct written *written)
{
	unsigned flags = 0;

	flags |= written->preset == PRESET_QUICK ? COLLECT_QUICK | COLLECT_DEFAULT : 0;
	flags |= written->preset == PRESET_STANDARD ? COLLECT_DEFAULT : 0;
	flags |= written->needs_root ? COLLECT_PRIVILEGED : 0;
	flags |= written->tail ? COLLECT_TAIL : 0;
	flags |= written->links ? COLLECT_LINKS : 0;
	flags |= written->timed ? COLLECT_TIMED : 0;
	flags |= written->binary ? COLLECT_BINARY : 0;
	return flags;
}

int site_row_read(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		  struct collector *ret_row, struct tl_err *err)
{
	struct written written = {
		.group = "site",
		.sensitivity = COLLECT_HIGH,
		.preset = PRESET_STANDARD,
		.max = MAX_DEFAULT,
		.timeout_ms = TIMEOUT_DEFAULT_MS,
	};
	tl_free const char **sources = NULL;
	int r = tl_yaml_read(yaml, node, members, TL_ARRAY_LEN(members), &written, err);

	if (r == 0)
		r = check_name(yaml, node, "name", written.name, err);
	if (r == 0)
		r = check_name(yaml, node, "group", written.group, err);
	if (r == 0)
		r = check_keys(yaml, node, &written, err);
	if (r < 0)
		return r;
	sources = calloc(SITE_SOURCES_MAX + 1, sizeof *sources);
	if (!sources)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	*ret_row = (struct collector){
		.name = written.name,
		.group = written.group,
		.summary = written.summary,
		.kind = kinds[written.kind],
		.sensitivity = (enum collector_sensitivity)written.sensitivity,
		.flags = flags_of(&written),
		.sources = sources,
		.max_bytes = written.max,
		.timeout_ms = (int)written.timeout_ms,
	};
	r = take_sources(yaml, node, &written, ret_row, err);
	if (r == 0)
		sources = NULL; /* the row's */
	return r;
}
