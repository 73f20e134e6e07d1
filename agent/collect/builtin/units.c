/* systemd's units as typed facts, from the paragraphs of "systemctl show". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/command.h"

static const struct {
	const char *property, *member;
	bool number;
} properties[] = {
	{"LoadState", "load", false},
	{"ActiveState", "active", false},
	{"SubState", "sub", false},
	{"UnitFileState", "enabled", false},
	{"Result", "result", false},
	{"NRestarts", "restarts", true},
	{"ExecMainStatus", "exit_status", true},
	{"MainPID", "main_pid", true},
	{"ActiveEnterTimestamp", "active_since", false},
	{"MemoryCurrent", "memory_bytes", true},
	{"TasksCurrent", "tasks", true},
	{"FragmentPath", "file", false},
};

static void take_property(json_t *unit, const char *name, const char *value)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(properties); i++) {
		uint64_t number;

		if (!tl_streq(name, properties[i].property) || !*value)
			continue;
		if (!properties[i].number)
			json_object_set_new(unit, properties[i].member, snapshot_text(value));
		else if (tl_str_u64(value, INT64_MAX, &number) == 0) /* "[not set]" is left out */
			json_object_set_new(unit, properties[i].member,
					    json_integer((json_int_t)number));
	}
}

/* A blank line ends a unit. */
static void read_units(char *text, json_t *items)
{
	json_t *unit = json_object();
	char name[512] = "", *rest = text, *line;

	while ((line = snapshot_line(&rest))) {
		char *value = strchr(line, '=');

		if (value) {
			*value++ = '\0';
			if (tl_streq(line, "Id"))
				snprintf(name, sizeof name, "%s", value);
			take_property(unit, line, value);
			continue;
		}
		if (name[0])
			snapshot_add(items, name, json_incref(unit));
		name[0] = '\0';
		json_decref(unit);
		unit = json_object();
	}
	if (name[0])
		snapshot_add(items, name, json_incref(unit));
	json_decref(unit);
}

static int keep(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

int collect_units(struct collect_context *context, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(context->row->max_bytes);
	struct command_result result = {0};
	struct command command = {.max_bytes = context->row->max_bytes,
				  .timeout_ms = context->row->timeout_ms,
				  .output = keep,
				  .arg = &text};
	tl_json *items = json_array();
	int r;

	if (!when_holds(context, &command.argv)) {
		context->outcome = "absent";
		return 0;
	}
	r = command_run(&command, context->clock, &result, err);
	if (r < 0)
		return r;
	if (result.missing) {
		context->outcome = "absent";
		return 0;
	}
	if (result.timed_out || result.truncated)
		collect_note(context, command.argv[0], result.timed_out ? "timeout" : "truncated",
			     "not all units are known");
	if (text.data)
		read_units(text.data, items);
	return json_array_size(items) ? snapshot_write(context, "units", items, err) : 0;
}
