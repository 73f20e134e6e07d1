#include <towline/yaml.h>

#include "suggest.h"
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/buf.h>
#include <towline/fs.h>
#include <towline/str.h>
#include <yaml.h>

#define CHUNK_NODES 256
#define TEXT_MAX_DEFAULT 4096
#define LIST_MAX_DEFAULT 1024
#define MEMBERS_MAX 64

struct chunk {
	struct chunk *next;
	size_t used;
	struct tl_yaml_node nodes[CHUNK_NODES];
};

struct tl_yaml {
	char *name;
	struct chunk *chunks;
	size_t node_count;
	struct tl_yaml_node *root;
};

struct reader {
	struct tl_yaml *yaml;
	struct tl_err *err;
	yaml_parser_t parser;
	yaml_event_t event;
};

void tl_yaml_free(struct tl_yaml *yaml)
{
	if (!yaml)
		return;
	while (yaml->chunks) {
		struct chunk *chunk = yaml->chunks;

		for (size_t i = 0; i < chunk->used; i++) {
			free((char *)(uintptr_t)chunk->nodes[i].key);
			free((char *)(uintptr_t)chunk->nodes[i].text);
		}
		yaml->chunks = chunk->next;
		free(chunk);
	}
	free(yaml->name);
	free(yaml);
}

const struct tl_yaml_node *tl_yaml_root(const struct tl_yaml *yaml)
{
	return yaml->root;
}

const char *tl_yaml_name(const struct tl_yaml *yaml)
{
	return yaml->name;
}

