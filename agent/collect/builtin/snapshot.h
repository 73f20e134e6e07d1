/* Typed snapshots: what can be compared between two bundles. Each is snapshot/WHAT.json, {"schema": 1,
 * "items": [...]}; an item is an object whose "name" is unique, items are sorted by it. Here too: how the
 * built-in collectors read small files of the host. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_SNAPSHOT_H
#define TOWLINE_COLLECT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/buf.h>
#include <towline/json.h>

#include "collect/collector.h"

/* Text of the host as JSON: what is not UTF-8 or not printable is written as it prints. */
json_t *snapshot_text(const char *text);
/* Adds `object`, whose reference is taken, under `name`. */
void snapshot_add(json_t *items, const char *name, json_t *object);
/* Writes snapshot/WHAT.json. */
TL_MUST_CHECK int snapshot_write(struct collect_context *context, const char *what,
				 const json_t *items, struct tl_err *err);

/* Reads a file below the root as far as `out` has room; its length, 0 when it cannot be read. */
size_t snapshot_load(const struct collect_context *context, const char *path, struct tl_buf *out);
/* The number that a small file begins with. */
bool snapshot_number(const struct collect_context *context, const char *path, int64_t *ret_value);

/* Takes the next line off *rest (which ends up NULL), without its end. */
char *snapshot_line(char **rest);
/* Splits a line at blanks and tabs, in place; returns how many of `words` were filled. */
size_t snapshot_words(char *line, char **words, size_t room);

#endif
