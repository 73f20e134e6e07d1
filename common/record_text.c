#include "record_text.h"

#include <string.h>
#include <towline/attr.h>
#include <towline/buf.h>

#define REPLACEMENT 0xFFFD
#define PARAM_MAX 9999
#define TAB 8

/* ECMA-48 control strings and sequences, as far as one has to know where they end. */
enum state { GROUND, ESCAPE, CHARSET, SEQUENCE, STRING, STRING_ESCAPE };

void tl_record_text_init(struct tl_record_text *text,
			 int (*on_line)(void *arg, double at, const char *text), void *arg)
{
	memset(text, 0, sizeof(*text));
	text->on_line = on_line;
	text->arg = arg;
}

/* ---- the line --------------------------------------------------------------------------------- */

static void put_utf8(struct tl_buf *out, uint32_t c)
{
	if (c < 0x80) {
		tl_buf_putc(out, (char)c);
	} else if (c < 0x800) {
		tl_buf_putc(out, (char)(0xC0 | (c >> 6)));
		tl_buf_putc(out, (char)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		tl_buf_putc(out, (char)(0xE0 | (c >> 12)));
		tl_buf_putc(out, (char)(0x80 | ((c >> 6) & 0x3F)));
		tl_buf_putc(out, (char)(0x80 | (c & 0x3F)));
	} else {
		tl_buf_putc(out, (char)(0xF0 | (c >> 18)));
		tl_buf_putc(out, (char)(0x80 | ((c >> 12) & 0x3F)));
		tl_buf_putc(out, (char)(0x80 | ((c >> 6) & 0x3F)));
		tl_buf_putc(out, (char)(0x80 | (c & 0x3F)));
	}
}

static int emit(struct tl_record_text *text)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(TL_RECORD_TEXT_CELLS * 4);

	while (text->len > 0 && text->cells[text->len - 1] == ' ')
		text->len--;
	for (size_t i = 0; i < text->len; i++)
		put_utf8(&line, text->cells[i]);
	text->len = text->cursor = 0;
	return text->on_line(text->arg, text->at, tl_buf_str(&line));
}

int tl_record_text_end(struct tl_record_text *text)
{
	return text->len > 0 ? emit(text) : 0;
}

static int put(struct tl_record_text *text, double at, uint32_t c)
{
	int rc = 0;

	if (text->cursor >= TL_RECORD_TEXT_CELLS)
		rc = emit(text);
	if (text->len == 0)
		text->at = at;
	while (text->len < text->cursor)
		text->cells[text->len++] = ' ';
	text->cells[text->cursor++] = c;
	if (text->len < text->cursor)
		text->len = text->cursor;
	return rc;
}

static void move_to(struct tl_record_text *text, size_t column)
{
	text->cursor = column < TL_RECORD_TEXT_CELLS ? column : TL_RECORD_TEXT_CELLS - 1;
}

static int control(struct tl_record_text *text, double at, char c)
{
	switch (c) {
	case '\n':
		if (text->len == 0)
			text->at = at;
		return emit(text);
	case '\r':
		text->cursor = 0;
		break;
	case '\b':
		text->cursor -= text->cursor > 0;
		break;
	case '\t':
		move_to(text, (text->cursor / TAB + 1) * TAB);
		break;
	case '\x1b':
		text->state = ESCAPE;
		break;
	default:
		break;
	}
	return 0;
}

/* ---- sequences -------------------------------------------------------------------------------- */

static void delete_cells(struct tl_record_text *text, size_t count)
{
	size_t from = text->cursor + count;

	if (text->cursor >= text->len)
		return;
	if (from < text->len)
		memmove(&text->cells[text->cursor], &text->cells[from],
			(text->len - from) * sizeof(text->cells[0]));
	text->len = from < text->len ? text->len - count : text->cursor;
}

static void erase(struct tl_record_text *text, unsigned what)
{
	size_t end = text->cursor < text->len ? text->cursor + 1 : text->len;

	if (what == 0 && text->cursor < text->len)
		text->len = text->cursor;
	for (size_t i = 0; what == 1 && i < end; i++)
		text->cells[i] = ' ';
	if (what == 2)
		text->len = 0;
}

/* CSI … `final` */
static int sequence(struct tl_record_text *text, char final)
{
	unsigned first = text->params[0];
	size_t count = first ? first : 1;

	text->state = GROUND;
	switch (final) {
	case 'C':
		move_to(text, text->cursor + count);
		return 0;
	case 'D':
		move_to(text, text->cursor > count ? text->cursor - count : 0);
		return 0;
	case 'G':
		move_to(text, count - 1);
		return 0;
	case 'K':
		erase(text, first);
		return 0;
	case 'P':
		delete_cells(text, count);
		return 0;
	case 'A':
	case 'B':
	case 'E':
	case 'F':
	case 'H':
	case 'J':
	case 'd':
	case 'f':
		return tl_record_text_end(text); /* elsewhere on the screen */
	default:
		return 0;
	}
}

static int in_sequence(struct tl_record_text *text, char c)
{
	unsigned *param = &text->params[text->param_count];

	if (c >= '0' && c <= '9') {
		*param = *param * 10 + (unsigned)(c - '0');
		*param = *param > PARAM_MAX ? PARAM_MAX : *param;
	} else if (c == ';') {
		text->param_count += text->param_count + 1 < TL_ARRAY_LEN(text->params);
	} else if (c >= '@' && c <= '~') {
		return sequence(text, c);
	} else if (c < ' ' || c > '~') {
		text->state = GROUND;
	}
	return 0;
}

static void in_escape(struct tl_record_text *text, char c)
{
	memset(text->params, 0, sizeof(text->params));
	text->param_count = 0;
	if (c == '[')
		text->state = SEQUENCE;
	else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
		text->state = STRING;
	else
		text->state = c >= ' ' && c <= '/' ? CHARSET : GROUND;
}

static int in_control(struct tl_record_text *text, char c)
{
	switch ((enum state)text->state) {
	case ESCAPE:
		in_escape(text, c);
		break;
	case SEQUENCE:
		return in_sequence(text, c);
	case STRING:
		text->state = c == '\x1b' ? STRING_ESCAPE : c == '\a' ? GROUND : STRING;
		break;
	case STRING_ESCAPE:
		text->state = c == '\\' ? GROUND : STRING;
		break;
	case CHARSET:
	case GROUND:
		text->state = GROUND;
		break;
	}
	return 0;
}

/* ---- characters ------------------------------------------------------------------------------- */

/* The recording's text is valid UTF-8; whatever is not becomes U+FFFD. */
static int in_utf8(struct tl_record_text *text, double at, unsigned char c)
{
	if (text->missing > 0 && (c & 0xC0) == 0x80) {
		text->partial = (text->partial << 6) | (c & 0x3F);
		return --text->missing == 0 ? put(text, at, text->partial) : 0;
	}
	text->missing = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
	text->partial = text->missing == 3 ? c & 0x07 : text->missing == 2 ? c & 0x0F : c & 0x1F;
	return text->missing ? 0 : put(text, at, REPLACEMENT);
}

static int take(struct tl_record_text *text, double at, char c)
{
	unsigned char byte = (unsigned char)c;

	if (text->state != GROUND)
		return in_control(text, c);
	if (byte >= 0x80)
		return in_utf8(text, at, byte);
	text->missing = 0;
	if (byte < ' ' || byte == 0x7F)
		return control(text, at, c);
	return put(text, at, byte);
}

int tl_record_text_feed(struct tl_record_text *text, double at, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int rc = take(text, at, bytes[i]);

		if (rc != 0)
			return rc;
	}
	return 0;
}
