/* What a snapshot's members mean: matters, and in them values by key. */
#include "snapshot.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#define MATTER_PREFIX "snapshot/"
#define KEY_MAX 1024
#define COLUMNS_MAX 32

/* Lists that hold objects, and the members that name one. */
static const struct {
	const char *list, *name, *second;
} list_rows[] = {
	{"items", "name", NULL},
	{"facts", "name", "subject"},
};

/* Tables whose columns have names; of others a column is its number. */
static const struct {
	const char *matter;
	const char *columns[COLUMNS_MAX];
	size_t more; /* the column that tells rows of one first column apart; 0: none does */
} table_rows[] = {
	{"packages", {"name", "version", "architecture", "state"}, 2},
};

struct tl_snapshot *snapshot_new(void)
{
	struct tl_snapshot *snapshot = calloc(1, sizeof *snapshot);

	if (!snapshot)
		return NULL;
	snapshot->matters = json_object();
	snapshot->states = json_object();
	snapshot->owners = json_object();
	return snapshot;
}

void tl_snapshot_free(struct tl_snapshot *snapshot)
{
	if (!snapshot)
		return;
	json_decref(snapshot->matters);
	json_decref(snapshot->states);
	json_decref(snapshot->owners);
	json_decref(snapshot->collectors);
	free(snapshot);
}

bool snapshot_wants(const char *path)
{
	return tl_streq(path, "INDEX.json") ||
	       (tl_str_starts(path, MATTER_PREFIX) &&
		(tl_str_ends(path, ".json") || tl_str_ends(path, ".tsv")));
}

/* "snapshot/listing/boot.tsv" → "listing/boot". */
static void matter_of(const char *path, char *matter, size_t room)
{
	const char *dot;

	path += tl_str_starts(path, MATTER_PREFIX) ? sizeof MATTER_PREFIX - 1 : 0;
	dot = strrchr(path, '.');
	snprintf(matter, room, "%.*s", (int)(dot ? dot - path : (ptrdiff_t)strlen(path)), path);
}

/* A key that stands twice gets "#2": two packages of one name are two things. */
static void put(json_t *values, const char *key, json_t *value)
{
	char unique[KEY_MAX + 16];

	snprintf(unique, sizeof unique, "%.*s", KEY_MAX, key);
	for (unsigned n = 2; json_object_get(values, unique); n++)
		snprintf(unique, sizeof unique, "%.*s#%u", KEY_MAX, key, n);
	json_object_set_new(values, unique, value);
}

static void put_listed(json_t *values, json_t *item, const char *name, const char *second)
{
	const char *first = json_string_value(json_object_get(item, name));
	const char *more = second ? json_string_value(json_object_get(item, second)) : NULL;
	char key[KEY_MAX];

	if (!first)
		return;
	snprintf(key, sizeof key, more ? "%s %s" : "%s", first, more ? more : "");
	put(values, key, json_incref(item));
}

static json_t *read_object(json_t *object)
{
	json_t *values = json_object();
	const char *name;
	json_t *value;

	for (size_t i = 0; i < TL_ARRAY_LEN(list_rows); i++) {
		json_t *list = json_object_get(object, list_rows[i].list);

		if (!json_is_array(list))
			continue;
		for (size_t j = 0; j < json_array_size(list); j++)
			put_listed(values, json_array_get(list, j), list_rows[i].name,
				   list_rows[i].second);
		return values;
	}
	json_object_foreach(object, name, value)
	{
		if (!tl_streq(name, "schema"))
			put(values, name, json_incref(value));
	}
	return values;
}

static json_t *cell(const char *at, size_t len)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(SNAPSHOT_MEMBER_MAX);

	tl_str_printable(&clean, at, len);
	return json_string(tl_buf_str(&clean));
}

struct columns {
	const char *const *names; /* NULL: numbers */
	size_t more;
};

static struct columns columns_of(const char *matter)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(table_rows); i++)
		if (tl_streq(matter, table_rows[i].matter))
			return (struct columns){table_rows[i].columns, table_rows[i].more};
	return (struct columns){NULL, 0};
}

