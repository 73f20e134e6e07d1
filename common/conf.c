#include <towline/conf.h>

#include "conf_value.h"
#include "suggest.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <towline/fs.h>
#include <yaml.h>

#define KEYS_MAX 256
#define NAME_MAX_BYTES 256
#define DEPTH_MAX 8

struct loader {
	const struct tl_conf_schema *schema;
	const char *name, *dir;
	void *config;
	struct tl_err *err;
	yaml_parser_t yaml;
	yaml_event_t event;	/* the one looked at */
	size_t lines[KEYS_MAX]; /* where each key of the schema was set; 0: nowhere */
	struct tl_strv groups;	/* that were opened */
};

static size_t line_of(const struct loader *loader)
{
	return loader->event.start_mark.line + 1;
}

static int fail_at(const struct loader *loader, size_t line, const char *text)
{
	return tl_err_set(loader->err, TL_ECONFIG, "%s:%zu: %s", loader->name, line, text);
}

static int fail(const struct loader *loader, const char *text)
{
	return fail_at(loader, line_of(loader), text);
}

/* Reads the next event; the last one is dropped. */
static int next(struct loader *loader)
{
	yaml_event_delete(&loader->event);
	memset(&loader->event, 0, sizeof loader->event);
	if (yaml_parser_parse(&loader->yaml, &loader->event))
		return 0;
	return tl_err_set(loader->err, TL_ECONFIG, "%s:%zu: this is not YAML: %s", loader->name,
			  loader->yaml.problem_mark.line + 1,
			  loader->yaml.problem ? loader->yaml.problem : "out of memory");
}

static int check_plain(const struct loader *loader)
{
	const yaml_event_t *event = &loader->event;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return fail(loader, "anchors and aliases are not used here");
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor || event->data.scalar.tag)
			return fail(loader, "anchors and tags are not used here");
		if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
			return fail(loader, "a value contains a NUL character");
		return 0;
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
			return fail(loader, "anchors and tags are not used here");
		return 0;
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
			return fail(loader, "anchors and tags are not used here");
		return 0;
	default:
		return 0;
	}
}

static int next_plain(struct loader *loader)
{
	int outcome = next(loader);

	return outcome ? outcome : check_plain(loader);
}

static const char *scalar_of(const struct loader *loader)
{
	return (const char *)loader->event.data.scalar.value;
}

static const struct tl_conf_key *find_key(const struct tl_conf_schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->key_count; i++)
		if (strcmp(schema->keys[i].name, name) == 0)
			return &schema->keys[i];
	return NULL;
}

static bool is_group(const struct tl_conf_schema *schema, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < schema->key_count; i++)
		if (strncmp(schema->keys[i].name, name, len) == 0 &&
		    schema->keys[i].name[len] == '.')
			return true;
	return false;
}

static int fail_unknown(const struct loader *loader, const char *name, size_t line)
{
	struct suggest suggest;

	suggest_init(&suggest, name);
	for (size_t i = 0; i < loader->schema->key_count; i++)
		suggest_offer(&suggest, loader->schema->keys[i].name,
			      strlen(loader->schema->keys[i].name));
	if (suggest.best)
		return tl_err_set(loader->err, TL_ECONFIG,
				  "%s:%zu: unknown key \"%.64s\": did you mean \"%s\"?",
				  loader->name, line, name, suggest.best);
	return tl_err_set(loader->err, TL_ECONFIG, "%s:%zu: unknown key \"%.64s\"", loader->name,
			  line, name);
}

static int mark_set(struct loader *loader, const struct tl_conf_key *key, size_t line)
{
	size_t index = (size_t)(key - loader->schema->keys);

	if (loader->lines[index])
		return tl_err_set(loader->err, TL_ECONFIG,
				  "%s:%zu: %s is set twice: first on line %zu", loader->name, line,
				  key->name, loader->lines[index]);
	loader->lines[index] = line;
	return 0;
}

static int place_error(const struct loader *loader, size_t line, int outcome)
{
	if (outcome && loader->err)
		tl_err_prefix(loader->err, "%s:%zu", loader->name, line);
	return outcome;
}

/* The event is the start of the sequence. */
static int read_list(struct loader *loader, const struct tl_conf_key *key)
{
	for (;;) {
		int outcome = next_plain(loader);

		if (outcome)
			return outcome;
		if (loader->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		if (loader->event.type != YAML_SCALAR_EVENT)
			return fail(loader, "a list holds plain values only");
		outcome = place_error(loader, line_of(loader),
				      conf_value_add(key, scalar_of(loader), loader->config,
						     loader->err));
		if (outcome)
			return outcome;
	}
}

/* The event is the key's value. */
static int read_value(struct loader *loader, const struct tl_conf_key *key, size_t line)
{
	int outcome = mark_set(loader, key, line);

	if (outcome)
		return outcome;
	if (key->type == TL_CONF_LIST && loader->event.type == YAML_SEQUENCE_START_EVENT) {
		conf_value_clear(key, loader->config);
		return read_list(loader, key);
	}
	if (loader->event.type != YAML_SCALAR_EVENT)
		return tl_err_set(loader->err, TL_ECONFIG, "%s:%zu: %s takes one value",
				  loader->name, line, key->name);
	return place_error(loader, line,
			   conf_value_set(key, loader->dir, scalar_of(loader), loader->config,
					  loader->err));
}

static int read_mapping(struct loader *loader, const char *prefix, int depth);

/* The event is the name of a member. */
static int read_member(struct loader *loader, const char *prefix, int depth)
{
	char name[NAME_MAX_BYTES];
	size_t line = line_of(loader);
	const struct tl_conf_key *key;
	int put = snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "",
			   scalar_of(loader));
	int outcome;

	if (put < 0 || (size_t)put >= sizeof name)
		return fail(loader, "the key is too long");
	/* Dots join groups in the table only: the file has one way to write a key. */
	if (strchr(scalar_of(loader), '.'))
		return fail(loader, "write a key with a dot as a nested mapping");
	key = find_key(loader->schema, name);
	if (!key && !is_group(loader->schema, name))
		return fail_unknown(loader, name, line);
	outcome = next_plain(loader);
	if (outcome)
		return outcome;
	if (key)
		return read_value(loader, key, line);
	if (loader->event.type != YAML_MAPPING_START_EVENT)
		return tl_err_set(loader->err, TL_ECONFIG,
				  "%s:%zu: %s is a group of keys, each on a line of its own",
				  loader->name, line, name);
	if (tl_strv_has(&loader->groups, name))
		return tl_err_set(loader->err, TL_ECONFIG, "%s:%zu: group %s stands here twice",
				  loader->name, line, name);
	if (tl_strv_push(&loader->groups, name))
		return fail(loader, "out of memory");
	return read_mapping(loader, name, depth + 1);
}

