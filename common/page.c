#include "page.h"

#include <stdbool.h>
#include <string.h>

/* Columns, not bytes: continuation bytes of UTF-8 take none. */
static size_t columns(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static void wrap_line(FILE *out, const char *margin, size_t at, const char *line, size_t len)
{
	const char *end = line + len;
	bool first = true;

	while (line < end) {
		size_t word = strcspn(line, " \n"), width;

		if (word > (size_t)(end - line))
			word = (size_t)(end - line);
		width = columns(line, word);
		if (!first && at + 1 + width > PAGE_WIDTH) {
			fprintf(out, "\n%s", margin);
			at = columns(margin, strlen(margin));
			first = true;
		}
		fprintf(out, "%s%.*s", first ? "" : " ", (int)word, line);
		at += width + !first;
		first = false;
		line += word;
		line += line < end && *line == ' ';
	}
}

void page_wrap(FILE *out, const char *margin, size_t at, const char *text)
{
	for (;;) {
		size_t len = strcspn(text, "\n");

		if (*text == ' ')
			fprintf(out, "%.*s", (int)len, text);
		else
			wrap_line(out, margin, at, text, len);
		fputc('\n', out);
		text += len;
		if (*text == '\0' || text[1] == '\0')
			return;
		text++;
		if (*text != '\n')
			fputs(margin, out);
		at = columns(margin, strlen(margin));
	}
}

static void put_escaped(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-' && i + 1 < len && text[i + 1] == '-')
			fputs("\\-", out);
		else
			fputc(text[i], out);
	}
}

void page_mdoc_word(FILE *out, const char *text)
{
	put_escaped(out, text, strlen(text));
}

/* A sentence's end starts a new source line, as mandoc(1)'s lint wants it. */
static void put_prose(FILE *out, const char *line, size_t len)
{
	const char *end = line + len;

	while (line < end) {
		const char *stop = memmem(line, (size_t)(end - line), ". ", 2);
		size_t piece = stop ? (size_t)(stop + 1 - line) : (size_t)(end - line);

		if (*line == '.' || *line == '\'')
			fputs("\\&", out);
		put_escaped(out, line, piece);
		fputc('\n', out);
		line += piece;
		while (line < end && *line == ' ')
			line++;
	}
}

static size_t put_literal(FILE *out, const char *text)
{
	const char *at = text;

	fputs(".Bd -literal\n", out);
	while (*at == ' ') {
		size_t len = strcspn(at, "\n");

		put_escaped(out, at, len);
		fputc('\n', out);
		at += len;
		at += *at == '\n';
	}
	fputs(".Ed\n", out);
	return (size_t)(at - text);
}

void page_mdoc(FILE *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (*text == ' ') {
			text += put_literal(out, text);
			continue;
		}
		/* A display makes its own space before it. */
		if (len == 0 && text[1] && text[1] != ' ')
			fputs(".Pp\n", out);
		put_prose(out, text, len);
		text += len;
		text += *text == '\n';
	}
}