static void read_row(json_t *values, const struct columns *columns, const char *line, size_t len)
{
	json_t *row = json_object(), *first = NULL, *more = NULL;
	const char *end = line + len;
	char number[16], key[KEY_MAX];

	for (size_t column = 0; line <= end && column < COLUMNS_MAX; column++) {
		const char *tab = memchr(line, '\t', (size_t)(end - line));
		const char *label = columns->names ? columns->names[column] : NULL;
		json_t *value = cell(line, (size_t)((tab ? tab : end) - line));

		snprintf(number, sizeof number, "%zu", column + 1);
		json_object_set_new(row, label ? label : number, value);
		first = column == 0 ? value : first;
		more = columns->more && column == columns->more ? value : more;
		line = tab ? tab + 1 : end + 1;
	}
	snprintf(key, sizeof key, more ? "%s:%s" : "%s", json_string_value(first),
		 more ? json_string_value(more) : "");
	put(values, key, row);
}

static json_t *read_table(const char *matter, const char *text, size_t len)
{
	json_t *values = json_object();
	const struct columns columns = columns_of(matter);
	const char *at = text, *end = text + len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t line_len = (size_t)((newline ? newline : end) - at);

		if (line_len > 0)
			read_row(values, &columns, at, line_len);
		at += line_len + 1;
	}
	return values;
}

static void read_files(struct tl_snapshot *snapshot, const json_t *files)
{
	for (size_t i = 0; i < json_array_size(files); i++) {
		const json_t *file = json_array_get(files, i);
		const char *path = json_string_value(json_object_get(file, "path"));
		char matter[KEY_MAX];

		if (!path || !tl_str_starts(path, MATTER_PREFIX))
			continue;
		matter_of(path, matter, sizeof matter);
		json_object_set(snapshot->states, matter, json_object_get(file, "status"));
		json_object_set(snapshot->owners, matter, json_object_get(file, "collector"));
	}
}

static void read_index(struct tl_snapshot *snapshot, const json_t *index)
{
	const json_t *list = json_object_get(index, "collectors");

	read_files(snapshot, json_object_get(index, "files"));
	snapshot->collectors = snapshot->collectors ? snapshot->collectors : json_object();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);
		const char *name = json_string_value(json_object_get(row, "collector"));

		if (name)
			json_object_set(snapshot->collectors, name,
					json_object_get(row, "outcome"));
	}
}

int snapshot_add(struct tl_snapshot *snapshot, const char *path, const char *text, size_t len,
		 struct tl_err *err)
{
	char matter[KEY_MAX];
	tl_json *json = NULL;
	int r;

	matter_of(path, matter, sizeof matter);
	if (tl_str_ends(path, ".tsv"))
		return json_object_set_new(snapshot->matters, matter, read_table(matter, text, len))
			       ? tl_err_set(err, TL_ENOMEM, "out of memory for the snapshot")
			       : 0;
	r = tl_json_parse(text, len, &json, err);
	if (r < 0)
		return tl_err_prefix(err, "%.200s", path);
	if (!json_is_object(json))
		return tl_err_set(err, TL_EINVAL, "%.200s is not an object", path);
	if (tl_streq(path, "INDEX.json"))
		read_index(snapshot, json);
	else
		json_object_set_new(snapshot->matters, matter, read_object(json));
	return 0;
}

bool snapshot_is_partial(const struct tl_snapshot *snapshot, const char *matter,
			 const char *collector)
{
	const char *state = json_string_value(json_object_get(snapshot->states, matter));
	const char *own = json_string_value(json_object_get(snapshot->owners, matter));
	const char *outcome;

	if (!snapshot->collectors) /* a snapshot alone says all it has to say */
		return !json_object_get(snapshot->matters, matter);
	if (state && !tl_streq(state, "ok"))
		return true;
	own = own ? own : collector ? collector : matter;
	outcome = json_string_value(json_object_get(snapshot->collectors, own));
	if (!json_object_get(snapshot->matters, matter))
		return !tl_streq(outcome, "absent"); /* the host has no such thing */
	return outcome && !tl_streq(outcome, "ok");
}