/* The event is the start of the mapping. */
static int read_mapping(struct loader *loader, const char *prefix, int depth)
{
	if (depth > DEPTH_MAX)
		return fail(loader, "the mappings are nested too deep");
	for (;;) {
		int outcome = next_plain(loader);

		if (outcome)
			return outcome;
		if (loader->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		if (loader->event.type != YAML_SCALAR_EVENT)
			return fail(loader, "a key must be a plain word");
		outcome = read_member(loader, prefix, depth);
		if (outcome)
			return outcome;
	}
}

static int expect(struct loader *loader, yaml_event_type_t type, const char *otherwise)
{
	int outcome = next_plain(loader);

	if (outcome)
		return outcome;
	return loader->event.type == type ? 0 : fail(loader, otherwise);
}

static int read_document(struct loader *loader)
{
	int outcome = expect(loader, YAML_STREAM_START_EVENT, "this is not YAML");

	if (!outcome)
		outcome = next_plain(loader);
	if (outcome || loader->event.type == YAML_STREAM_END_EVENT)
		return outcome; /* an empty file: every default */
	outcome = next_plain(loader);
	if (outcome)
		return outcome;
	if (loader->event.type == YAML_MAPPING_START_EVENT)
		outcome = read_mapping(loader, "", 0);
	else if (loader->event.type != YAML_SCALAR_EVENT || *scalar_of(loader))
		outcome = fail(loader, "lines of the form \"key: value\" are expected");
	if (!outcome)
		outcome = expect(loader, YAML_DOCUMENT_END_EVENT, "one document is expected");
	if (!outcome)
		outcome = expect(loader, YAML_STREAM_END_EVENT, "only one document is allowed");
	return outcome;
}

static int set_defaults(struct loader *loader)
{
	for (size_t i = 0; i < loader->schema->key_count; i++) {
		const struct tl_conf_key *key = &loader->schema->keys[i];
		int outcome;

		if (!key->default_text)
			continue;
		outcome = conf_value_set_default(key, loader->dir, loader->config, loader->err);
		if (outcome)
			return outcome;
	}
	return 0;
}

static int check_required(const struct loader *loader)
{
	for (size_t i = 0; i < loader->schema->key_count; i++)
		if (!loader->schema->keys[i].default_text && !loader->lines[i])
			return tl_err_set(loader->err, TL_ECONFIG, "%s:1: %s is missing: %s",
					  loader->name, loader->schema->keys[i].name,
					  loader->schema->keys[i].help);
	return 0;
}

int tl_conf_parse(const struct tl_conf_schema *schema, const char *name, const char *dir,
		  const char *text, size_t len, void *ret_config, struct tl_err *err)
{
	struct loader loader = {
		.schema = schema, .name = name, .dir = dir, .config = ret_config, .err = err};
	int outcome;

	if (schema->key_count > KEYS_MAX)
		return tl_err_set(err, TL_EINTERNAL, "%s has too many keys", schema->name);
	outcome = set_defaults(&loader);
	if (outcome)
		return outcome;
	if (!yaml_parser_initialize(&loader.yaml))
		return tl_err_set(err, TL_ENOMEM, "no memory to read %s", name);
	yaml_parser_set_input_string(&loader.yaml, (const unsigned char *)text, len);
	outcome = read_document(&loader);
	yaml_event_delete(&loader.event);
	yaml_parser_delete(&loader.yaml);
	tl_strv_clear(&loader.groups);
	return outcome ? outcome : check_required(&loader);
}

int tl_conf_load(const struct tl_conf_schema *schema, const char *path, void *ret_config,
		 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_CONF_FILE_MAX);
	const char *slash = strrchr(path, '/');
	tl_free char *dir = !slash	    ? strdup(".")
			    : slash == path ? strdup("/")
					    : strndup(path, (size_t)(slash - path));
	tl_free char *full = dir ? realpath(dir, NULL) : NULL;
	int outcome = tl_fs_read_file(AT_FDCWD, path, &text, err);

	if (outcome)
		return outcome;
	return tl_conf_parse(schema, path, full ? full : "/", tl_buf_str(&text), text.len,
			     ret_config, err);
}

void tl_conf_clear(const struct tl_conf_schema *schema, void *config)
{
	for (size_t i = 0; i < schema->key_count; i++)
		conf_value_clear(&schema->keys[i], config);
}
