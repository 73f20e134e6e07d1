#include "ssh/terminal_message.h"

#include <stdio.h>
#include <string.h>
#include <towline/json.h>
#include <towline/str.h>

#define TERM_DEFAULT "xterm-256color"

struct fields {
	const char *type, *term;
	int64_t columns, rows, output;
};

#define FIELD(name, kind, required, min, max) \
	{ \
#name, kind, required, offsetof(struct fields, name), min, max \
	}
#define SIZE \
	FIELD(columns, TL_JSON_INT, true, 1, TL_TERMINAL_SIZE_MAX), \
		FIELD(rows, TL_JSON_INT, true, 1, TL_TERMINAL_SIZE_MAX)
#define TYPE FIELD(type, TL_JSON_NAME, true, 0, 16)

static const struct tl_json_member attach[] = {
	TYPE,
	SIZE,
	FIELD(term, TL_JSON_NAME, false, 0, TL_TERMINAL_TERM_MAX),
	FIELD(output, TL_JSON_INT, false, 0, INT64_MAX),
};
static const struct tl_json_member resize[] = {TYPE, SIZE};
static const struct tl_json_member ping[] = {TYPE};

static const struct verb {
	const char *type;
	const struct tl_json_member *members;
	size_t count;
} verbs[] = {
	[TL_TERMINAL_ATTACH] = {"attach", attach, TL_ARRAY_LEN(attach)},
	[TL_TERMINAL_RESIZE] = {"resize", resize, TL_ARRAY_LEN(resize)},
	[TL_TERMINAL_PING] = {"ping", ping, TL_ARRAY_LEN(ping)},
};

static int find_verb(const json_t *object, size_t *ret_verb, struct tl_err *err)
{
	const char *type = json_string_value(json_object_get(object, "type"));

	for (size_t i = 0; type && i < TL_ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].type, type) == 0) {
			*ret_verb = i;
			return 0;
		}
	return tl_err_set(err, TL_EINVAL, "\"type\" is attach, resize or ping");
}

int tl_terminal_message_parse(const char *text, size_t len, struct tl_terminal_message *ret_message,
			      struct tl_err *err)
{
	struct fields fields = {.term = TERM_DEFAULT, .output = -1};
	tl_json *object = NULL;
	size_t verb = 0;
	int rc = tl_json_parse(text, len, &object, err);

	if (rc == 0)
		rc = find_verb(object, &verb, err);
	if (rc == 0)
		rc = tl_json_read(object, verbs[verb].members, verbs[verb].count, &fields, err);
	if (rc != 0)
		return rc;
	*ret_message = (struct tl_terminal_message){
		.verb = (enum tl_terminal_verb)verb,
		.columns = (unsigned)fields.columns,
		.rows = (unsigned)fields.rows,
		.output = fields.output,
	};
	snprintf(ret_message->term, sizeof(ret_message->term), "%s", fields.term);
	return 0;
}
