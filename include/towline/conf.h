/* Configuration: YAML files read through a schema table.
 *
 * The table is the only place that knows a key: loading, validation, defaults, the sample file and the
 * man page's section are all made from it. Keys are dotted in the table ("listen.https") and nested
 * mappings in the file. Unknown keys, duplicate keys, wrong types and values out of range are
 * TL_ECONFIG with "file:line: …". YAML by libyaml; no anchors, no tags, no multi-documents. */
#ifndef TOWLINE_CONF_H
#define TOWLINE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/str.h>

#define TL_CONF_FILE_MAX (256 * 1024)

enum tl_conf_type {
	TL_CONF_TEXT, /* char *, heap; max = bytes */
	TL_CONF_PATH, /* char *, heap; absolute, or relative to the configuration file's directory */
	TL_CONF_INT,  /* int64_t, min..max */
	TL_CONF_BOOL,	  /* bool: true | false */
	TL_CONF_DURATION, /* int64_t milliseconds: "30s"; min..max in ms */
	TL_CONF_SIZE,	  /* uint64_t bytes: "64M" */
	TL_CONF_CHOICE,	  /* int: index into choices */
	TL_CONF_LIST	  /* struct tl_strv; each at most 4096 bytes, at most max items */
};

struct tl_conf_key {
	const char *name; /* dotted; the table is sorted by it */
	enum tl_conf_type type;
	size_t offset;
	const char *
		default_text; /* as it would stand in the file; lists: comma-separated; NULL: required */
	int64_t min, max;
	const char *const *choices; /* CHOICE: NULL-terminated */
	const char *help;	    /* one or two sentences */
};

struct tl_conf_schema {
	const char *name;  /* "relay.yaml" */
	const char *intro; /* the sample's first paragraph */
	const struct tl_conf_key *keys;
	size_t key_count;
	size_t struct_size;
};

/* Fills *ret_config (struct_size bytes, zeroed by the caller) with defaults, then with the file's
 * values. Clear it with tl_conf_clear, after failure too. */
TL_MUST_CHECK int tl_conf_load(const struct tl_conf_schema *schema, const char *path,
			       void *ret_config, struct tl_err *err);
/* The same from memory; `name` stands for the file in messages, `dir` for its directory. */
TL_MUST_CHECK int tl_conf_parse(const struct tl_conf_schema *schema, const char *name,
				const char *dir, const char *text, size_t len, void *ret_config,
				struct tl_err *err);
void tl_conf_clear(const struct tl_conf_schema *schema, void *config);

/* The commented sample file, and the KEYS section of its man page (mdoc). */
void tl_conf_print_sample(const struct tl_conf_schema *schema, FILE *out);
void tl_conf_print_mdoc(const struct tl_conf_schema *schema, FILE *out);

#endif