int tl_yaml_fail(const struct tl_yaml *yaml, const struct tl_yaml_node *node, struct tl_err *err,
		 const char *format, ...)
{
	char text[TL_ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return tl_err_set(err, TL_ECONFIG, "%s:%zu: %s", yaml->name, node->line, text);
}

/* ---- the tree ------------------------------------------------------------------------------- */

static int fail(const struct reader *reader, const char *text)
{
	return tl_err_set(reader->err, TL_ECONFIG, "%s:%zu: %s", reader->yaml->name,
			  reader->event.start_mark.line + 1, text);
}

/* Reads the next event; the last one is dropped. */
static int next(struct reader *reader)
{
	yaml_event_delete(&reader->event);
	memset(&reader->event, 0, sizeof reader->event);
	if (yaml_parser_parse(&reader->parser, &reader->event))
		return 0;
	return tl_err_set(reader->err, TL_ECONFIG, "%s:%zu: this is not YAML: %s",
			  reader->yaml->name, reader->parser.problem_mark.line + 1,
			  reader->parser.problem ? reader->parser.problem : "out of memory");
}

static struct tl_yaml_node *new_node(struct reader *reader, enum tl_yaml_kind kind)
{
	struct tl_yaml *yaml = reader->yaml;
	struct chunk *chunk = yaml->chunks;
	struct tl_yaml_node *node;

	if (yaml->node_count == TL_YAML_NODES_MAX) {
		fail(reader, "the document has too many values");
		return NULL;
	}
	if (!chunk || chunk->used == CHUNK_NODES) {
		chunk = calloc(1, sizeof *chunk);
		if (!chunk) {
			fail(reader, "out of memory");
			return NULL;
		}
		chunk->next = yaml->chunks;
		yaml->chunks = chunk;
	}
	yaml->node_count++;
	node = &chunk->nodes[chunk->used++];
	*node = (struct tl_yaml_node){.kind = kind, .line = reader->event.start_mark.line + 1};
	return node;
}

static int copy_scalar(struct reader *reader, const char **ret_text)
{
	const char *value = (const char *)reader->event.data.scalar.value;

	if (strlen(value) != reader->event.data.scalar.length)
		return fail(reader, "a value contains a NUL character");
	*ret_text = strdup(value);
	return *ret_text ? 0 : fail(reader, "out of memory");
}

static int read_node(struct reader *reader, unsigned depth, struct tl_yaml_node **ret_node);

/* The event is the name of a member. */
static int read_key(struct reader *reader, const struct tl_yaml_node *map, const char **ret_key)
{
	const char *key = (const char *)reader->event.data.scalar.value;

	if (reader->event.type != YAML_SCALAR_EVENT)
		return fail(reader, "a key must be a plain word");
	for (const struct tl_yaml_node *other = map->first; other; other = other->next)
		if (tl_streq(other->key, key))
			return tl_err_set(reader->err, TL_ECONFIG,
					  "%s:%zu: %.64s is set twice: first on line %zu",
					  reader->yaml->name, reader->event.start_mark.line + 1,
					  key, other->line);
	return copy_scalar(reader, ret_key);
}

/* The event is the start of the list or mapping `parent`. */
static int read_children(struct reader *reader, struct tl_yaml_node *parent, unsigned depth)
{
	yaml_event_type_t end =
		parent->kind == TL_YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
	const struct tl_yaml_node **link = &parent->first;

	for (;;) {
		struct tl_yaml_node *child = NULL;
		const char *key = NULL;
		int r = next(reader);

		if (r == 0 && reader->event.type == end)
			return 0;
		if (r == 0 && parent->kind == TL_YAML_MAP) {
			r = read_key(reader, parent, &key);
			if (r == 0)
				r = next(reader);
		}
		if (r == 0)
			r = read_node(reader, depth + 1, &child);
		if (r) {
			free((char *)(uintptr_t)key);
			return r;
		}
		child->key = key;
		*link = child;
		link = &child->next;
		parent->count++;
	}
}

static int read_scalar(struct reader *reader, struct tl_yaml_node **ret_node)
{
	struct tl_yaml_node *node;

	if (reader->event.data.scalar.anchor || reader->event.data.scalar.tag)
		return fail(reader, "anchors and tags are not used here");
	node = new_node(reader, TL_YAML_SCALAR);
	if (!node)
		return TL_ECONFIG;
	*ret_node = node;
	return copy_scalar(reader, &node->text);
}

/* The event is the value's first. */
static int read_node(struct reader *reader, unsigned depth, struct tl_yaml_node **ret_node)
{
	const yaml_event_t *event = &reader->event;
	bool map = event->type == YAML_MAPPING_START_EVENT;

	if (depth > TL_YAML_DEPTH_MAX)
		return fail(reader, "the document is nested too deep");
	if (event->type == YAML_SCALAR_EVENT)
		return read_scalar(reader, ret_node);
	if (!map && event->type != YAML_SEQUENCE_START_EVENT)
		return fail(reader, "anchors and aliases are not used here");
	if (map ? event->data.mapping_start.anchor || event->data.mapping_start.tag
		: event->data.sequence_start.anchor || event->data.sequence_start.tag)
		return fail(reader, "anchors and tags are not used here");
	*ret_node = new_node(reader, map ? TL_YAML_MAP : TL_YAML_LIST);
	return *ret_node ? read_children(reader, *ret_node, depth) : TL_ECONFIG;
}

static int expect(struct reader *reader, yaml_event_type_t type, const char *otherwise)
{
	int r = next(reader);

	return r < 0 || reader->event.type == type ? r : fail(reader, otherwise);
}

static bool is_empty(const struct reader *reader)
{
	return reader->event.type == YAML_STREAM_END_EVENT ||
	       (reader->event.type == YAML_SCALAR_EVENT && reader->event.data.scalar.length == 0 &&
		reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

static int read_document(struct reader *reader)
{
	int r = expect(reader, YAML_STREAM_START_EVENT, "this is not YAML");

	if (r == 0)
		r = next(reader);
	if (r == 0 && reader->event.type == YAML_DOCUMENT_START_EVENT)
		r = next(reader);
	if (r == 0 && is_empty(reader)) {
		reader->yaml->root = new_node(reader, TL_YAML_MAP);
		return reader->yaml->root ? 0 : TL_ECONFIG;
	}
	if (r == 0)
		r = read_node(reader, 0, &reader->yaml->root);
	if (r == 0)
		r = expect(reader, YAML_DOCUMENT_END_EVENT, "one document is expected");
	return r < 0 ? r : expect(reader, YAML_STREAM_END_EVENT, "only one document is allowed");
}

int tl_yaml_parse(const char *name, const char *text, size_t len, struct tl_yaml **ret_yaml,
		  struct tl_err *err)
{
	tl_auto(tl_yaml) struct tl_yaml *yaml = calloc(1, sizeof *yaml);
	struct reader reader = {.yaml = yaml, .err = err};
	int r;

	if (len > TL_YAML_BYTES_MAX)
		return tl_err_set(err, TL_ETOOBIG, "%s is larger than %d bytes", name,
				  TL_YAML_BYTES_MAX);
	if (!yaml || !(yaml->name = strdup(name)) || !yaml_parser_initialize(&reader.parser))
		return tl_err_set(err, TL_ENOMEM, "no memory to read %s", name);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
	r = read_document(&reader);
	yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	if (r < 0)
		return r;
	*ret_yaml = tl_steal(&yaml);
	return 0;
}

int tl_yaml_load(const char *path, struct tl_yaml **ret_yaml, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_YAML_BYTES_MAX);
	int r = tl_fs_read_file(AT_FDCWD, path, &text, err);

	return r < 0 ? r : tl_yaml_parse(path, tl_buf_str(&text), text.len, ret_yaml, err);
}

/* ---- mappings by a table ---------------------------------------------------------------------- */

static int set_text(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		    const struct tl_yaml_member *member, void *field, struct tl_err *err)
{
	size_t max = member->max ? (size_t)member->max : TEXT_MAX_DEFAULT;

	if (strlen(node->text) > max)
		return tl_yaml_fail(yaml, node, err, "%s is longer than %zu bytes", member->name,
				    max);
	*(const char **)field = node->text;
	return 0;
}

static int set_integer(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		       const struct tl_yaml_member *member, void *field, struct tl_err *err)
{
	static const char *const wanted[] = {
		[TL_YAML_INT] = "a number",
		[TL_YAML_DURATION] = "a duration (such as 90s, 15m or 8h)",
		[TL_YAML_SIZE] = "a size (such as 64K or 2G)",
	};
	uint64_t bytes = 0;
	int64_t value = 0;
	int r;

	if (member->type == TL_YAML_SIZE)
		r = tl_str_size(node->text, &bytes);
	else if (member->type == TL_YAML_DURATION)
		r = tl_str_duration_ms(node->text, &value);
	else
		r = tl_str_i64(node->text, INT64_MIN, INT64_MAX, &value);
	if (member->type == TL_YAML_SIZE)
		value = (int64_t)bytes;
	if (r < 0)
		return tl_yaml_fail(yaml, node, err, "%s must be %s", member->name,
				    wanted[member->type]);
	if ((member->min || member->max) && (value < member->min || value > member->max))
		return tl_yaml_fail(yaml, node, err, "%s is out of its range: %s", member->name,
				    node->text);
	memcpy(field, &value, sizeof value);
	return 0;
}

static int set_number(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		      const struct tl_yaml_member *member, void *field, struct tl_err *err)
{
	char *end;
	double value = strtod(node->text, &end);

	if (end == node->text || *end || !isfinite(value))
		return tl_yaml_fail(yaml, node, err, "%s must be a number", member->name);
	*(double *)field = value;
	return 0;
}

static int set_choice(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		      const struct tl_yaml_member *member, void *field, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf words = TL_BUF_INIT(TL_ERR_TEXT_MAX);

	for (int i = 0; member->choices[i]; i++) {
		if (tl_streq(member->choices[i], node->text)) {
			*(int *)field = i;
			return 0;
		}
		tl_buf_printf(&words, "%s%s", i ? ", " : "", member->choices[i]);
	}
	return tl_yaml_fail(yaml, node, err, "%s must be one of %s", member->name,
			    tl_buf_str(&words));
}

static int set_scalar(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		      const struct tl_yaml_member *member, void *field, struct tl_err *err)
{
	if (node->kind != TL_YAML_SCALAR)
		return tl_yaml_fail(yaml, node, err, "%s takes one value", member->name);
	switch (member->type) {
	case TL_YAML_TEXT:
		return set_text(yaml, node, member, field, err);
	case TL_YAML_NUMBER:
		return set_number(yaml, node, member, field, err);
	case TL_YAML_CHOICE:
		return set_choice(yaml, node, member, field, err);
	case TL_YAML_BOOL:
		if (!tl_streq(node->text, "true") && !tl_streq(node->text, "false"))
			return tl_yaml_fail(yaml, node, err, "%s must be true or false",
					    member->name);
		*(bool *)field = *node->text == 't';
		return 0;
	default:
		return set_integer(yaml, node, member, field, err);
	}
}

static int set_texts(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		     const struct tl_yaml_member *member, void *field, struct tl_err *err)
{
	size_t max = member->max ? (size_t)member->max : LIST_MAX_DEFAULT;

	if (node->kind != TL_YAML_LIST)
		return tl_yaml_fail(yaml, node, err, "%s must be a list", member->name);
	if (node->count > max)
		return tl_yaml_fail(yaml, node, err, "%s has more than %zu items", member->name,
				    max);
	for (const struct tl_yaml_node *item = node->first; item; item = item->next)
		if (item->kind != TL_YAML_SCALAR)
			return tl_yaml_fail(yaml, item, err, "%s holds plain values only",
					    member->name);
	*(const struct tl_yaml_node **)field = node;
	return 0;
}

static int fail_unknown(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
			const struct tl_yaml_member *members, size_t count, struct tl_err *err)
{
	struct suggest suggest;

	suggest_init(&suggest, node->key);
	for (size_t i = 0; i < count; i++)
		suggest_offer(&suggest, members[i].name, strlen(members[i].name));
	if (suggest.best)
		return tl_yaml_fail(yaml, node, err, "unknown key \"%.64s\": did you mean \"%s\"?",
				    node->key, suggest.best);
	return tl_yaml_fail(yaml, node, err, "unknown key \"%.64s\"", node->key);
}

static int set_member(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		      const struct tl_yaml_member *member, void *ret_struct, struct tl_err *err)
{
	void *field = (char *)ret_struct + member->offset;

	if (member->type == TL_YAML_TEXTS)
		return set_texts(yaml, node, member, field, err);
	if (member->type != TL_YAML_NODE)
		return set_scalar(yaml, node, member, field, err);
	*(const struct tl_yaml_node **)field = node;
	return 0;
}

static size_t find_member(const struct tl_yaml_member *members, size_t count, const char *name)
{
	size_t i = 0;

	while (i < count && !tl_streq(members[i].name, name))
		i++;
	return i;
}

int tl_yaml_read(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
		 const struct tl_yaml_member *members, size_t count, void *ret_struct,
		 struct tl_err *err)
{
	bool seen[MEMBERS_MAX] = {false};

	if (count > MEMBERS_MAX)
		return tl_err_set(err, TL_EINTERNAL, "the table has too many members");
	if (node->kind != TL_YAML_MAP)
		return tl_yaml_fail(yaml, node, err,
				    "lines of the form \"key: value\" are expected");
	for (const struct tl_yaml_node *child = node->first; child; child = child->next) {
		size_t i = find_member(members, count, child->key);
		int r;

		if (i == count)
			return fail_unknown(yaml, child, members, count, err);
		seen[i] = true;
		r = set_member(yaml, child, &members[i], ret_struct, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < count; i++)
		if (members[i].required && !seen[i])
			return tl_yaml_fail(yaml, node, err, "%s is missing", members[i].name);
	return 0;
}
