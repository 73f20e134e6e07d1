/* YAML documents of data (rules, profiles, thresholds, analyzers): a tree of nodes that remember their
 * lines, and mappings read through a table of the members they may have.
 *
 * Every fault is TL_ECONFIG with one sentence "file:line: …". No anchors, tags or further documents; depth,
 * size and number of nodes are bounded. libyaml underneath. Any thread; a document belongs to one thread at
 * a time, and its nodes and texts live as long as it does. */
#ifndef TOWLINE_YAML_H
#define TOWLINE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_YAML_BYTES_MAX (1024 * 1024)
#define TL_YAML_NODES_MAX 50000
#define TL_YAML_DEPTH_MAX 12

enum tl_yaml_kind { TL_YAML_SCALAR, TL_YAML_LIST, TL_YAML_MAP };

struct tl_yaml_node {
	enum tl_yaml_kind kind;
	size_t line;			  /* from 1 */
	const char *key;		  /* of a mapping's member, else NULL */
	const char *text;		  /* of a scalar; never NULL there, no NUL inside */
	size_t count;			  /* of children */
	const struct tl_yaml_node *first; /* child */
	const struct tl_yaml_node *next;  /* in the same list or mapping */
};

struct tl_yaml;
/* `name` stands for the file in messages and is copied. An empty document's root is an empty mapping.
 * The caller owns *ret_yaml. */
TL_MUST_CHECK int tl_yaml_parse(const char *name, const char *text, size_t len,
				struct tl_yaml **ret_yaml, struct tl_err *err);
TL_MUST_CHECK int tl_yaml_load(const char *path, struct tl_yaml **ret_yaml, struct tl_err *err);
const struct tl_yaml_node *tl_yaml_root(const struct tl_yaml *yaml);
const char *tl_yaml_name(const struct tl_yaml *yaml);
void tl_yaml_free(struct tl_yaml *yaml);
TL_DEFINE_AUTO_PTR(tl_yaml, tl_yaml_free);

/* TL_ECONFIG with "file:line: " before the sentence. */
int tl_yaml_fail(const struct tl_yaml *yaml, const struct tl_yaml_node *node, struct tl_err *err,
		 const char *format, ...) TL_PRINTF(4, 5);

enum tl_yaml_type {
	TL_YAML_TEXT,	  /* const char *; max = bytes (0: 4096) */
	TL_YAML_INT,	  /* int64_t, min..max (both 0: any) */
	TL_YAML_NUMBER,	  /* double, finite */
	TL_YAML_BOOL,	  /* bool: true | false */
	TL_YAML_DURATION, /* int64_t milliseconds: "30s"; min..max */
	TL_YAML_SIZE,	  /* uint64_t bytes: "64M"; min..max */
	TL_YAML_CHOICE,	  /* int: index into choices */
	TL_YAML_TEXTS, /* const struct tl_yaml_node *: a list of scalars, at most max (0: 1024) */
	TL_YAML_NODE   /* const struct tl_yaml_node *: whatever it is */
};

struct tl_yaml_member {
	const char *name;
	enum tl_yaml_type type;
	bool required;
	size_t offset; /* of the field in the struct that is filled */
	int64_t min, max;
	const char *const *choices; /* CHOICE: ends with NULL */
};

/* Fills *ret_struct from the mapping `node`. Fields of absent optional members stay untouched. An unknown
 * member (with a suggestion), one given twice, missing, ill-typed or out of range is refused. */
TL_MUST_CHECK int tl_yaml_read(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
			       const struct tl_yaml_member *members, size_t count, void *ret_struct,
			       struct tl_err *err);

#endif
