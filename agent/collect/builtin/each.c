/* One command for each object of a kind: interfaces, disks, arrays, or what another command lists. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/command.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define OBJECTS_MAX 64
#define OBJECT_NAME_MAX 128
#define ARGUMENTS_MAX 24
#define LIST_MAX (64 * 1024)

/* What a name may consist of that becomes an argument and a member's name: never an option, a path. */
static bool is_object(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= OBJECT_NAME_MAX || *name == '-' || *name == '.')
		return false;
	return strspn(name,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:@") == len;
}

static int run_one(struct collect_context *context, const char *const *argv, const char *object,
		   struct tl_err *err)
{
	const struct collector *row = context->row;
	struct collector command = *row;
	const char *arguments[ARGUMENTS_MAX + 1] = {NULL};
	char filled[ARGUMENTS_MAX][OBJECT_NAME_MAX + 64], name[OBJECT_NAME_MAX + 80];
	int r;

	for (size_t i = 0; i < ARGUMENTS_MAX && argv[i]; i++) {
		const char *hole = strstr(argv[i], "{}");

		snprintf(filled[i], sizeof filled[i], "%.*s%s%s",
			 hole ? (int)(hole - argv[i]) : (int)strlen(argv[i]), argv[i],
			 hole ? object : "", hole ? hole + 2 : "");
		arguments[i] = filled[i];
	}
	snprintf(name, sizeof name, "%s/%s", row->name, object);
	command.kind = COLLECT_COMMAND;
	command.name = name;
	command.sources = arguments;
	context->row = &command;
	r = collect_command(context, err);
	context->row = row;
	return r;
}

static int run_each(struct collect_context *context, const char *const *argv,
		    const struct tl_strv *objects, struct tl_err *err)
{
	size_t taken = 0;
	int r = 0;

	if (objects->count == 0)
		context->outcome = "absent";
	for (size_t i = 0; r == 0 && i < objects->count; i++) {
		if (!is_object(objects->items[i]))
			continue;
		if (taken++ == OBJECTS_MAX) {
			collect_note(context, argv[0], "truncated",
				     "there are more objects than are looked at");
			break;
		}
		if (collect_expired(context, argv[0]))
			break;
		r = run_one(context, argv, objects->items[i], err);
		if (r == 0)
			r = interrupt_check(err);
	}
	return r;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

static int list_directory(const struct collect_context *context, const char *path,
			  bool (*takes)(const struct collect_context *context, const char *name),
			  struct tl_strv *objects)
{
	char full[PATH_MAX];
	struct dirent **entries = NULL;
	int count, r = 0;

	snprintf(full, sizeof full, "%s%s", context->root, path);
	count = scandir(full, &entries, NULL, compare_names);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (r == 0 && is_object(name) && takes(context, name))
			r = tl_strv_push(objects, name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static bool below_sys(const struct collect_context *context, const char *class, const char *name,
		      const char *rest)
{
	char path[PATH_MAX];
	struct stat status;

	snprintf(path, sizeof path, "%s/sys/%s/%s/%s", context->root, class, name, rest);
	return stat(path, &status) == 0;
}

/* A device stands behind it, or it bundles others: no loopback, no container's veth. */
static bool is_real_interface(const struct collect_context *context, const char *name)
{
	return below_sys(context, "class/net", name, "device") ||
	       below_sys(context, "class/net", name, "bonding") ||
	       below_sys(context, "class/net", name, "bridge");
}

static bool is_disk(const struct collect_context *context, const char *name)
{
	return below_sys(context, "block", name, "device");
}

static bool is_nvme(const struct collect_context *context, const char *name)
{
	return tl_str_starts(name, "nvme") && is_disk(context, name);
}

static bool is_array(const struct collect_context *context, const char *name)
{
	return below_sys(context, "block", name, "md");
}

static int each_of(struct collect_context *context, const char *path,
		   bool (*takes)(const struct collect_context *context, const char *name),
		   struct tl_err *err)
{
	tl_auto(tl_strv) struct tl_strv objects = TL_STRV_INIT;
	const char *const *argv;

	if (!when_holds(context, &argv)) {
		context->outcome = "absent";
		return 0;
	}
	if (list_directory(context, path, takes, &objects) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the names in %s", path);
	return run_each(context, argv, &objects, err);
}

int collect_each_interface(struct collect_context *context, struct tl_err *err)
{
	return each_of(context, "/sys/class/net", is_real_interface, err);
}

int collect_each_disk(struct collect_context *context, struct tl_err *err)
{
	return each_of(context, "/sys/block", is_disk, err);
}

int collect_each_nvme(struct collect_context *context, struct tl_err *err)
{
	return each_of(context, "/sys/block", is_nvme, err);
}

int collect_each_array(struct collect_context *context, struct tl_err *err)
{
	return each_of(context, "/sys/block", is_array, err);
}

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

static int split_lines(char *text, struct tl_strv *objects)
{
	char *rest = text;
	int r = 0;

	for (char *line = strsep(&rest, "\n"); r == 0 && line; line = strsep(&rest, "\n"))
		if (line[0])
			r = tl_strv_push(objects, line);
	return r;
}

/* Runs the first argv, which ends at "--", and takes its lines as names. */
static int list_lines(struct collect_context *context, const char *const *sources,
		      struct tl_strv *objects, const char *const **ret_argv, struct tl_err *err)
{
	const char *argv[ARGUMENTS_MAX + 1] = {NULL};
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(LIST_MAX);
	struct command_result result = {0};
	struct command command = {.argv = argv,
				  .max_bytes = LIST_MAX,
				  .timeout_ms = context->row->timeout_ms,
				  .output = to_buf,
				  .arg = &text};
	size_t count = 0;
	int r;

	while (count < ARGUMENTS_MAX && sources[count] && !tl_streq(sources[count], "--")) {
		argv[count] = sources[count];
		count++;
	}
	if (!sources[count] || count == ARGUMENTS_MAX)
		return tl_err_set(err, TL_EINTERNAL, "collector %s has no \"--\"",
				  context->row->name);
	*ret_argv = sources + count + 1;
	r = command_run(&command, context->clock, &result, err);
	if (r == 0 && result.timed_out)
		collect_note(context, argv[0], "timeout", "the list of objects did not come");
	if (r == 0 && text.data && split_lines(text.data, objects) < 0)
		r = tl_err_set(err, TL_ENOMEM, "out of memory for the lines of %s", argv[0]);
	return r;
}

int collect_each_line(struct collect_context *context, struct tl_err *err)
{
	tl_auto(tl_strv) struct tl_strv objects = TL_STRV_INIT;
	const char *const *sources;
	const char *const *argv = NULL;
	int r;

	if (!when_holds(context, &sources)) {
		context->outcome = "absent";
		return 0;
	}
	r = list_lines(context, sources, &objects, &argv, err);
	return r < 0 ? r : run_each(context, argv, &objects, err);
}
