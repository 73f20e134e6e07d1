#include "cli/print.h"

#include <inttypes.h>
#include <string.h>
#include <towline/str.h>

#define CELL_MAX 4096
#define GAP 2

static const json_t *find_member(const json_t *object, const char *dotted)
{
	char name[64];
	const char *dot;

	while (object && (dot = strchr(dotted, '.'))) {
		snprintf(name, sizeof name, "%.*s", (int)(dot - dotted), dotted);
		object = json_object_get(object, name);
		dotted = dot + 1;
	}
	return json_object_get(object, dotted);
}

static void print_scalar(struct tl_buf *out, const json_t *value)
{
	if (json_is_string(value) && json_string_length(value) > 0)
		tl_str_printable(out, json_string_value(value), json_string_length(value));
	else if (json_is_integer(value))
		tl_buf_printf(out, "%" PRId64, (int64_t)json_integer_value(value));
	else if (json_is_boolean(value))
		tl_buf_puts(out, json_is_true(value) ? "yes" : "no");
	else
		tl_buf_putc(out, '-');
}

void tl_print_member(struct tl_buf *out, const json_t *object, const char *dotted)
{
	const json_t *value = find_member(object, dotted);

	if (!json_is_array(value) || json_array_size(value) == 0) {
		print_scalar(out, value);
		return;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (i > 0)
			tl_buf_putc(out, ',');
		print_scalar(out, json_array_get(value, i));
	}
}

/* Columns on the screen, near enough: bytes that begin a UTF-8 character. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* The byte length of the first `width` characters. */
static size_t text_prefix(const char *text, int width)
{
	size_t at = 0;

	while (text[at] && (width > 0 || ((unsigned char)text[at] & 0xc0) == 0x80)) {
		width -= ((unsigned char)text[at] & 0xc0) != 0x80;
		at++;
	}
	return at;
}

static void read_cell(struct tl_buf *cell, const json_t *item, const struct tl_column *column)
{
	tl_buf_reset(cell);
	tl_print_member(cell, item, column->member);
	if (column->max_width > 0 && text_width(tl_buf_str(cell)) > column->max_width) {
		cell->len = text_prefix(tl_buf_str(cell), column->max_width - 1);
		cell->data[cell->len] = '\0';
		tl_buf_puts(cell, "…");
	}
}

static void print_cell(FILE *out, const char *text, int width, bool last)
{
	fputs(text, out);
	for (int i = text_width(text); !last && i < width + GAP; i++)
		fputc(' ', out);
	if (last)
		fputc('\n', out);
}

static int column_width(const json_t *items, const struct tl_column *column, struct tl_buf *cell)
{
	int width = text_width(column->title);

	for (size_t i = 0; i < json_array_size(items); i++) {
		int found;

		read_cell(cell, json_array_get(items, i), column);
		found = text_width(tl_buf_str(cell));
		width = found > width ? found : width;
	}
	return width;
}

void tl_print_table(FILE *out, const json_t *items, const struct tl_column *columns, size_t count,
		    const char *nothing)
{
	tl_auto(tl_buf) struct tl_buf cell = TL_BUF_INIT(CELL_MAX);
	int widths[16];

	if (json_array_size(items) == 0 || count > TL_ARRAY_LEN(widths)) {
		fprintf(out, "%s\n", nothing);
		return;
	}
	for (size_t c = 0; c < count; c++) {
		widths[c] = column_width(items, &columns[c], &cell);
		print_cell(out, columns[c].title, widths[c], c + 1 == count);
	}
	for (size_t i = 0; i < json_array_size(items); i++)
		for (size_t c = 0; c < count; c++) {
			read_cell(&cell, json_array_get(items, i), &columns[c]);
			print_cell(out, tl_buf_str(&cell), widths[c], c + 1 == count);
		}
}

void tl_print_fields(FILE *out, const json_t *object, const struct tl_column *fields, size_t count)
{
	tl_auto(tl_buf) struct tl_buf cell = TL_BUF_INIT(CELL_MAX);
	int width = 0;

	for (size_t i = 0; i < count; i++)
		width = text_width(fields[i].title) > width ? text_width(fields[i].title) : width;
	for (size_t i = 0; i < count; i++) {
		read_cell(&cell, object, &fields[i]);
		print_cell(out, fields[i].title, width, false);
		print_cell(out, tl_buf_str(&cell), 0, true);
	}
}

void tl_print_json(FILE *out, const json_t *json)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64u * 1024 * 1024);

	tl_json_write(&text, json);
	fprintf(out, "%s\n", tl_buf_str(&text));
}
