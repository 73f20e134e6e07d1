/* What the engineer's command prints: tables, fields and JSON. Everything from the relay passes
 * tl_str_printable, so that no ticket can move the reader's cursor. One thread. */
#ifndef TOWLINE_SERVER_CLI_PRINT_H
#define TOWLINE_SERVER_CLI_PRINT_H

#include <stdio.h>
#include <towline/json.h>

struct tl_column {
	const char *title;
	const char *member; /* dotted: "host.name" */
	int max_width;	    /* cut with "…" beyond; 0: never */
};

/* The member at a dotted path as text: numbers in decimal, arrays joined by ",", "-" when absent.
 * Appends. */
void tl_print_member(struct tl_buf *out, const json_t *object, const char *dotted);

/* A table with a heading, columns as wide as their contents; `nothing` when `items` is empty. */
void tl_print_table(FILE *out, const json_t *items, const struct tl_column *columns, size_t count,
		    const char *nothing);

/* "title: value" lines, aligned. */
void tl_print_fields(FILE *out, const json_t *object, const struct tl_column *fields, size_t count);

/* One line of JSON. */
void tl_print_json(FILE *out, const json_t *json);

#endif
